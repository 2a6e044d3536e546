"""What one reader's session holds: the turns so far. Nothing here is shared between sessions."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from evals.review.types import Asked
from rag.safety.pseudonyms import Session
from rag.types import Answer, Message, Passage, Sentence, Shown
from ui.page.keeping import Past, Record
from ui.page.run import Failed, Produce, Run, RunEvent


@dataclass
class After:
    """What the thread of an answer notes beside it: the number that the turn is kept by, 0 for not.

    `questions` are what could be asked next, once that is `known`.
    """

    kept: int = 0
    questions: tuple[str, ...] = ()
    known: bool = False


@dataclass
class Turn:
    """A question and what has come of it so far. `stage` is the last stage that ended.

    `history` and `earlier` (its passages) are what came before it; `noted` is what the reader was
    told after a thumb or a flag. `before` are the answers whose place this one takes. A turn with
    a `past` was held in another session: it has no run, and rests on what was kept of it.
    """

    question: str
    run: Run | None
    history: tuple[Message, ...] = ()
    earlier: tuple[Passage, ...] = ()
    stage: str = ""
    heard: list[Shown] = field(default_factory=list)
    answer: Answer | None = None
    problem: str | None = None
    noted: str = ""
    began: float = field(default_factory=time.monotonic)
    after: After = field(default_factory=After)
    before: tuple[Turn, ...] = ()
    past: Past | None = None

    @classmethod
    def held(cls, past: Past) -> Turn:
        """One that was held in another session."""
        return cls(past.question, None, answer=past.answer, past=past, after=After(known=True))

    @property
    def running(self) -> bool:
        return self.answer is None and self.problem is None

    @property
    def stopping(self) -> bool:
        return self.run is not None and self.run.stopping

    @property
    def shown(self) -> list[Sentence]:
        return [event.sentence for event in self.heard]

    def stop(self) -> None:
        if self.run is not None:
            self.run.stop()

    def asked(self, answer: Answer) -> Asked:
        """What a reviewer needs to judge this turn's answer."""
        return Asked(answer.asked or self.question, answer, self.history, self.earlier)

    def advance(self, wait_s: float) -> bool:
        """Take in what has happened; True if there is something new to draw."""
        events = self.run.take(wait_s) if self.run is not None and self.running else []
        for event in events:
            self._absorb(event)
        return bool(events)

    def told(self) -> tuple[Message, ...]:
        """The question with what was shown in answer to it.

        Nothing of a blocked turn: the guard kept its words from the model, and so does this.
        """
        if self.past is not None:
            return self.past.history
        text = "".join(sentence.text for sentence in self.shown).strip()
        if not text or (self.answer is not None and self.answer.status == "blocked"):
            return ()
        asked = self.answer.asked if self.answer is not None else ""
        return Message("user", asked or self.question), Message("assistant", text)

    def rests_on(self) -> tuple[Passage, ...]:
        if self.past is not None:
            return self.past.rests_on
        return self.answer.passages if self.answer is not None else ()

    def _absorb(self, event: RunEvent) -> None:
        if isinstance(event, Shown):
            self.heard.append(event)
        elif isinstance(event, Answer):
            self.answer = event
        elif isinstance(event, Failed):
            self.problem = event.problem
        else:
            self.stage = event.stage


@dataclass
class Conversation:
    """The turns of one session, oldest first; all but the last are done or about to be.

    `record` keeps them, and has its pseudonyms; `hidden` turns rest on documents that the reader
    may not see.
    """

    record: Record = field(default_factory=Record)
    turns: list[Turn] = field(default_factory=list)
    hidden: int = 0

    @property
    def session(self) -> Session:
        return self.record.session

    def ask(self, question: str, produce: Produce, after: After | None = None) -> None:
        """Begin a turn; one that is still running is stopped, and keeps what it has shown."""
        history, earlier = tuple(self.history()), self.passages()
        self.stop()
        self.turns.append(
            Turn(question, Run(produce), history, earlier, after=after or After(known=True))
        )

    def again(self, produce: Produce, after: After) -> None:
        """Ask the last question once more; the answer so far is kept beside the new one."""
        self.stop()
        last = self.turns.pop()
        before = (*last.before, replace(last, before=()))
        self.turns.append(
            Turn(
                last.question, Run(produce), last.history, last.earlier, after=after, before=before
            )
        )

    def clear(self) -> None:
        self.stop()
        self.turns.clear()
        self.hidden = 0
        self.record = self.record.another()

    def history(self) -> list[Message]:
        return [message for turn in self.turns for message in turn.told()]

    def passages(self) -> tuple[Passage, ...]:
        """All that the answers so far rest on."""
        return tuple(passage for turn in self.turns for passage in turn.rests_on())

    def stop(self) -> None:
        if self.turns and self.turns[-1].running:
            self.turns[-1].stop()
