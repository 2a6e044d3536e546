"""What happened to one question, on disk: enough to explain the answer, and to give it again.

Holds the prompt as the model saw it (personal data masked), never the raw text of what was
withheld: of the model's own words only what was shown, a hash of all, and log-probabilities.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rag.engines.lineage import Start, packed
from rag.errors import SurefootError
from rag.models import write_atomic
from rag.prompt import Packed, template_hash
from rag.reading import Reading
from rag.types import Answer, Decoding, Message, Token, Verdict

FORMAT = 2
LOG = logging.getLogger("surefoot.trace")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with all that was asked with it; `where` are its conditions in words.

    `verdict` is the guard's, where it changed or hid the question: then it can't be asked again.
    """

    question: str
    history: tuple[Message, ...] = ()
    groups: frozenset[str] = frozenset()
    where: tuple[str, ...] = ()
    decoding: Decoding = field(default_factory=Decoding)
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """The second attempt at an answer: its prompt, the model's tokens, the engine's state."""

    packed: Packed
    tokens: Sequence[Token] = ()
    start: Start | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """What an answer was made of, as far as it came. `query` is what passages were judged by.

    `check` and `start` are the engine's states in which the check and the answer began. `again` is
    there where the answer was made once more. `names` are the pseudonyms of what the model said
    raw, in their order.
    """

    asked: Asked
    query: str
    reading: Reading | None = None
    packed: Packed | None = None
    tokens: Sequence[Token] = ()
    check: Start | None = None
    start: Start | None = None
    again: Again | None = None
    names: Sequence[str] = ()


class Tracer:
    """Writes traces below `folder` (none if it is None). `facts` go into every trace.

    Facts that may change from answer to answer are given as a function.
    """

    def __init__(
        self, folder: Path | None, facts: Mapping[str, Any] | Callable[[], Mapping[str, Any]]
    ) -> None:
        self._folder = folder
        self._facts = facts

    def place(self) -> Path | None:
        """Where the next trace will lie, or None if traces are off or can't be written."""
        if self._folder is None:
            return None
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            LOG.warning("no trace is written: %s", error)
            return None
        if not os.access(self._folder, os.W_OK):
            LOG.warning("no trace is written: %s is read-only", self._folder)
            return None
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        return self._folder / f"{stamp}-{secrets.token_hex(4)}.json"

    def write(self, path: Path, answer: Answer, made: Made) -> None:
        """Write one trace. A full disk costs the trace, with a warning, not the answer."""
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        try:
            facts = self._facts() if callable(self._facts) else self._facts
            record = {"format": FORMAT, "at": at, **facts, **record_of(answer, made)}
            write_atomic(path, json.dumps(record, ensure_ascii=False, indent=1).encode())
            path.chmod(0o600)
        except (OSError, SurefootError, UnicodeEncodeError) as error:
            LOG.warning("the trace could not be written: %s", error)


def record_of(answer: Answer, made: Made) -> dict[str, Any]:
    """What a trace says of one answer, in JSON's types. Pure.

    Log-probabilities are whole: JSON writes a float so that it is read back to the same bits.
    """
    prompt = made.packed
    return {
        "template": _template(prompt),
        "question": made.asked.question,
        "query": made.query,
        "asked": _plain(asdict(made.asked)),
        "reading": _reading(made.reading),
        "prompt": [asdict(message) for message in prompt.messages] if prompt else [],
        "check": [asdict(message) for message in prompt.check] if prompt else [],
        "units": [asdict(unit) for unit in prompt.units] if prompt else [],
        "starts": {"check": _start(made.check), "answer": _start(made.start)},
        "generated": generated(made.tokens),
        "again": _again(made.again),
        "names": list(made.names),
        "answer": _plain(asdict(answer)),
    }


def generated(tokens: Sequence[Token]) -> dict[str, Any]:
    """What may be kept of the model's own words: their hash, and how likely each token was."""
    said = "".join(token.text for token in tokens)
    return {
        "sha256": hashlib.sha256(said.encode("utf-8", "replace")).hexdigest(),
        "logprobs": [token.logprob for token in tokens],
    }


def _again(again: Again | None) -> dict[str, Any] | None:
    if again is None:
        return None
    return {
        "prompt": [asdict(message) for message in again.packed.messages],
        "tokens": again.packed.tokens,
        "units": [asdict(unit) for unit in again.packed.units],
        "start": _start(again.start),
        "generated": generated(again.tokens),
    }


def _reading(reading: Reading | None) -> dict[str, Any] | None:
    """What is hidden in each passage, and what the decisions rested on; the texts are elsewhere."""
    if reading is None:
        return None
    failed = reading.failed
    return {
        "best": float(reading.best),
        "readable": bool(reading.units),
        "masks": [[asdict(mask) for mask in spans] for spans in reading.masks],
        "findings": [asdict(finding) for finding in reading.findings],
        "failed": None if failed is None else failed.cause,
    }


def _start(start: Start | None) -> dict[str, Any] | None:
    return None if start is None else {**asdict(start), "runs": packed(start.runs)}


def _template(packed: Packed | None) -> str:
    """The hash of the prompt's wording, with the instructions that were really given."""
    first = packed.messages[0] if packed else None
    return template_hash(first.content) if first else template_hash()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return sorted(value) if isinstance(value, frozenset) else value
