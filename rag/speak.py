"""The second half of an answer: is it in the passages, what does the model say, what may be shown.

Knows nothing of where a prompt comes from: a new question and a replay end alike.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from threading import Event
from typing import Protocol, runtime_checkable

from rag.attempt import OnceMore
from rag.config import GroundingPolicy
from rag.draft import Draft
from rag.errors import EngineError
from rag.prompt import CHOICES, Packed
from rag.safety.guard import Guard
from rag.safety.pseudonyms import Names, Recorded
from rag.safety.stream import StreamGuard
from rag.types import AnswerEvent, Decoding, Engine, Message, Verdict


@runtime_checkable
class Stops(Protocol):
    """An engine whose `score` can be stopped: EngineError as soon as `cancel` is set."""

    def score_until(
        self, messages: Sequence[Message], choices: Sequence[str], cancel: Event
    ) -> list[float]: ...


class Speaker:
    """Asks the model, under the guard. With the policy "annotate" it is asked in any case.

    `names` are those of the session; what they give is kept for the trace.
    """

    def __init__(
        self, engine: Engine, guard: Guard, policy: GroundingPolicy, names: Names | None = None
    ) -> None:
        self._engine = engine
        self._guard = guard
        self._policy = policy
        self._names = Recorded(names) if names is not None else None

    def speak(
        self, draft: Draft, packed: Packed, decoding: Decoding, stop: Event, again: OnceMore
    ) -> Iterator[AnswerEvent]:
        """Check and answer a packed prompt; the last event is the Answer.

        `again` gives the prompt for a second attempt, if it comes to that.
        """
        if self._names is not None:
            draft.named(self._names.given)
        try:
            yes, no = self._score(packed.check, stop)
        except EngineError:
            if not stop.is_set():
                raise
            yield from draft.cancelled()
            return
        trusted = draft.weigh(yes - no)
        yield draft.stage("check")
        if trusted or self._policy == "annotate":
            yield from self._answer(draft, packed, decoding, stop, again)
        else:
            yield from draft.abstained("the passages do not seem to answer this")

    def _answer(
        self, draft: Draft, packed: Packed, decoding: Decoding, stop: Event, again: OnceMore
    ) -> Iterator[AnswerEvent]:
        stopped = yield from self._generate(draft, packed, decoding, stop)
        supported = None if stopped else draft.supported
        second = None if supported is None else again(supported)
        if second is not None:
            draft.once_more(second)
            stopped = yield from self._generate(draft, second, decoding, stop)
        yield from draft.cancelled() if stopped else draft.finish()

    def _generate(
        self, draft: Draft, packed: Packed, decoding: Decoding, stop: Event
    ) -> Generator[AnswerEvent, None, bool]:
        """Each segment that leaves the guard is grounded, then shown or not.

        Returns whether the reader stopped it.
        """
        guard = StreamGuard(self._check)
        with closing(self._engine.stream(packed.messages, decoding, stop)) as tokens:
            for token in tokens:
                draft.token(token)
                for released in guard.feed(token.text):
                    yield from draft.release(released)
                if guard.blocked or draft.decided:
                    break
        draft.generated()
        if stop.is_set():
            return True
        if not guard.blocked and not draft.decided:
            for released in guard.finish():
                yield from draft.release(released)
        return False

    def _score(self, messages: Sequence[Message], stop: Event) -> list[float]:
        if isinstance(self._engine, Stops):
            return self._engine.score_until(messages, CHOICES, stop)
        return self._engine.score(messages, CHOICES)

    def _check(self, segment: str, context: str) -> Verdict:
        return self._guard.check(segment, "answer", context, self._names)
