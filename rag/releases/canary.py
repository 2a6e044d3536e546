"""Answers of a trial: counted by arm, and given by the baseline where the canary fails."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from threading import Event
from typing import TYPE_CHECKING, cast

from ingest.selection import UnknownKey
from rag.errors import ConfigError, PromptTooLong
from rag.observe import Observer
from rag.pipeline import Assistant
from rag.releases.errors import ReleaseError
from rag.releases.registry import Registry
from rag.releases.trial import ArmName, Hits, Trial, hits_of
from rag.safety.pseudonyms import Session
from rag.trace import Tracer
from rag.types import Answer, AnswerEvent, Decoding, Message, Shown

if TYPE_CHECKING:
    from ingest.conditions import Where

LOG = logging.getLogger("surefoot.releases")
ERRORS: Hits = frozenset({"errors"})
# Errors of whoever asked: they say nothing of a variant.
ASKERS = (PromptTooLong, UnknownKey, ConfigError)


class Referee:
    """Counts the outcomes of one trial and acts on the verdict.

    `ended` is called when the trial is over, with True if that is a rollback by this referee.
    What can't be counted costs a warning, not the answer. `over` is set when the trial is.
    """

    def __init__(self, registry: Registry, trial: Trial, ended: Callable[[bool], None]) -> None:
        self.trial = trial
        self.over = False
        self._registry = registry
        self._ended = ended

    def count(self, unit: str, arms: Mapping[ArmName, Hits], notes: Iterable[str] = ()) -> None:
        """Count a request of a conversation, and roll the canary back or promote it by verdict."""
        try:
            now = self._registry.count(self.trial, unit, arms, notes)
            if now is None or self._decided(now):
                self._ended(False)
        except ReleaseError as error:
            LOG.warning("an outcome was not counted: %s", error)

    def fail(self, why: str) -> None:
        """Roll the canary back at once: it can't answer at all."""
        self._ended(True)
        try:
            self._registry.end(self.trial, "server", why, {})
        except ReleaseError as error:
            LOG.warning("a rollback was not written down: %s", error)

    def _decided(self, now: Trial) -> bool:
        verdict = now.verdict()
        figures = {"figures": [asdict(item) for item in verdict.figures]}
        if verdict.decision == "rollback":
            # Told before it is written: this process sends it nothing more, whatever the disk does.
            self._ended(True)
            LOG.warning("variant %s is rolled back: %s", now.variant, verdict.why)
            self._registry.end(now, "gates", verdict.why, figures)
            return False
        if verdict.decision == "promote" and now.gates.auto_promote and not now.shadow:
            return self._registry.promote(now.variant, "gates", verdict.why, figures, now)
        return False


class Recorder:
    """The observer of one answer in an arm of a trial."""

    def __init__(self, referee: Referee, arm: ArmName, unit: str) -> None:
        self._referee = referee
        self._arm: ArmName = arm
        self._unit = unit

    @property
    def over(self) -> bool:
        """Whether the trial has ended."""
        return self._referee.over

    def answered(self, answer: Answer, began_ns: int, by: str) -> None:
        del began_ns, by
        hits = hits_of(answer, self._referee.trial.gates.slow_ms)
        if hits is not None:
            self._referee.count(self._unit, {self._arm: hits})

    def failed(self, error: BaseException, began_ns: int, by: str) -> None:
        del began_ns, by
        # Not an Exception: a reader who left.
        if isinstance(error, Exception) and not isinstance(error, ASKERS):
            self._referee.count(self._unit, {self._arm: ERRORS})


class Twin(Assistant):
    """An assistant of the same parts, heard by others; it writes traces unless told not to."""

    def __init__(self, of: Assistant, observers: Sequence[Observer], traced: bool = True) -> None:
        # Whatever parts an assistant has: they are shared, never loaded twice.
        vars(self).update(vars(of))
        self.observers = tuple(observers)
        if not traced:
            self._tracer = Tracer(None, {})


class FallBack(Twin):
    """The candidate; where it fails before anything was shown, the stable assistant answers.

    `observers` hear how the question ends, once: of the candidate unless the stable one answers.
    """

    def __init__(
        self,
        candidate: Assistant,
        stable: Assistant,
        recorder: Recorder,
        observers: Sequence[Observer],
    ) -> None:
        super().__init__(candidate, observers)
        self._candidate = candidate
        self._stable = stable
        self._recorder = recorder

    def stream(
        self,
        question: str,
        history: Sequence[Message] = (),
        groups: frozenset[str] = frozenset(),
        cancel: Event | None = None,
        where: Where = (),
        decoding: Decoding | None = None,
        by: str = "",
        session: Session | None = None,
    ) -> Iterator[AnswerEvent]:
        """As an assistant's, from the candidate or, if it fails unseen, from the stable one."""
        asked = (question, history, groups, cancel, where, decoding, by, session)
        began = time.time_ns()
        if self._recorder.over:
            # The question has waited for its turn, and the canary is gone.
            yield from self._stable.stream(*asked)
            return
        ends = _Ends((self._recorder, *self.observers))
        try:
            with closing(_generator(Twin(self._candidate, (ends,)).stream(*asked))) as events:
                for event in events:
                    ends.shown |= isinstance(event, Shown)
                    yield event
            return
        except Exception as error:
            if ends.shown:
                raise
            LOG.warning("the canary failed, the stable variant answers: %s", error)
            blame = _Blame(self._recorder, error, began)
        yield from Twin(self._stable, (*self._stable.observers, blame)).stream(*asked)


class _Ends:
    """Passes on how a question ended, but not a failure that another assistant makes good."""

    def __init__(self, to: Sequence[Observer]) -> None:
        self.shown = False
        self._to = to

    def answered(self, answer: Answer, began_ns: int, by: str) -> None:
        for observer in self._to:
            observer.answered(answer, began_ns, by)

    def failed(self, error: BaseException, began_ns: int, by: str) -> None:
        if self.shown or not isinstance(error, Exception):
            for observer in self._to:
                observer.failed(error, began_ns, by)


class _Blame:
    """Counts the candidate's failure once it is known whether the stable assistant could answer."""

    def __init__(self, recorder: Recorder, error: Exception, began_ns: int) -> None:
        self._recorder = recorder
        self._error = error
        self._began = began_ns

    def answered(self, answer: Answer, began_ns: int, by: str) -> None:
        # The same question was answerable: whatever the error says, it is the candidate's.
        del answer, began_ns
        self._recorder.failed(RuntimeError(str(self._error)), self._began, by)

    def failed(self, error: BaseException, began_ns: int, by: str) -> None:
        del error, began_ns
        self._recorder.failed(self._error, self._began, by)


def _generator(events: Iterator[AnswerEvent]) -> Generator[AnswerEvent, None, None]:
    """A stream is a generator, and must be closed where its reader leaves."""
    return cast("Generator[AnswerEvent, None, None]", events)
