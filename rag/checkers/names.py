"""The names of checkers: KIND:MODEL. A leaf."""

from __future__ import annotations

from dataclasses import dataclass

from rag.errors import ConfigError

FIELD = "grounding.checker"
JUDGE = "judge"
KINDS = ("lettucedetect", "hhem", "minicheck", "nli", JUDGE)
# Where the published models themselves draw the line between supported and not.
THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class CheckerName:
    """A kind of checker, and a hub name or folder; for a judge an engine's name, "" for our own."""

    kind: str
    model: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.model}"


def parse_name(text: str) -> CheckerName:
    """What KIND:MODEL names. Raises ConfigError."""
    kind, colon, model = text.strip().partition(":")
    if not colon or kind not in KINDS:
        known = ", ".join(f"{name}:" for name in KINDS)
        raise ConfigError(FIELD, f"{text!r} does not begin with one of {known}")
    if not model and kind != JUDGE:
        raise ConfigError(FIELD, f"{text!r} names no model; give a folder or a hub name")
    return CheckerName(kind, model)
