"""What generative guards are asked: the words that each family was trained on, in TOML files.

`chat` is a Jinja chat template of our own, in place of the model's, so that a prompt is the same
whoever converted the weights. Its messages are the text to check, after a question if it is an
answer, and last what to check it for. A text gets no special token into the prompt, nor the words
that the template's parts begin with.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from rag.fence import HARMLESS, disarm
from rag.types import Message, Stage


@dataclass(frozen=True, slots=True)
class Risk:
    """What is asked about a text at once; `prompt` and `response` define it. Found, it is `labels`.

    Without a definition the template has it.
    """

    name: str
    labels: tuple[str, ...]
    prompt: str = ""
    response: str = ""


@dataclass(frozen=True, slots=True)
class GuardTemplate:
    """A family's wording. `flagged` and `clear` are its answers; `categories` it may name after.

    `served` is what its own chat template, on a server, takes the risk by.
    """

    family: str
    sha256: str
    version: int
    chat: str
    flagged: str
    clear: str
    reply_tokens: int
    risks: tuple[Risk, ...]
    marks: tuple[str, ...] = ()
    served: str = ""
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def labels(self) -> frozenset[str]:
        """All that it can find."""
        found = [risk.labels for risk in self.risks]
        return frozenset(label for labels in found for label in labels)

    def messages(self, risk: Risk, text: str, stage: Stage) -> tuple[Message, ...]:
        """For this template: an answer is checked as one, all else as what a person says."""
        said = self.plain(text, stage)
        definition = risk.response if stage == "answer" else risk.prompt
        return (*said, Message("system", definition)) if definition else said

    def plain(self, text: str, stage: Stage) -> tuple[Message, ...]:
        """For a server, whose own chat template has the wording."""
        safe = self._disarmed(text)
        if stage == "answer":
            return Message("user", ""), Message("assistant", safe)
        return (Message("user", safe),)

    def values(self, risk: Risk, stage: Stage) -> Mapping[str, Any]:
        """What a server's chat template is told of a risk, by the names that the family uses."""
        if self.served == "guideline":
            return {"guideline": risk.response if stage == "answer" else risk.prompt}
        return {self.served: {"risk_name": risk.name}} if self.served else {}

    def _disarmed(self, text: str) -> str:
        """Without what could pass for the prompt's own parts."""
        for mark in self.marks:
            broken = HARMLESS + mark[1:]
            text = re.sub(re.escape(mark), broken, text, flags=re.IGNORECASE)
        return disarm(text).strip()


@cache
def shipped_template(family: str) -> GuardTemplate:
    """The template in `family`.toml."""
    content = (Path(__file__).parent / f"{family}.toml").read_bytes()
    values = tomllib.loads(content.decode())
    risks = tuple(Risk(**{**row, "labels": tuple(row["labels"])}) for row in values.pop("risks"))
    categories = {code: tuple(labels) for code, labels in values.pop("categories", {}).items()}
    return GuardTemplate(
        family=family,
        sha256=hashlib.sha256(content).hexdigest(),
        risks=risks,
        marks=tuple(values.pop("marks", ())),
        categories=categories,
        **values,
    )
