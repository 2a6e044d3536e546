"""Earlier turns within their share of the prompt: in full, as their facts, or not at all. Pure.

What becomes of a turn follows from the turns up to the next one alone, not from the question: the
history is gone through from its beginning, and only where it outgrows its room it shrinks, well
below it at once. So most follow-ups add to the prompt before them, which the engine has in its
cache, and a turn that was compressed stays the same to the byte.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ingest.sentences import split_sentences
from rag.claims import is_refusal, names, numbers
from rag.safety.redact import MARK
from rag.types import Dropped, Fact, Message, Recalled

Cost = Callable[[Sequence[Message]], int]

STEP = 0.6
"""The part of the room that older turns are brought down to when the history outgrows it."""

SHARE_FULL = "history share is full"
FACTS_KEPT = "history share is full; sentences with numbers or names are kept"
GAP = " … "

_SOURCE_WIDTH = 60


@dataclass(frozen=True, slots=True)
class Fitted:
    """The turns that a prompt holds, and what was left out of them."""

    messages: tuple[Message, ...]
    dropped: tuple[Dropped, ...]


def fit_history(history: Sequence[Message], room: int, most: int, cost: Cost) -> Fitted:
    """The history in at most `min(room, most)` tokens, the newest turn longest.

    `cost` is what messages add to a prompt. `room` is to be the same from question to question;
    `most` may be less for one long question, and touches the prompt of that one only.
    """
    turns = _turns(history)
    forms = _Forms(turns, int(room * STEP), cost)
    kept: list[_Kept] = []
    for number in range(len(turns)):
        kept.append(_Kept(number, compressed=False))
        if forms.tokens(kept) > room:
            # Where the newest turn alone is over the step, the next one is a step anyway.
            newest = forms.tokens_of(kept[-1])
            kept = forms.shrink(kept, forms.low if newest <= forms.low else room, room)
    limit = min(room, most)
    # The parts were counted one by one; the whole is what counts.
    while kept and cost(forms.messages(kept)) > limit:
        kept = forms.shrink(kept, limit, limit) if forms.tokens(kept) > limit else kept[1:]
    return Fitted(forms.messages(kept), tuple(_left_out(forms, kept)))


def facts_of(message: Message) -> tuple[Fact, ...]:
    """The sentences of a message, with their sources where these are known."""
    if isinstance(message, Recalled) and message.facts:
        return message.facts
    spans = split_sentences(message.content)
    return tuple(Fact(message.content[start:end]) for start, end in spans)


def is_salient(text: str) -> bool:
    """Whether a sentence tells something with a number, a name or the mark of a hidden detail."""
    if is_refusal(text):
        return False
    return bool(numbers(text) or names(text) or MARK.search(text))


@dataclass(frozen=True, slots=True)
class _Turn:
    """A question with what was said to it; `number` is its place in the conversation, from 1."""

    number: int
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class _Kept:
    """A turn that stays: its index, and whether only its facts do."""

    index: int
    compressed: bool


class _Forms:
    """Turns in both their forms, each made and counted once."""

    def __init__(self, turns: Sequence[_Turn], low: int, cost: Cost) -> None:
        self.turns = turns
        self.low = low
        self._cost = cost
        self._short: dict[int, tuple[Message, ...]] = {}
        self._tokens: dict[_Kept, int] = {}

    def form(self, kept: _Kept) -> tuple[Message, ...]:
        full = self.turns[kept.index].messages
        if not kept.compressed:
            return tuple(Message(message.role, message.content) for message in full)
        if kept.index not in self._short:
            self._short[kept.index] = _compressed(full, self.low, self._cost)
        return self._short[kept.index]

    def messages(self, kept: Sequence[_Kept]) -> tuple[Message, ...]:
        return tuple(message for item in kept for message in self.form(item))

    def tokens(self, kept: Sequence[_Kept]) -> int:
        return sum(map(self.tokens_of, kept))

    def tokens_of(self, kept: _Kept) -> int:
        if kept not in self._tokens:
            self._tokens[kept] = self._cost(self.form(kept))
        return self._tokens[kept]

    def shrink(self, kept: Sequence[_Kept], goal: int, limit: int) -> list[_Kept]:
        """Older turns to their facts, oldest first, then away, until all is within `goal`.

        The newest stays as it is within `limit`; over it, it is compressed, then given up.
        """
        left = list(kept)
        for place in range(len(left) - 1):
            if self.tokens(left) <= goal:
                break
            left[place] = self._shorter(left[place])
        left = [item for item in left if self.form(item)]
        while len(left) > 1 and self.tokens(left) > goal:
            left.pop(0)
        if self.tokens(left) > limit:
            left = [self._shorter(left[-1])]
        return left if left and self.form(left[0]) and self.tokens(left) <= limit else []

    def _shorter(self, kept: _Kept) -> _Kept:
        short = _Kept(kept.index, compressed=True)
        return short if self.tokens_of(short) < self.tokens_of(kept) else kept


def _turns(history: Sequence[Message]) -> list[_Turn]:
    """Messages by turn: each of the user's begins one."""
    found: list[list[Message]] = []
    for message in history:
        if message.role == "user" or not found:
            found.append([])
        found[-1].append(message)
    return [_Turn(_number(group, place), tuple(group)) for place, group in enumerate(found, 1)]


def _number(messages: Sequence[Message], place: int) -> int:
    known = (message.turn for message in messages if isinstance(message, Recalled))
    return next(known, place)


def _compressed(messages: Sequence[Message], most: int, cost: Cost) -> tuple[Message, ...]:
    """A turn's facts in at most `most` tokens, verbatim and in order; () if there are none.

    Of a message without any, one sentence stays, for the other to be understood.
    """
    every = [facts_of(message) for message in messages]
    if not any(is_salient(fact.text) for facts in every for fact in facts):
        return ()
    chosen = [_chosen(m, facts) for m, facts in zip(messages, every, strict=True)]
    while True:
        pairs = zip(messages, chosen, strict=True)
        short = tuple(Message(m.role, _joined(facts)) for m, facts in pairs)
        if cost(short) <= most:
            return short
        longest = max(chosen, key=len)
        if len(longest) <= 1:
            return ()
        longest.pop()


def _chosen(message: Message, facts: Sequence[Fact]) -> list[Fact]:
    salient = [fact for fact in facts if is_salient(fact.text)]
    # A question is what a user's message ends with, an answer what another begins with.
    spare = facts[-1:] if message.role == "user" else facts[:1]
    return salient or list(spare)


def _joined(facts: Sequence[Fact]) -> str:
    """Sentences with a mark of their source wherever it changes."""
    parts, source = [], ""
    for fact in facts:
        mark = f"[{fact.source[:_SOURCE_WIDTH]}] " if fact.source not in ("", source) else ""
        parts.append(mark + fact.text.strip())
        source = fact.source
    return GAP.join(parts)


def _left_out(forms: _Forms, kept: Sequence[_Kept]) -> list[Dropped]:
    """A line for each turn that is not there in full."""
    stays = {item.index: item for item in kept}
    rows = []
    for index, turn in enumerate(forms.turns):
        whole = forms.tokens_of(_Kept(index, compressed=False))
        item = stays.get(index)
        if item is None:
            rows.append(Dropped(f"turn {turn.number}", whole, SHARE_FULL, turn.number))
        elif item.compressed:
            left = forms.tokens_of(item)
            what = f"part of turn {turn.number}"
            rows.append(Dropped(what, whole - left, FACTS_KEPT, turn.number, left))
    return rows
