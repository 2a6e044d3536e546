"""The story of an answer, on one screen: guard, retrieve, read, budget, generate, guard, ground."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ingest.types import Embedder
from rag.attempt import pack_again
from rag.config import Config
from rag.draft import Draft
from rag.engines.lineage import Rewinds
from rag.followup import follow_up
from rag.grounding import Checker
from rag.hearing import Heard, hear
from rag.observe import Observer
from rag.prompt import SYSTEM, Budget, Packed, Unit, beginning, pack, target_tokens
from rag.reading import Reading, read
from rag.retrieve import Retriever
from rag.safety.guard import Forgets, Guard
from rag.safety.notices import notice
from rag.safety.pseudonyms import Session
from rag.speak import Speaker
from rag.standing import Standing, Standings, Talk, begun, go_on, joined
from rag.trace import Asked, Tracer
from rag.types import (
    Answer,
    AnswerEvent,
    Decision,
    Decoding,
    Engine,
    Message,
    Passage,
    Shown,
)

if TYPE_CHECKING:
    from ingest.conditions import Where


@runtime_checkable
class Placed(Protocol):
    """An engine that says where it computes."""

    @property
    def on_gpu(self) -> bool: ...


class Assistant:
    """Answers questions from a knowledge base. Takes finished parts; `open` makes the usual ones.

    One assistant may serve many threads: the engine takes one stream at a time, in order.
    """

    def __init__(
        self,
        retriever: Retriever,
        engine: Engine,
        guard: Guard,
        grounder: Checker,
        embedder: Embedder,
        config: Config,
        tracer: Tracer,
        observers: Sequence[Observer] = (),
        standings: Standings | None = None,
    ) -> None:
        self.retriever = retriever
        self.engine = engine
        self.guard = guard
        self.config = config
        self.observers = tuple(observers)
        self._standings = standings if config.prompt.onward else None
        self._grounder = grounder
        self.embedder = embedder
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
        session: Session | None = None,
    ) -> Answer:
        """The whole answer at once. See `stream`."""
        asked = (question, history, groups, cancel, where, decoding, by, session)
        for event in self.stream(*asked):
            if isinstance(event, Answer):
                return event
        raise AssertionError("a stream always ends with its answer")

    def forget(self) -> None:
        """Drop what is remembered of earlier questions; the engine keeps the prompt's beginning.

        After it an answer depends on nothing that was asked before, to the last bit.
        """
        self.guard.forget()
        if self._standings is not None:
            self._standings.clear()
        for part in (self.embedder, self._grounder):
            if isinstance(part, Forgets):
                part.forget()
        if isinstance(self.engine, Rewinds):
            self.engine.rewind(beginning(self._system))

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
        """Stages as they finish, sentences as they may be shown, and the Answer as the last event.

        Only documents without groups, or with one of `groups`, are ever looked at, and of those
        only passages of which every condition of `where` holds. Setting `cancel` stops the model
        within a token; nothing that was held back is shown. `decoding` takes the place of the
        config's. `by` names the asker (never by personal data) to the observers. `session` gives
        the pseudonyms of the conversation, where the policy has any; `rag.restored` puts back what
        they stand for.
        """
        began, answered = time.time_ns(), False
        how, stop = decoding or self.decoding(), cancel or Event()
        asked = Asked(question, tuple(history), groups, tuple(map(str, where)), how)
        draft = Draft(asked, self.engine, self._grounder, self.config.grounding, self._tracer)
        try:
            heard = hear(question, history, self.guard, session)
            for event in self._events(draft, question, history, heard, groups, where, how, stop):
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
        heard: Heard,
        groups: frozenset[str],
        where: Where,
        decoding: Decoding,
        stop: Event,
    ) -> Iterator[AnswerEvent]:
        draft.heard(heard)
        yield draft.stage("guard_question")
        if heard.verdict.decision is Decision.BLOCK:
            yield from draft.blocked(notice(heard.verdict, "question"), heard.verdict)
            return
        # The documents are searched for what was said; from here on only what was heard counts.
        topic = follow_up(question, history).topic
        passages = self.retriever.retrieve(question, groups, where=where, topic=topic)
        question, history = heard.question, heard.history
        asked = follow_up(question, history)
        draft.searched(asked, passages, self.guard.said)
        yield draft.stage("retrieve")
        reading = read(asked.text, passages, self.guard, self.embedder, heard.session)
        talk = Talk.of(history, groups, where, heard.talk)
        before = self._before(talk) if asked.leans and reading.failed is None else None
        reading = reading if before is None else joined(before, reading)
        draft.read(reading)
        yield draft.stage("guard_passages")
        if reading.failed is not None:
            yield from draft.blocked(notice(reading.failed, "answer"), reading.failed)
            return
        if not reading.units or reading.best < self.config.grounding.near:
            yield from draft.abstained("no passage comes near the question")
            return
        packed, standing = self._packed(question, history, reading, decoding, before)
        draft.packed(packed)
        yield draft.stage("budget")
        policy = self.config.grounding.policy
        speaker = Speaker(self.engine, self.guard, policy, heard.session)
        again = partial(self._once_more, asked.text, reading.passages, packed.units, decoding)
        for event in speaker.speak(draft, packed, decoding, stop, again):
            if isinstance(event, Answer) and self._standings is not None:
                said = talk.after(question, event.text)
                self._standings.put(said, standing.replied(event.text))
            yield event

    def pack(
        self,
        question: str,
        history: Sequence[Message],
        reading: Reading,
        decoding: Decoding,
    ) -> Packed:
        """The prompt for a question and what may be read for it. Raises PromptTooLong."""
        packed = pack(
            question,
            history,
            reading.passages,
            reading.units,
            self._budget(decoding),
            self.engine.count_tokens,
            self._system,
        )
        return replace(packed, dropped=(*reading.dropped, *packed.dropped))

    def _packed(
        self,
        question: str,
        history: Sequence[Message],
        reading: Reading,
        decoding: Decoding,
        before: Standing | None,
    ) -> tuple[Packed, Standing]:
        """The prompt, going on from the one before where that is still there; what stands then."""
        count, share = self.engine.count_tokens, self.config.prompt.onward
        if before is not None:
            budget = self._budget(decoding)
            onward = go_on(before, question, reading, budget, share, count, self._system)
            if onward is not None:
                packed, standing = onward
                return replace(packed, dropped=(*reading.dropped, *packed.dropped)), standing
        packed = self.pack(question, history, reading, decoding)
        return packed, begun(packed, reading)

    def _once_more(
        self,
        question: str,
        passages: Sequence[Passage],
        units: Sequence[Unit],
        decoding: Decoding,
        claims: Sequence[str],
    ) -> Packed | None:
        """The prompt for a second attempt: no conversation, and only the best of the evidence."""
        budget, count = self._budget(decoding), self.engine.count_tokens
        return pack_again(question, claims, passages, units, budget, count, self._system)

    def _before(self, talk: Talk) -> Standing | None:
        return self._standings.find(talk) if self._standings is not None else None

    def _budget(self, decoding: Decoding) -> Budget:
        prompt, window = self.config.prompt, self.engine.window
        on_gpu = isinstance(self.engine, Placed) and self.engine.on_gpu
        limit = window - min(decoding.max_tokens, window // 2)
        return Budget(target_tokens(prompt.tokens, on_gpu), limit, prompt.history_share)

    @property
    def _system(self) -> str:
        return self.config.prompt.system or SYSTEM

    def decoding(self) -> Decoding:
        """How answers are decoded where a question does not say: by the config."""
        engine = self.config.engine
        return Decoding(
            max_tokens=engine.max_tokens,
            temperature=engine.temperature,
            top_k=engine.top_k,
            top_p=engine.top_p,
            repetition_penalty=engine.repetition_penalty,
            seed=engine.seed,
            beams=engine.beams,
        )
