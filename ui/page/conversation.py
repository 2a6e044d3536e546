"""What one reader's session holds: the turns so far. Nothing here is shared between sessions."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from evals.review.types import Asked
from rag.types import Answer, Message, Passage, Sentence, Shown
from ui.page.run import Failed, Produce, Run, RunEvent


@dataclass
class Turn:
    """A question and what has come of it so far. `stage` is the last stage that ended.

    `history` and `earlier` (its passages) are what came before it; `noted` is what the reader was
    told after a thumb or a flag.
    """

    question: str
    run: Run
    history: tuple[Message, ...] = ()
    earlier: tuple[Passage, ...] = ()
    stage: str = ""
    shown: list[Sentence] = field(default_factory=list)
    answer: Answer | None = None
    problem: str | None = None
    noted: str = ""
    began: float = field(default_factory=time.monotonic)

    @property
    def running(self) -> bool:
        return self.answer is None and self.problem is None

    def asked(self, answer: Answer) -> Asked:
        """What a reviewer needs to judge this turn's answer."""
        return Asked(self.question, answer, self.history, self.earlier)

    def advance(self, wait_s: float) -> bool:
        """Take in what has happened; True if there is something new to draw."""
        events = self.run.take(wait_s) if self.running else []
        for event in events:
            self._absorb(event)
        return bool(events)

    def _absorb(self, event: RunEvent) -> None:
        if isinstance(event, Shown):
            self.shown.append(event.sentence)
        elif isinstance(event, Answer):
            self.answer = event
        elif isinstance(event, Failed):
            self.problem = event.problem
        else:
            self.stage = event.stage


@dataclass
class Conversation:
    """The turns of one session, oldest first; all but the last are done or about to be."""

    turns: list[Turn] = field(default_factory=list)

    def ask(self, question: str, produce: Produce) -> None:
        """Begin a turn; one that is still running is stopped, and keeps what it has shown."""
        history, earlier = tuple(self.history()), self.passages()
        self._stop()
        self.turns.append(Turn(question, Run(produce), history, earlier))

    def clear(self) -> None:
        self._stop()
        self.turns.clear()

    def history(self) -> list[Message]:
        """Questions with what was shown in answer to them.

        Blocked turns are left out: the guard kept their words from the model, and so does this.
        """
        messages: list[Message] = []
        for turn in self.turns:
            text = "".join(sentence.text for sentence in turn.shown).strip()
            blocked = turn.answer is not None and turn.answer.status == "blocked"
            if text and not blocked:
                messages += [Message("user", turn.question), Message("assistant", text)]
        return messages

    def passages(self) -> tuple[Passage, ...]:
        """All that the answers so far rest on."""
        answers = (turn.answer for turn in self.turns if turn.answer is not None)
        return tuple(passage for answer in answers for passage in answer.passages)

    def _stop(self) -> None:
        if self.turns and self.turns[-1].running:
            self.turns[-1].run.stop()
