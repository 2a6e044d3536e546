"""A trial of a variant beside the stable one: who meets it, and what counts against it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from rag.config import GroundingConfig
from rag.releases.gates import GateName, Gates, Tally, Verdict, judge
from rag.types import Answer

ArmName = Literal["canary", "baseline"]
Hits = frozenset[GateName]

# As the pipeline says it of an answer that was cancelled.
STOPPED = "stopped by the reader"
# Each conversation's copies are as many with either variant.
PAIRED = 0.5


@dataclass(frozen=True, slots=True)
class Trial:
    """A canary, or in `shadow` mode a candidate whose answers nobody sees.

    `share` is the part of the conversations that meet it. `notes` count what else was seen of the
    shadow: answers like the baseline's in status and text, or not, and copies that were dropped.
    """

    id: int
    variant: str
    baseline: str
    share: float
    shadow: bool
    salt: str
    began: str
    gates: Gates
    canary: Tally = field(default_factory=Tally)
    base: Tally = field(default_factory=Tally)
    notes: Mapping[str, int] = field(default_factory=dict)

    def unit(self, conversation: str) -> str:
        """A conversation's name in the counts, which does not tell the conversation."""
        return hashlib.sha256(f"{self.salt}\0{conversation}".encode()).hexdigest()[:16]

    def takes(self, conversation: str) -> bool:
        """Whether this conversation is one of the share: the same in every process and turn."""
        return int(self.unit(conversation), 16) < self.share * 2**64

    def verdict(self) -> Verdict:
        """What the counts say now."""
        share = PAIRED if self.shadow else self.share
        return judge(self.canary, self.base, share, self.gates)


def hits_of(answer: Answer, slow_ms: float) -> Hits | None:
    """The ways in which an answer went wrong; None if its reader stopped it before it could.

    A sentence is unsupported that was withheld or has less than the shipped threshold, whatever
    threshold the variant has.
    """
    shown = answer.timings_ms.get("first_shown")
    slow = (answer.timings_ms.get("total", 0.0) if shown is None else shown) > slow_ms
    if answer.cause == STOPPED:
        return frozenset({"slow"}) if slow and shown is None else None
    found = {
        "slow": slow,
        "unsupported": bool(answer.withheld) or _unsupported(answer),
        "unsafe": _unsafe(answer),
        "abstained": answer.status == "abstained",
    }
    return frozenset(name for name, so in found.items() if so)  # type: ignore[misc]


def differences(canary: Answer, baseline: Answer) -> tuple[str, ...]:
    """What a shadow's answer has that the shown one has not, by name."""
    found = {
        "status_differs": canary.status != baseline.status,
        "text_differs": canary.text != baseline.text,
        "sentences_differ": len(canary.sentences) != len(baseline.sentences),
        "support_lower": _support(canary) < _support(baseline),
    }
    return tuple(name for name, so in found.items() if so) or ("same",)


def _unsupported(answer: Answer) -> bool:
    least = GroundingConfig().threshold
    return any(item.support is not None and item.support < least for item in answer.sentences)


def _unsafe(answer: Answer) -> bool:
    """Whether the guard had to act on the answer; what it does to a question is no fault of it."""
    acted = any(item.stage == "answer" and item.action != "keep" for item in answer.findings)
    return acted or (answer.status == "blocked" and bool(answer.passages))


def _support(answer: Answer) -> float:
    """The weakest claim's support; 1 for an answer without claims."""
    return min((item.support for item in answer.sentences if item.support is not None), default=1.0)
