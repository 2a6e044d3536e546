"""An answer with what its pseudonyms stand for, for readers who may see it.

The last step before a reader. Whatever is kept of an answer (traces, conversations, reviews, logs)
is kept as it was before this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from rag.safety.policy import Policy
from rag.safety.pseudonyms import Session
from rag.safety.restore import Restored, Restorer, Value, restore
from rag.turns import Said, Turn
from rag.types import Answer, AnswerEvent, Passage, Sentence, Shown


def may_restore(policy: Policy, groups: frozenset[str]) -> bool:
    """Whether a reader of these groups may see what pseudonyms stand for."""
    return bool(policy.restoring.groups & groups)


def restored(events: Iterable[AnswerEvent], session: Session | None) -> Iterator[AnswerEvent]:
    """The events with values for the session's pseudonyms; None for a reader who may not."""
    if session is None:
        yield from events
        return
    restorer = Restorer(session.value)
    for event in events:
        if isinstance(event, Shown):
            yield replace(event, sentence=_fed(restorer, event.sentence))
        elif isinstance(event, Answer):
            if rest := restorer.finish():
                yield Shown(Sentence(rest, None))
            yield restored_answer(event, session.value)
        else:
            yield event


def restored_answer(answer: Answer, value: Value) -> Answer:
    """A whole answer with its values, as a stream of it gives them."""
    sentences = restored_sentences(answer.sentences, value)
    return replace(
        answer,
        text="".join(sentence.text for sentence in sentences).strip(),
        sentences=tuple(sentences),
        passages=_titled(answer.passages, value),
        searched=restore(answer.searched, value).text,
    )


def restored_sentences(sentences: Iterable[Sentence], value: Value) -> list[Sentence]:
    """The sentences of an answer, in their order, with values."""
    restorer = Restorer(value)
    found = [_fed(restorer, sentence) for sentence in sentences]
    rest = restorer.finish()
    return [*found, Sentence(rest, None)] if rest else found


def restored_turns(turns: Iterable[Turn], value: Value) -> tuple[Turn, ...]:
    """What a conversation kept, with values."""
    return tuple(
        replace(
            turn,
            question=restore(turn.question, value).text,
            said=_said(turn.said, value),
        )
        for turn in turns
    )


def _said(said: Sequence[Said], value: Value) -> tuple[Said, ...]:
    restorer = Restorer(value)
    found = tuple(replace(item, text=restorer.feed(item.text).text) for item in said)
    rest = restorer.finish()
    return (*found, Said(rest, ())) if rest else found


def _fed(restorer: Restorer, sentence: Sentence) -> Sentence:
    held = restorer.held
    done = restorer.feed(sentence.text)
    flags = [
        replace(flag, start=_place(done, flag.start + held), end=_place(done, flag.end + held))
        for flag in sentence.flags
    ]
    return replace(sentence, text=done.text, flags=tuple(f for f in flags if f.start < f.end))


def _place(done: Restored, offset: int) -> int:
    return min(len(done.text), done.place(offset))


def _titled(passages: Sequence[Passage], value: Value) -> tuple[Passage, ...]:
    return tuple(
        replace(
            passage,
            title=restore(passage.title, value).text,
            headings=tuple(restore(heading, value).text for heading in passage.headings),
        )
        for passage in passages
    )
