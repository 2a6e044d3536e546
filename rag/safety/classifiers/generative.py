"""Language models that say safe or unsafe: Llama Guard, ShieldGemma, Granite Guardian.

The score is the share of the flagging answer among both, by the first token's probabilities (as
ShieldGemma's card takes it). Where an engine gives none, or the reply begins with neither, a short
reply is read instead; one that cannot be read is an error, which blocks.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from threading import Event

from rag.errors import EngineError
from rag.safety.classifiers.labels import combine, with_harm
from rag.safety.classifiers.parts import parts
from rag.safety.classifiers.templates import GuardTemplate, Risk
from rag.types import Decoding, Engine, Message, Stage

# Below this the reply is likely to begin with another token, such as a line's end.
LEAST_SHARE = 0.5
FLAGGED = 0.5
_WORD = re.compile(r"[\s\"'*_`]{0,20}([a-z]{1,20})\b", re.IGNORECASE)
_CODE = re.compile(r"\b[A-Z]\d{1,2}\b")

# The engine that answers about a risk in a stage.
Engines = Callable[[Risk, Stage], Engine]
Scores = Mapping[str, float]


class Unparsed(ValueError):
    """A guard's reply says neither of its two answers."""


class GenerativeClassifier:
    """A guard model behind an engine, asked about each of its risks that has `wanted` labels.

    With `served`, the engine's own chat template has the wording. Texts that leave no room are read
    in parts, and the likeliest counts.
    """

    def __init__(
        self,
        template: GuardTemplate,
        engines: Engines,
        identity: str,
        wanted: frozenset[str],
        threshold: float,
        served: bool = False,
    ) -> None:
        self.identity = identity
        self._template, self._engines, self._served = template, engines, served
        self._risks = [risk for risk in template.risks if wanted.intersection(_labels(risk))]
        named = [label for labels in template.categories.values() for label in with_harm(labels)]
        found = [label for risk in self._risks for label in _labels(risk)]
        mine = [label for label in dict.fromkeys([*found, *named]) if label in wanted]
        self.thresholds: Mapping[str, float] = dict.fromkeys(mine, threshold)

    def classify(self, texts: Sequence[str], stage: Stage) -> list[Scores]:
        """The highest probability of each label. Raises EngineError, Unparsed, ValueError."""
        return [self._one(text, stage) for text in texts]

    def _one(self, text: str, stage: Stage) -> Scores:
        found = dict.fromkeys(self.thresholds, 0.0)
        for risk in self._risks:
            engine = self._engines(risk, stage)
            for part in self._parts(engine, risk, text, stage):
                for label, p in self._asked(engine, risk, part, stage).items():
                    if label in found:
                        found[label] = max(found[label], p)
        return found

    def _parts(self, engine: Engine, risk: Risk, text: str, stage: Stage) -> list[str]:
        def size(part: str) -> int:
            return engine.count_tokens(self._messages(risk, part, stage)) - bare

        bare = 0
        bare = size("")
        return parts(text, size, engine.window - self._template.reply_tokens - bare)

    def _asked(self, engine: Engine, risk: Risk, text: str, stage: Stage) -> Scores:
        messages = self._messages(risk, text, stage)
        p = self._share(engine, messages)
        if p is not None and (p < FLAGGED or not self._template.categories):
            return dict.fromkeys(_labels(risk), p)
        flagged, codes = parse(self._reply(engine, messages), self._template)
        if p is None:
            p = float(flagged)
        return combine([p], [self._found(risk, codes)], several=True)

    def _found(self, risk: Risk, codes: Sequence[str]) -> tuple[str, ...]:
        """The labels of the categories that a reply names; the risk's own where it names none."""
        if not codes:
            return _labels(risk)
        return tuple(
            label for code in codes for label in with_harm(self._template.categories[code])
        )

    def _share(self, engine: Engine, messages: Sequence[Message]) -> float | None:
        """None where the engine gives no probabilities, or the reply begins with neither answer."""
        try:
            flagged, clear = engine.score(messages, (self._template.flagged, self._template.clear))
        except EngineError:
            # A server may give no log-probabilities; one that is gone fails again at the reply.
            return None
        return share(flagged, clear)

    def _reply(self, engine: Engine, messages: Sequence[Message]) -> str:
        decoding = Decoding(max_tokens=self._template.reply_tokens)
        return "".join(token.text for token in engine.stream(messages, decoding, Event()))

    def _messages(self, risk: Risk, text: str, stage: Stage) -> tuple[Message, ...]:
        if self._served:
            return self._template.plain(text, stage)
        return self._template.messages(risk, text, stage)


def share(flagged: float, clear: float) -> float | None:
    """The flagging answer's share of both, from natural-log probabilities of the first token.

    None where neither is likely, or both begin with one token. Pure.
    """
    both = math.exp(flagged) + math.exp(clear)
    # Not "both < LEAST_SHARE": no comparison holds of what is no number.
    told = both >= LEAST_SHARE and flagged != clear
    return math.exp(flagged) / both if told else None


def parse(reply: str, template: GuardTemplate) -> tuple[bool, tuple[str, ...]]:
    """Whether a reply flags the text, by its first word, and the known categories that it names.

    Raises Unparsed. Pure.
    """
    word = _WORD.match(reply)
    said = word[1].lower() if word else ""
    if said not in (template.flagged.lower(), template.clear.lower()):
        raise Unparsed(f"the guard says neither {template.flagged} nor {template.clear}")
    flagged = said == template.flagged.lower()
    codes = _CODE.findall(reply) if flagged else []
    return flagged, tuple(code for code in dict.fromkeys(codes) if code in template.categories)


def _labels(risk: Risk) -> tuple[str, ...]:
    return with_harm(risk.labels)
