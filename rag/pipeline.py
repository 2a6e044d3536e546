"""The story of an answer, on one screen: guard, retrieve, read, budget, generate, guard, ground."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from ingest.types import Embedder
from rag.config import Config
from rag.draft import Draft
from rag.followup import follow_up
from rag.grounding import Grounder
from rag.observe import Observer
from rag.prompt import CHOICES, SYSTEM, Budget, Packed, beginning, pack, target_tokens
from rag.reading import Reading, read
from rag.retrieve import Retriever
from rag.safety.guard import Forgets, Guard
from rag.safety.notices import notice
from rag.safety.stream import StreamGuard
from rag.trace import Tracer
from rag.types import (
    Answer,
    AnswerEvent,
    Decision,
    Decoding,
    Engine,
    Message,
    Placed,
    Rewinds,
    Shown,
    Verdict,
)

if TYPE_CHECKING:
    from ingest.conditions import Where


class Assistant:
    """Answers questions from a knowledge base. Takes finished parts; `open` makes the usual ones.

    One assistant may serve many threads: the engine takes one stream at a time, in order.
    """

    def __init__(
        self,
        retriever: Retriever,
        engine: Engine,
        guard: Guard,
        grounder: Grounder,
        embedder: Embedder,
        config: Config,
        tracer: Tracer,
        observers: Sequence[Observer] = (),
    ) -> None:
        self.retriever = retriever
        self.engine = engine
        self.guard = guard
        self.config = config
        self.observers = tuple(observers)
        self._grounder = grounder
        self._embedder = embedder
        self._tracer = tracer

    @classmethod
    def open(
        cls, kb: str | Path, model: str | None = None, config: Config | None = None
    ) -> Assistant:
        """An assistant over the knowledge base at `kb`. Raises SurefootError in one clear line."""
        from rag.assemble import open_assistant

        return open_assistant(Path(kb), model, config)

    def answer(
        self,
        question: str,
        history: Sequence[Message] = (),
        groups: frozenset[str] = frozenset(),
        cancel: Event | None = None,
        where: Where = (),
        decoding: Decoding | None = None,
        by: str = "",
    ) -> Answer:
        """The whole answer at once. See `stream`."""
        for event in self.stream(question, history, groups, cancel, where, decoding, by):
            if isinstance(event, Answer):
                return event
        raise AssertionError("a stream always ends with its answer")

    def forget(self) -> None:
        """Drop what is remembered of earlier questions; the engine keeps the prompt's beginning.

        After it an answer depends on nothing that was asked before, to the last bit.
        """
        self.guard.forget()
        if isinstance(self._embedder, Forgets):
            self._embedder.forget()
        if isinstance(self.engine, Rewinds):
            self.engine.rewind(beginning(self.config.prompt.system or SYSTEM))

    def stream(
        self,
        question: str,
        history: Sequence[Message] = (),
        groups: frozenset[str] = frozenset(),
        cancel: Event | None = None,
        where: Where = (),
        decoding: Decoding | None = None,
        by: str = "",
    ) -> Iterator[AnswerEvent]:
        """Stages as they finish, sentences as they may be shown, and the Answer as the last event.

        Only documents without groups, or with one of `groups`, are ever looked at, and of those
        only passages of which every condition of `where` holds. Setting `cancel` stops the model
        within a token; nothing that was held back is shown. `decoding` takes the place of the
        config's. `by` names the asker (never by personal data) to the observers.
        """
        began, answered = time.time_ns(), False
        named, grounding = " and ".join(map(str, where)), self.config.grounding
        draft = Draft(question, self.engine, self._grounder, grounding, self._tracer, named)
        how, stop = decoding or self._decoding(), cancel or Event()
        try:
            for event in self._events(draft, question, history, groups, where, how, stop):
                if isinstance(event, Shown):
                    draft.first_shown()
                elif isinstance(event, Answer):
                    answered = True
                    for observer in self.observers:
                        observer.answered(event, began, by)
                yield event
        except BaseException as error:
            # Also a reader who has left: that closes the generator where it stands.
            for observer in () if answered else self.observers:
                observer.failed(error, began, by)
            raise

    def _events(
        self,
        draft: Draft,
        question: str,
        history: Sequence[Message],
        groups: frozenset[str],
        where: Where,
        decoding: Decoding,
        stop: Event,
    ) -> Iterator[AnswerEvent]:
        verdict = self.guard.check(question, "question")
        draft.add_findings(verdict.findings)
        yield draft.stage("guard_question")
        if verdict.decision is Decision.BLOCK:
            yield from draft.blocked(notice(verdict, "question"), verdict)
            return
        asked = follow_up(question, history)
        passages = self.retriever.retrieve(question, groups, where=where, topic=asked.topic)
        draft.searched(asked, passages)
        yield draft.stage("retrieve")
        reading = read(asked.text, passages, self.guard, self._embedder)
        draft.read(reading)
        yield draft.stage("guard_passages")
        if reading.failed is not None:
            yield from draft.blocked(notice(reading.failed, "answer"), reading.failed)
            return
        if not reading.units or reading.best < self.config.grounding.near:
            yield from draft.abstained("no passage comes near the question")
            return
        packed = self._pack(question, history, reading, decoding)
        draft.packed(packed)
        yield draft.stage("budget")
        yes, no = self.engine.score(packed.check, CHOICES)
        trusted = draft.weigh(yes - no)
        yield draft.stage("check")
        if trusted or self.config.grounding.policy == "annotate":
            yield from self._speak(draft, packed, decoding, stop)
        else:
            yield from draft.abstained("the passages do not seem to answer this")

    def _pack(
        self,
        question: str,
        history: Sequence[Message],
        reading: Reading,
        decoding: Decoding,
    ) -> Packed:
        prompt, window = self.config.prompt, self.engine.window
        limit = window - min(decoding.max_tokens, window // 2)
        on_gpu = isinstance(self.engine, Placed) and self.engine.on_gpu
        target = target_tokens(prompt.tokens, on_gpu)
        budget = Budget(target, limit, prompt.history_share)
        packed = pack(
            question,
            history,
            reading.passages,
            reading.units,
            budget,
            self.engine.count_tokens,
            prompt.system or SYSTEM,
        )
        return replace(packed, dropped=(*reading.dropped, *packed.dropped))

    def _speak(
        self, draft: Draft, packed: Packed, decoding: Decoding, stop: Event
    ) -> Iterator[AnswerEvent]:
        """Generate under the guard; each segment that leaves it is grounded, then shown or not."""
        guard = StreamGuard(self._check_answer)
        with closing(self.engine.stream(packed.messages, decoding, stop)) as tokens:
            for token in tokens:
                draft.token(token)
                for released in guard.feed(token.text):
                    yield from draft.release(released)
                if guard.blocked or draft.decided:
                    break
        draft.generated()
        if stop.is_set():
            yield from draft.cancelled()
            return
        if not guard.blocked and not draft.decided:
            for released in guard.finish():
                yield from draft.release(released)
        yield from draft.finish()

    def _check_answer(self, segment: str, context: str) -> Verdict:
        return self.guard.check(segment, "answer", context)

    def _decoding(self) -> Decoding:
        engine = self.config.engine
        return Decoding(
            max_tokens=engine.max_tokens,
            temperature=engine.temperature,
            top_k=engine.top_k,
            top_p=engine.top_p,
            repetition_penalty=engine.repetition_penalty,
            seed=engine.seed,
        )
