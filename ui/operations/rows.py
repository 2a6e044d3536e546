"""A line of the audit log as the operations page counts it. Pure.

The log may hold lines of older versions, and of whoever could write to it: what a line does not
say, or says oddly, is nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from rag.telemetry.labels import ACTIONS, FINDING_STAGES, FINDINGS, among

Kind = Literal["answered", "abstained", "blocked", "left", "failed", "cached", "refused"]
KINDS = frozenset(get_args(Kind))
LARGEST = 10**9
LONGEST = 60


@dataclass(frozen=True, slots=True)
class Found:
    """So many findings of one label at one stage, and what was done."""

    stage: str
    label: str
    action: str
    n: int


@dataclass(frozen=True, slots=True)
class Row:
    """How one question ended. `at` is Unix time in seconds; times of the answer are in ms."""

    at: float
    kind: str
    cause: str = ""
    why: str = ""
    times: int = 1
    ms: float | None = None
    first_shown_ms: float | None = None
    token_ms: float | None = None
    prompt: int = 0
    cached: int = 0
    completion: int = 0
    supported: int = 0
    unsupported: int = 0
    withheld: int = 0
    findings: tuple[Found, ...] = ()

    @property
    def asked(self) -> bool:
        """Whether it is a question, however it ended: one that was refused never began."""
        return self.kind != "refused"


def row_of(line: Mapping[str, Any]) -> Row | None:
    """The row of a line; None for one that is about no question."""
    at, kind = _time(line.get("at")), str(line.get("kind"))
    if at is None or kind not in KINDS:
        return None
    return Row(
        at,
        kind,
        cause=_word(line.get("cause")),
        why=_word(line.get("why")),
        times=max(1, _count(line.get("times"))),
        ms=_number(line.get("ms")),
        first_shown_ms=_number(line.get("first_shown_ms")),
        token_ms=_number(line.get("token_ms")),
        prompt=_count(line.get("prompt_tokens")),
        cached=_count(line.get("cached_tokens")),
        completion=_count(line.get("completion_tokens")),
        supported=_count(line.get("supported")),
        unsupported=_count(line.get("unsupported")),
        withheld=_count(line.get("withheld")),
        findings=_findings(line.get("findings")),
    )


def _findings(value: Any) -> tuple[Found, ...]:
    if not isinstance(value, dict):
        return ()
    return tuple(_found(str(name), _count(n)) for name, n in value.items() if _count(n))


def _found(name: str, n: int) -> Found:
    """Of "stage/label/action", each of a closed set of words."""
    stage, _, rest = name.partition("/")
    label, _, action = rest.partition("/")
    return Found(among(stage, FINDING_STAGES), among(label, FINDINGS), among(action, ACTIONS), n)


def _time(value: Any) -> float | None:
    try:
        return datetime.fromisoformat(value).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def _word(value: Any) -> str:
    return value[:LONGEST] if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if plain and 0 <= value <= LARGEST else None


def _count(value: Any) -> int:
    return int(_number(value) or 0)
