"""A language model as checker: any engine, asked of each sentence by one strict template.

Where the engine scores choices, support is the share of Yes against No (Kadavath et al., "Language
Models (Mostly) Know What They Know", 2022). Else it replies at temperature 0, and a reply that
is neither yes nor no leaves the sentence without a score.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template
from threading import Event

from rag.checkers.claims import Scored
from rag.checkers.windows import View, views, whole
from rag.engines.lineage import Rewinds
from rag.errors import EngineError
from rag.fence import disarm
from rag.grounding import Evidence
from rag.prompt import CHOICES, beginning
from rag.types import Decoding, Engine, Message

FENCED = '<passage id="{part}">\n{text}\n</passage>'
REPLY_TOKENS = 16
LEAST_ROOM = 32
_VERDICT = re.compile(r"[\s\"'*_`(]*(yes|no)\b(?!\s*(?:/|or\b|and\b))", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class JudgeTemplate:
    """The wording of a judge. A text can't close its fence."""

    version: int
    system: str
    ask: str

    @property
    def sha256(self) -> str:
        """Changes with anything that the judge is asked."""
        parts = (str(self.version), self.system, self.ask, FENCED, *CHOICES)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def messages(self, source: str, claim: str) -> tuple[Message, Message]:
        parts = {"source": source, "claim": claim}
        names = {"source": "source", "claim": "sentence"}
        fenced = {k: FENCED.format(part=names[k], text=disarm(v)) for k, v in parts.items()}
        asked = Template(self.ask).substitute(fenced)
        return Message("system", self.system.strip()), Message("user", asked.strip())


@cache
def shipped_template() -> JudgeTemplate:
    """The template in judge.toml."""
    with (Path(__file__).parent / "judge.toml").open("rb") as stream:
        return JudgeTemplate(**tomllib.load(stream))


class JudgeScorer:
    """The greatest support over windows of the source. The engine must not be busy answering.

    It starts each judgement from the same cache where it can, so that none depends on another.
    """

    def __init__(self, engine: Engine, template: JudgeTemplate) -> None:
        self._engine = engine
        self._template = template

    def score(
        self, claims: Sequence[str], evidence: Sequence[Evidence], question: str
    ) -> list[Scored]:
        """One Scored a claim; one without a verdict on each of its windows fails."""
        del question
        return [self._one(claim, evidence) for claim in claims]

    def _one(self, claim: str, evidence: Sequence[Evidence]) -> Scored:
        try:
            seen = self._views(claim, evidence)
            if not seen:
                return Scored(None, failed=f"it does not fit into {self._engine.window} tokens")
            scored = [(self._support(view.text, claim), view) for view in seen]
        except (EngineError, Unparsed) as error:
            return Scored(None, failed=str(error))
        score, view = max(scored, key=lambda pair: pair[0])
        return Scored(score, view.units)

    def _views(self, claim: str, evidence: Sequence[Evidence]) -> list[View]:
        everything, room = whole(evidence), self._engine.window - REPLY_TOKENS
        if self._count(everything.text, claim) <= room:
            return [everything]
        room -= self._count("", claim)
        if room < LEAST_ROOM:
            return []
        bare = self._count("", "")
        return views(evidence, lambda texts: [self._count(t, "") - bare + 1 for t in texts], room)

    def _count(self, source: str, claim: str) -> int:
        return self._engine.count_tokens(self._template.messages(source, claim))

    def _support(self, source: str, claim: str) -> float:
        """Raises EngineError, Unparsed."""
        messages = self._template.messages(source, claim)
        if isinstance(self._engine, Rewinds):
            self._engine.rewind(beginning(messages[0].content))
        try:
            yes, no = self._engine.score(messages, CHOICES)
        except EngineError:
            # A server may give no log-probabilities; one that is gone fails again here.
            return float(self._reply(messages))
        return share(yes, no)

    def _reply(self, messages: Sequence[Message]) -> bool:
        decoding = Decoding(max_tokens=REPLY_TOKENS)
        tokens = self._engine.stream(messages, decoding, Event())
        return parse("".join(token.text for token in tokens))


class Unparsed(ValueError):
    """A judge's reply, or its scores, say neither yes nor no."""


def share(yes: float, no: float) -> float:
    """Yes among both, from natural-log probabilities. Raises Unparsed where neither has any."""
    if not math.isfinite(max(yes, no)):
        raise Unparsed("the judge gives neither Yes nor No any probability")
    return 1.0 / (1.0 + math.exp(min(700.0, no - yes)))


def parse(reply: str) -> bool:
    """Whether a reply says yes: as its first word, or as `verdict` of a JSON object.

    Raises Unparsed.
    """
    match = _VERDICT.match(_verdict(reply))
    if match is None:
        said = " ".join(reply.split())[:60]
        raise Unparsed(f"the judge's reply is neither yes nor no: {said!r}")
    return match[1].lower() == "yes"


def _verdict(reply: str) -> str:
    """What a JSON object says as its verdict; any other reply as it is."""
    text = reply.strip().removeprefix("```json").removesuffix("```").strip()
    if not text.startswith("{"):
        return reply
    try:
        return str(json.loads(text).get("verdict"))
    except ValueError:
        return reply
