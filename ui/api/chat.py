"""An answer in the form of the OpenAI API: a chat completion, whole or in chunks. Pure.

A reader of the stream gets the same text as one of the whole answer.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rag.types import Answer, Message
from ui.api.wire_openai import ChatBody, FinishReason
from ui.view import finding_json, passage_json, sentence_json

Json = dict[str, Any]
SEEDS = 2**31


@dataclass(frozen=True, slots=True)
class Framing:
    """What every chunk of one reply says. `created` is in seconds of Unix time."""

    id: str
    model: str
    ignored: Sequence[str] = ()
    passages: bool = False
    most: int = 0
    created: int = field(default_factory=lambda: int(time.time()))

    def chunk(self, delta: Json, finish: FinishReason | None = None, **more: Any) -> Json:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": [choice],
            **more,
        }

    def last(self, answer: Answer) -> Json:
        """The chunk that says how it ended, with what Surefoot knows."""
        return self.chunk({}, finish(answer, self.most), surefoot=self.extension(answer))

    def usage(self, answer: Answer) -> Json:
        """The chunk after the last, for who asked for it."""
        return {**self.chunk({}), "choices": [], "usage": usage(answer)}

    def whole(self, answer: Answer) -> Json:
        """The reply to who did not ask for a stream."""
        message = {
            "role": "assistant",
            "content": answer.text,
            "refusal": None,
            "surefoot": self.extension(answer),
        }
        reason = finish(answer, self.most)
        choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
        return {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": [choice],
            "usage": usage(answer),
        }

    def extension(self, answer: Answer) -> Json:
        passages = answer.passages if self.passages else ()
        return {
            "status": answer.status,
            "cause": answer.cause,
            "sentences": [sentence_json(sentence) for sentence in answer.sentences],
            "findings": [finding_json(finding) for finding in answer.findings],
            "withheld": answer.withheld,
            "dropped": [asdict(item) for item in answer.tokens.dropped],
            "timings_ms": dict(answer.timings_ms),
            "trace": trace_id(answer),
            "searched": answer.searched,
            "ignored": list(self.ignored),
            "passages": [passage_json(passage) for passage in passages],
        }


class Even:
    """Sentences as deltas whose sum is the answer's text: blanks at either end are left out."""

    def __init__(self) -> None:
        self._begun = False
        self._blanks = ""

    def delta(self, text: str) -> str:
        """What of this sentence can be sent now; blanks after it wait for what follows them."""
        text = self._blanks + text if self._begun else text.lstrip()
        said = text.rstrip()
        self._begun = self._begun or bool(said)
        self._blanks = text[len(said) :]
        return said


def finish(answer: Answer, most: int) -> FinishReason:
    """Why it ended. `most` is the number of tokens that it could have at most."""
    if answer.status == "blocked":
        return "content_filter"
    cut = answer.status == "answered" and answer.tokens.completion >= most > 0
    return "length" if cut else "stop"


def usage(answer: Answer) -> Json:
    """The exact counts of the model's own tokenizer."""
    prompt, completion = answer.tokens.prompt, answer.tokens.completion
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": answer.tokens.cached},
    }


def trace_id(answer: Answer) -> str:
    """The name of an answer's trace; "" if none is written."""
    return answer.trace.rpartition("/")[2].removesuffix(".json")


def question_of(body: ChatBody) -> tuple[str, tuple[Message, ...]]:
    """The last user message, and what the user and the assistant said before it; "" if none."""
    said = [message for message in body.messages if message.role in ("user", "assistant")]
    if not said or said[-1].role != "user":
        return "", ()
    earlier = (Message(message.role, message.text) for message in said[:-1])  # type: ignore[arg-type]
    return said[-1].text, tuple(message for message in earlier if message.content.strip())


def sampling_of(body: ChatBody) -> Json:
    """The fields of Decoding that a request sets."""
    stop = [body.stop] if isinstance(body.stop, str) else body.stop or []
    asked = {
        "max_tokens": body.max_completion_tokens or body.max_tokens,
        "temperature": body.temperature,
        "top_p": body.top_p,
        "seed": None if body.seed is None else body.seed % SEEDS,
        "stop": tuple(filter(None, stop)) or None,
    }
    return {name: value for name, value in asked.items() if value is not None}


def event(data: Json, name: str = "") -> str:
    """One server-sent event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False)}\n\n"
