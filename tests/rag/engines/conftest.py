"""A random model saved as a hub model would be, and a server that speaks as vLLM does."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

CHAT_TEMPLATE = (
    "{% for message in messages %}<s>{{ message['role'] }}\n{{ message['content'] }}</s>"
    "{% endfor %}<s>assistant\n"
)


def _tiny(folder: Path) -> str:
    """Grouped heads, weights large enough that no two tokens are ever about as likely."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(["the cat sat on the mat"], trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(folder)
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        initializer_range=0.3,
        bos_token_id=0,
        eos_token_id=1,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def tiny_lm(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a tiny Llama model with a window of 512 tokens."""
    return _tiny(tmp_path_factory.mktemp("tiny-lm"))


class ChatServer(ThreadingHTTPServer):
    """Says `reply`, a word a token, after the `faults` that are due: one for each request.

    A fault is an HTTP status, (status, Retry-After), or "hang", "close", "middle", "error", "half"
    (no end is said), "slow". `cuts` are the sizes in which the stream's bytes are sent.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reply = "Red, green and blue are three colours that people know well."
        self.faults: list[Any] = []
        self.cuts: list[int] = []
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.logprobs = self.counts = True
        self.left = threading.Event()
        self.release = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is part of the play."""


class _Handler(BaseHTTPRequestHandler):
    server: ChatServer

    def log_message(self, format: str, *args: Any) -> None:
        del format, args

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path == "/tokenize":
            self._count(body)
            return
        self.server.asked.append(body)
        self.server.keys.append(self.headers.get("authorization", ""))
        fault = self.server.faults.pop(0) if self.server.faults else None
        status, after = fault if isinstance(fault, tuple) else (fault, None)
        if isinstance(status, int):
            key = self.headers.get("authorization", "").removeprefix("Bearer ")
            self._json({"error": {"message": f"no: {status} for {key}"}}, status, after)
        elif not self.server.logprobs and body.get("logprobs"):
            self._json({"error": {"message": "logprobs is not supported"}}, 400)
        elif fault == "close":
            self.connection.shutdown(socket.SHUT_RDWR)
        elif fault == "hang":
            self._hang()
        elif body.get("stream"):
            self._stream(body, fault)
        else:
            self._json(self._scored())

    def _count(self, body: dict[str, Any]) -> None:
        if not self.server.counts:
            self._json({"error": {"message": "not found"}}, 404)
            return
        texts = [message["content"] for message in body["messages"]]
        words = [re.findall(r"[A-Za-z]+|[^A-Za-z ]", text) for text in texts]
        self._json({"count": sum(4 + len(each) for each in words), "tokens": []})

    def _scored(self) -> dict[str, Any]:
        listed = [{"token": t, "logprob": v} for t, v in (("Yes", -0.2), ("No", -2.0), ("x", -9))]
        content = [{"token": "Yes", "logprob": -0.2, "top_logprobs": listed}]
        logprobs = {"content": content} if self.server.logprobs else None
        message = {"role": "assistant", "content": "Yes"}
        choice = {"index": 0, "message": message, "finish_reason": "length", "logprobs": logprobs}
        return {"id": "1", "object": "chat.completion", "created": 0, "model": "m"} | {
            "choices": [choice]
        }

    def _stream(self, body: dict[str, Any], fault: Any) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        words = re.findall(r"\s*\S+", self.server.reply)[: body["max_tokens"]]
        for number, word in enumerate(words):
            if fault == "middle" and number == 3:
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            if fault == "error" and number == 3:
                self._send(b'data: {"error": {"message": "out of memory"}}\n\n')
                return
            if fault == "slow" and number == 1:
                self._hang()
                return
            self._send(self._event(word, None))
        if fault != "half":
            self._send(self._event("", "stop") + b"data: [DONE]\n\n")

    def _event(self, text: str, reason: str | None) -> bytes:
        logprobs = {"content": [{"token": text, "logprob": -0.25, "top_logprobs": []}]}
        known = logprobs if text and self.server.logprobs else None
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": reason}
        chunk = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m"}
        event = {**chunk, "choices": [{**choice, "logprobs": known}]}
        return b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\n\n"

    def _send(self, data: bytes) -> None:
        for size in self.server.cuts:
            self.wfile.write(data[:size])
            self.wfile.flush()
            data = data[size:]
        self.wfile.write(data)
        self.wfile.flush()

    def _hang(self) -> None:
        """Say nothing until the client leaves, or the test is over."""
        self.connection.settimeout(0.05)
        while not self.server.release.is_set():
            try:
                if not self.connection.recv(1):
                    self.server.left.set()
                    return
            except TimeoutError:
                continue
            except OSError:
                self.server.left.set()
                return

    def _json(self, value: Any, status: int = 200, after: str | None = None) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        if after is not None:
            self.send_header("retry-after", after)
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def chat_server() -> Iterator[ChatServer]:
    yield from _served()


@pytest.fixture(scope="module")
def shared_chat_server() -> Iterator[ChatServer]:
    yield from _served()


def _served() -> Iterator[ChatServer]:
    server = ChatServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.release.set()
    server.shutdown()
    server.server_close()
