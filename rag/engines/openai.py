"""Any OpenAI-compatible server as an engine: vLLM, SGLang, llama.cpp's server, a hosted one.

The way to grow beyond one machine. Requests live on one event loop, so that cancelling a stream
closes its connection at once, whatever the server is doing. Loads openai when an engine is built.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Coroutine, Generator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any

from rag.engines.beams import one_beam
from rag.engines.counting import Counter
from rag.engines.retry import Retries, asked_wait, passes
from rag.engines.stops import StopScanner
from rag.errors import EngineError
from rag.types import Decoding, Message, Token

CONNECT_SECONDS = 5.0
POLL_SECONDS = 0.05
TOP = 20
COUNTED = 4096
LONGEST_ERROR = 200

# Text, and the log-probabilities of the tokens that it is made of.
Piece = tuple[str, tuple[float, ...]]
End = object


class OpenAIEngine:
    """A model of an OpenAI-compatible server. Raises EngineError, never with the key in it.

    `sha256` is of the server's address and the model's name: its weights can't be seen. Where the
    server gives no log-probabilities, those of a stream's tokens are 0, and a piece of text counts
    as one token; `score` then raises EngineError. `count` takes the place of the server's own
    /tokenize; `counts_exactly` says whether it is exact. `timeout` is in seconds without a word.
    `template_values` are given to the server's chat template, where it takes any.
    """

    # Reading a long prompt costs nothing here.
    on_gpu = True

    def __init__(
        self,
        name: str,
        base_url: str,
        key: str = "",
        window: int = 4096,
        timeout: float = 60.0,
        count: Counter | None = None,
        counts_exactly: bool = True,
        retries: Retries = Retries(),  # noqa: B008
        template_values: Mapping[str, Any] | None = None,
    ) -> None:
        self.name, self.window, self.counts_exactly = name, window, counts_exactly
        self.sha256 = hashlib.sha256(f"{base_url}\n{name}".encode()).hexdigest()
        self._key, self._retries = key, retries
        self._logprobs = True
        self._values = dict(template_values or {})
        self._root = base_url.rstrip("/").removesuffix("/v1")
        self._client = _client(base_url, key, timeout)
        self._loop = asyncio.new_event_loop()
        Thread(target=self._loop.run_forever, name="surefoot-openai", daemon=True).start()
        self._count = lru_cache(COUNTED)(count or self._served_counter())

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Exactly the tokens that the server reads for `messages`, or what `count` says."""
        return self._count(tuple(messages))

    def stream(
        self, messages: Sequence[Message], decoding: Decoding, cancel: Event
    ) -> Generator[Token, None, None]:
        """Tokens as they come; ends at end-of-text, a stop string, a limit or `cancel`.

        A request that fails before its first token is made again; one that fails later is an error.
        """
        one_beam(self.name, decoding)
        if (size := self.count_tokens(messages)) >= self.window:
            raise EngineError(self.name, f"the prompt has {size} tokens of {self.window}")
        if cancel.is_set():
            return
        limit = min(decoding.max_tokens, self.window - size)
        said: SimpleQueue[Any] = SimpleQueue()
        body = self._body(messages, decoding, limit)
        job = asyncio.run_coroutine_threadsafe(self._say(body, said), self._loop)
        try:
            yield from _tokens(said, decoding, limit, cancel)
        finally:
            job.cancel()

    def score(self, messages: Sequence[Message], choices: Sequence[str]) -> list[float]:
        """Log-probability that the reply begins with each choice's first token.

        One that is not among the server's likeliest counts as the last of them: it is at most that.
        """
        body = self._body(messages, Decoding(), 1) | {"stream": False, "top_logprobs": TOP}
        reply = self._wait(self._retried(lambda: self._complete(body)))
        content = getattr(reply.choices[0].logprobs, "content", None) if reply.choices else None
        listed = content[0].top_logprobs if content else None
        if not listed:
            raise EngineError(self.name, "the server gives no log-probabilities to score by")
        least = min(entry.logprob for entry in listed)
        return [min(0.0, _chance(choice, listed, least)) for choice in choices]

    def close(self) -> None:
        """Hang up. Streams under way end."""
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _say(self, body: dict[str, Any], said: SimpleQueue[Any]) -> None:
        """Put the reply's pieces into a queue, then its end: `End`, or an error."""
        begun = False
        for attempt in range(1, self._retries.attempts + 1):
            try:
                async for piece in self._pieces(body):
                    begun = True
                    said.put(piece)
                said.put(End)
                return
            except Exception as error:  # noqa: BLE001  told to the thread that waits for the end
                wait = None if begun else self._wait_for(error, attempt, body)
                if wait is None:
                    said.put(self._error(error, begun))
                    return
                await asyncio.sleep(wait)

    async def _pieces(self, body: dict[str, Any]) -> AsyncIterator[Piece]:
        finished = False
        stream = await self._client.chat.completions.create(**body)
        try:
            async for chunk in stream:
                for choice in chunk.choices[:1]:
                    finished = finished or choice.finish_reason is not None
                    listed = getattr(choice.logprobs, "content", None) or ()
                    text = (choice.delta.content if choice.delta else None) or ""
                    if text or listed:
                        yield text, tuple(min(0.0, entry.logprob) for entry in listed)
        finally:
            await stream.close()
        if not finished:
            raise EngineError(self.name, "the server closed the connection")

    async def _complete(self, body: dict[str, Any]) -> Any:
        return await self._client.chat.completions.create(**body)

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        return await self._client.post(f"{self._root}{path}", cast_to=object, body=body)

    async def _retried(self, ask: Any) -> Any:
        for attempt in range(1, self._retries.attempts + 1):
            try:
                return await ask()
            except Exception as error:
                wait = self._wait_for(error, attempt, {})
                if wait is None:
                    raise self._error(error, False) from error
                await asyncio.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def _wait_for(self, error: Exception, attempt: int, body: dict[str, Any]) -> float | None:
        """Seconds until another attempt makes sense, or None."""
        import openai

        if isinstance(error, openai.BadRequestError) and "logprobs" in str(error) and body:
            # Some servers refuse what they can't give; they are asked for the text alone.
            self._logprobs = False
            return 0.0 if body.pop("logprobs", None) else None
        if isinstance(error, openai.APIStatusError):
            if not passes(error.status_code):
                return None
            hint = asked_wait(error.response.headers.get("retry-after"), datetime.now(UTC))
        elif isinstance(error, openai.APIConnectionError | EngineError):
            hint = None
        else:
            return None
        return self._retries.wait(attempt, hint, random.uniform)

    def _error(self, error: Exception, begun: bool) -> EngineError:
        """One line about a failure, without the key, which servers may quote."""
        line = " ".join(str(getattr(error, "problem", error)).split())
        line = (line.replace(self._key, "***") if self._key else line)[:LONGEST_ERROR]
        line = f"the reply broke off: {line}" if begun else line
        failure = EngineError(self.name, line)
        failure.__cause__ = error
        return failure

    def _body(self, messages: Sequence[Message], decoding: Decoding, limit: int) -> dict[str, Any]:
        """The request. Sampling is named as vLLM, SGLang and llama.cpp name it."""
        more: dict[str, Any] = {"chat_template_kwargs": self._values} if self._values else {}
        if decoding.temperature > 0 and decoding.top_k > 0:
            more["top_k"] = decoding.top_k
        if decoding.repetition_penalty != 1.0:
            more["repetition_penalty"] = more["repeat_penalty"] = decoding.repetition_penalty
        return {
            "model": self.name,
            "messages": _plain(messages),
            "max_tokens": limit,
            "temperature": decoding.temperature,
            "top_p": decoding.top_p,
            "seed": decoding.seed,
            "stream": True,
            **({"logprobs": True} if self._logprobs else {}),
            **({"extra_body": more} if more else {}),
        }

    def _served_counter(self) -> Counter:
        """The server's own count of chat messages, in the first form that it knows."""
        probe = (Message("user", "?"),)
        for count in (self._count_messages, self._count_rendered):
            try:
                if count(probe) > 0:
                    return count
            except EngineError as error:
                if not hasattr(error.__cause__, "status_code"):
                    raise
        problem = "the server counts no tokens; name a tokenizer folder in engine.tokenizer"
        raise EngineError(self.name, f'{problem}, or set engine.count = "estimate"')

    def _count_messages(self, messages: Sequence[Message]) -> int:
        """As vLLM and SGLang count."""
        body = {"model": self.name, "messages": _plain(messages), "add_generation_prompt": True}
        reply = self._wait(self._retried(lambda: self._post("/tokenize", body)))
        return _size(reply)

    def _count_rendered(self, messages: Sequence[Message]) -> int:
        """As llama.cpp's server counts: the template first, then the tokens."""
        body = {"messages": _plain(messages)}
        rendered = self._wait(self._retried(lambda: self._post("/apply-template", body)))
        text = rendered.get("prompt", "") if isinstance(rendered, dict) else ""
        asked = {"content": text, "add_special": True, "parse_special": True}
        return _size(self._wait(self._retried(lambda: self._post("/tokenize", asked))))

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _tokens(
    said: SimpleQueue[Any], decoding: Decoding, limit: int, cancel: Event
) -> Generator[Token, None, None]:
    """Tokens out of the queue, up to a stop string, `limit` of them or `cancel`."""
    scanner, number = StopScanner(decoding.stop), 0
    while not cancel.is_set():
        try:
            piece = said.get(timeout=POLL_SECONDS)
        except Empty:
            continue
        if isinstance(piece, Exception):
            raise piece
        if piece is End:
            break
        text, logprobs = piece
        # A token may be half a character: the text goes with the last token of its piece.
        for place, logprob in enumerate(logprobs or (0.0,), start=1):
            last = place >= len(logprobs)
            yield Token(scanner.feed(text) if last else "", number, logprob)
            number += 1
            if cancel.is_set() or scanner.stopped:
                return
        if number >= limit:
            break
    if not cancel.is_set() and (rest := scanner.finish()):
        yield Token(rest, -1, 0.0)


def _client(base_url: str, key: str, timeout: float) -> Any:
    try:
        import openai
    except ImportError as error:
        problem = "openai is not installed; pip install 'surefoot[openai]'"
        raise EngineError("openai", problem) from error
    limits = openai.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS))
    # Retries are ours: the client's own do not tell whether a token was taken already.
    return openai.AsyncOpenAI(
        api_key=key or "none", base_url=base_url, timeout=limits, max_retries=0
    )


def _plain(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


def _size(reply: Any) -> int:
    """The count in a /tokenize reply: `count` itself, or the length of `tokens`; else 0."""
    if not isinstance(reply, dict):
        return 0
    tokens = reply.get("tokens")
    return int(reply.get("count") or (len(tokens) if isinstance(tokens, list) else 0))


def _chance(choice: str, listed: Sequence[Any], least: float) -> float:
    """The log-probability of the likeliest listed token that begins `choice`, or `least`."""
    found = [entry.logprob for entry in listed if entry.token and choice.startswith(entry.token)]
    return max(found, default=least)
