"""The same answer again, from its trace and the models alone; and what is not the same.

The engine's cache is put where it was, the model decodes again, and guard and grounding look at
what it says as they did. Passages and prompt are the trace's own: whether the knowledge base still
gives them is asked apart, where it is still at that generation.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from threading import Event
from typing import Any

from rag.draft import STOPPED, Draft
from rag.engines.lineage import Replays, Start, start_of
from rag.followup import follow_up
from rag.grounding import Checker
from rag.safety.guard import Guard
from rag.safety.notices import notice
from rag.safety.pseudonyms import Played
from rag.speak import Speaker
from rag.trace import Made, Tracer, record_of
from rag.traced import Traced
from rag.types import Answer, AnswerEvent, Decision, Decoding, Engine, Message, Shown, Token

# Support is written with four digits, and may be rounded the other way.
SUPPORT_DIGIT = 1.01e-4


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that was compared. `same` is None where it was not repeated; `note` says why."""

    name: str
    same: bool | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Replayed:
    """The answer given again, beside its trace.

    `logprob_difference` is the largest difference of a token's log-probability, in nats; None
    where another number of tokens was generated. `shown` are its sentences with their tokens.
    """

    answer: Answer
    parts: tuple[Part, ...]
    logprob_difference: float | None
    shown: tuple[Shown, ...] = ()

    @property
    def same(self) -> bool:
        return all(part.same is not False for part in self.parts)


class Replayer:
    """Gives traced answers again with these parts, which must be those that gave them."""

    def __init__(self, engine: Engine, guard: Guard, grounder: Checker) -> None:
        self.engine = engine
        self.guard = guard
        self.grounder = grounder

    def model_part(self, traced: Traced) -> Part:
        """Whether the model is the one that answered."""
        was, now = traced.model, self.engine
        if was.sha256 == now.sha256:
            return Part("model", same=True, note=was.name)
        return Part("model", same=False, note=f"sha256 was {was.sha256}, is {now.sha256}")

    def replay(self, traced: Traced) -> Replayed:
        """Raises EngineError where the model fails."""
        stop = Event()
        engine = _Restored(self.engine, traced, stop)
        grounding = traced.config.grounding
        draft = Draft(traced.asked, engine, self.grounder, grounding, Tracer(None, {}))
        speaker = Speaker(engine, self.guard, grounding.policy, Played(traced.names))
        events = list(_events(draft, traced, self.guard, speaker, stop))
        answer = next(event for event in events if isinstance(event, Answer))
        found = record_of(answer, draft.made)
        difference = _difference(_logprobs(_generations(traced)), _logprobs(_made(found)))
        parts = (
            self.model_part(traced),
            _prompt(traced, draft.made),
            _check(traced, found["answer"]),
            _generated(traced, _made(found), difference),
            _answer(traced, found["answer"]),
            _equal("findings", traced.answer["findings"], found["answer"]["findings"]),
            _support(traced.answer["sentences"], found["answer"]["sentences"]),
        )
        shown = tuple(event for event in events if isinstance(event, Shown))
        return Replayed(answer, parts, difference, shown)


def _events(
    draft: Draft, traced: Traced, guard: Guard, speaker: Speaker, stop: Event
) -> Iterator[AnswerEvent]:
    """The story of an answer with what was found and packed then."""
    question, reading = traced.asked.question, traced.reading
    verdict = traced.asked.verdict or guard.check(question, "question")
    draft.add_findings(verdict.findings)
    if verdict.decision is Decision.BLOCK:
        yield from draft.blocked(notice(verdict, "question"), verdict)
        return
    found = reading.passages if reading else ()
    draft.searched(follow_up(question, traced.asked.history), found, guard.said)
    if reading is not None:
        draft.read(reading)
        if reading.failed is not None:
            yield from draft.blocked(notice(reading.failed, "answer"), reading.failed)
            return
    if traced.packed is None:
        yield from draft.abstained("no passage comes near the question")
        return
    draft.packed(traced.packed)
    second = traced.again.packed if traced.again else None
    how = traced.asked.decoding
    yield from speaker.speak(draft, traced.packed, how, stop, lambda _claims: second)


class _Restored:
    """The engine, put before each prompt where it was then; it stops where the reader did."""

    def __init__(self, engine: Engine, traced: Traced, stop: Event) -> None:
        self.name = engine.name
        self.sha256 = engine.sha256
        self.window = engine.window
        self.count_tokens = engine.count_tokens
        self._engine = engine
        self._traced = traced
        self._stop = stop
        starts = [traced.start, *([traced.again.start] if traced.again else [])]
        self._starts = iter(starts)
        self._left = len(starts)
        self._last = _generations(traced)[-1] if traced.answer["cause"] == STOPPED else None

    def score(self, messages: Sequence[Message], choices: Sequence[str]) -> list[float]:
        self.restore(messages, self._traced.check)
        return self._engine.score(messages, choices)

    def stream(
        self, messages: Sequence[Message], decoding: Decoding, cancel: Event
    ) -> Generator[Token, None, None]:
        self.restore(messages, next(self._starts, None))
        self._left -= 1
        most = len(self._last["logprobs"]) if self._last is not None and not self._left else -1
        if most == 0:
            self._stop.set()
        for number, token in enumerate(self._engine.stream(messages, decoding, cancel), start=1):
            if number == most:
                self._stop.set()
            yield token

    def restore(self, messages: Sequence[Message], start: Start | None) -> None:
        same_model = self._traced.model.sha256 == self.sha256
        if start is not None and same_model and isinstance(self._engine, Replays):
            self._engine.restore(messages, start)

    def began(self) -> Start | None:
        return start_of(self._engine)


def _generations(traced: Traced) -> list[Mapping[str, Any]]:
    """What was generated then, in one attempt or two."""
    return [traced.generated, *([traced.again.generated] if traced.again else [])]


def _made(found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [found["generated"], *([found["again"]["generated"]] if found["again"] else [])]


def _logprobs(generations: Sequence[Mapping[str, Any]]) -> list[float]:
    return [value for row in generations for value in row["logprobs"]]


def _prompt(traced: Traced, made: Made) -> Part:
    """The bytes of the first prompt's tokens, as the model was given them."""
    then, now = traced.start or traced.check, made.start or made.check
    if then is None or now is None:
        why = (
            "no prompt was made" if traced.packed is None else "the engine does not say its tokens"
        )
        return Part("prompt", same=None, note=why)
    note = "" if then.library == now.library else f"computed by {then.library} then"
    return Part("prompt", then.sha256 == now.sha256, note or f"{now.prompt} tokens")


def _check(traced: Traced, answer: dict[str, Any]) -> Part:
    was, now = traced.answer["signals"], answer["signals"]
    return Part("check", was == now, _trust(now) if was == now else f"{_trust(was)}; {_trust(now)}")


def _trust(signals: dict[str, float]) -> str:
    return f"trust {signals['trust']}" if signals else "not made"


def _generated(
    traced: Traced, found: Sequence[Mapping[str, Any]], difference: float | None
) -> Part:
    """The same words, each exactly as likely where the engine can begin in the same state."""
    was = [row["sha256"] for row in _generations(traced)]
    if was != [row["sha256"] for row in found] or difference is None:
        return Part("generated", same=False, note="the model said something else")
    exact = difference == 0.0 or traced.start is None
    note = f"{len(_logprobs(found))} tokens, log-probabilities differ by {difference:g} at most"
    return Part("generated", exact, note)


def _answer(traced: Traced, answer: dict[str, Any]) -> Part:
    names = ("status", "text", "cause", "withheld")
    other = [name for name in names if traced.answer[name] != answer[name]]
    return Part("answer", not other, ", ".join(other) or answer["status"])


def _support(was: list[dict[str, Any]], now: list[dict[str, Any]]) -> Part:
    if [row["citations"] for row in was] != [row["citations"] for row in now]:
        return Part("support", same=False, note="other evidence is cited")
    # Traces were written before there were flags.
    if any(a["flags"] != b["flags"] for a, b in zip(was, now, strict=True) if "flags" in a):
        return Part("support", same=False, note="other words are flagged")
    pairs = [(a["support"] or 0.0, b["support"] or 0.0) for a, b in zip(was, now, strict=True)]
    largest = max((abs(a - b) for a, b in pairs), default=0.0)
    return Part("support", largest <= SUPPORT_DIGIT, f"differs by {largest:g} at most")


def _equal(name: str, was: Any, now: Any) -> Part:
    return Part(name, was == now, f"{len(now)}" if was == now else f"{len(was)} then, {len(now)}")


def _difference(was: Sequence[float], now: Sequence[float]) -> float | None:
    if len(was) != len(now):
        return None
    return max((abs(a - b) for a, b in zip(was, now, strict=True)), default=0.0)


def replay_json(replayed: Replayed, traced: Traced) -> dict[str, Any]:
    """What `surefoot replay --json` prints."""
    return {
        "same": replayed.same,
        "trace": str(traced.path),
        "parts": {part.name: {"same": part.same, "note": part.note} for part in replayed.parts},
        "logprob_difference": replayed.logprob_difference,
        "answer": replayed.answer.text,
        "model": asdict(replayed.answer.model),
    }
