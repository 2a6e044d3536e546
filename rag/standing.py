"""A conversation's last prompt, left standing: the next one goes on from it.

What the model has read it need not read again, so a follow-up's first word comes sooner: only the
sentences that are new are added, and the question. That is for questions that lean on what was
said ("and for contractors?"). One that stands by itself is put anew: among the passages of the one
before it was answered no better (7 of 11 right, 9 anew), and little was saved. Standing prompts are
held in memory alone, for the asker's groups and conditions, and let go when anything in the
knowledge base changes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Lock

from rag.fence import disarm
from rag.prompt import (
    CHECK,
    OPEN,
    Budget,
    Counter,
    Packed,
    Read,
    Unit,
    compose,
    fit_units,
    left_out,
    remembered,
    worded,
)
from rag.reading import Reading
from rag.safety.redact import Mask
from rag.types import Message, Passage

# A prompt may grow to so many times what a new one aims at; then the conversation begins anew.
GROWTH = 3
KEPT = 64

Place = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Talk:
    """Who asks, where, and after what: a conversation as far as prompts depend on it.

    `session` is the one whose pseudonyms its prompts hold.
    """

    history: tuple[tuple[str, str], ...]
    groups: frozenset[str]
    where: tuple[str, ...]
    session: str = ""

    @classmethod
    def of(
        cls,
        history: Sequence[Message],
        groups: frozenset[str],
        where: Sequence[object],
        session: str = "",
    ) -> Talk:
        said = tuple((turn.role, turn.content) for turn in history)
        return cls(said, groups, tuple(map(str, where)), session)

    def after(self, question: str, reply: str) -> Talk:
        """The conversation one turn later."""
        return replace(self, history=(*self.history, ("user", question), ("assistant", reply)))


@dataclass(frozen=True, slots=True)
class Standing:
    """A prompt, with its reply once there is one.

    `passages` are numbered as in the prompt, with what is hidden in each; `units` are the sentences
    in it, of these passages.
    """

    messages: tuple[Message, ...]
    passages: tuple[Passage, ...]
    masks: tuple[tuple[Mask, ...], ...]
    units: tuple[Unit, ...]
    tokens: int

    def replied(self, text: str) -> Standing:
        """With the reply as its reader was shown it."""
        return replace(self, messages=(*self.messages, Message("assistant", disarm(text))))


class Standings:
    """The last prompts of the conversations held last, safe to share by threads.

    `stamp` names what the knowledge base holds now.
    """

    def __init__(self, stamp: Callable[[], str] = str, kept: int = KEPT) -> None:
        self._stamp = stamp
        self._kept = kept
        self._known: OrderedDict[Talk, Standing] = OrderedDict()
        self._of = stamp()
        self._lock = Lock()

    def find(self, talk: Talk) -> Standing | None:
        """The prompt that a conversation goes on from, if it is still there."""
        with self._lock:
            self._follow()
            return self._known.get(talk)

    def put(self, talk: Talk, standing: Standing) -> None:
        """Keep the prompt of a conversation's last turn; it takes the place of the one before."""
        with self._lock:
            self._follow()
            self._known.pop(replace(talk, history=talk.history[:-2]), None)
            self._known[talk] = standing
            if len(self._known) > self._kept:
                self._known.popitem(last=False)

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._known.clear()

    def _follow(self) -> None:
        if (now := self._stamp()) != self._of:
            self._known.clear()
            self._of = now


def begun(packed: Packed, reading: Reading) -> Standing:
    """What stands after a prompt that went on from nothing."""
    return Standing(packed.messages, reading.passages, reading.masks, packed.units, packed.tokens)


def joined(before: Standing, reading: Reading) -> Reading:
    """A reading with the passages that sentences before it came from, after those found now."""
    known = {_place(passage) for passage in reading.passages}
    used = sorted({unit.passage for unit in before.units})
    more = [index for index in used if _place(before.passages[index]) not in known]
    return replace(
        reading,
        passages=(*reading.passages, *(before.passages[index] for index in more)),
        masks=(*reading.masks, *(before.masks[index] for index in more)),
    )


def go_on(
    before: Standing,
    question: str,
    reading: Reading,
    budget: Budget,
    share: float,
    count: Counter,
    system: str,
) -> tuple[Packed, Standing] | None:
    """The prompt `before` with a question after it, and the sentences it lacks; what stands then.

    What is added takes `share` of the budget's target. None where the whole would not fit, or has
    grown too long. `reading` is that of `joined`; the packed units are of its passages.
    """
    count = remembered(count, system)
    shelf, masks, numbers = _shelved(before, reading)
    turns = [Read(turn.role, turn.content) for turn in before.messages[1:]]
    most = min(budget.limit, GROWTH * budget.target)
    if count(compose(question, turns, shelf, (), CHECK)) > most:
        return None
    known = {_spot(unit, before.passages) for unit in before.units}
    fresh = [
        replace(unit, passage=numbers[unit.passage])
        for unit in reading.units
        if _spot(unit, reading.passages) not in known
    ]
    least = budget.floor * max((unit.value for unit in reading.units), default=0.0)
    worthy = [unit for unit in fresh if unit.value >= least]
    bare = count(compose(question, turns, shelf, ()))
    target = min(most, bare + int(share * budget.target))
    kept = fit_units(question, turns, shelf, worthy, target, count)
    messages = compose(question, turns, shelf, kept)
    standing = Standing(
        worded(messages, system), shelf, masks, (*before.units, *kept), count(messages)
    )
    back = {number: index for index, number in enumerate(numbers)}
    return (
        Packed(
            messages=standing.messages,
            check=worded(compose(question, turns, shelf, kept, CHECK), system),
            tokens=standing.tokens,
            units=tuple(replace(unit, passage=back[unit.passage]) for unit in standing.units),
            dropped=tuple(left_out(fresh, kept, shelf, least, count)),
        ),
        standing,
    )


def goes_on(messages: Sequence[Message]) -> bool:
    """Whether a prompt went on from one before: passages then stand before an earlier question."""
    fence = OPEN.partition("{")[0]
    return any(turn.role == "user" and fence in turn.content for turn in messages[:-1])


def _shelved(
    before: Standing, reading: Reading
) -> tuple[tuple[Passage, ...], tuple[tuple[Mask, ...], ...], list[int]]:
    """All passages by their numbers in the prompt, their masks, and the reading's by number."""
    shelf, masks = list(before.passages), list(before.masks)
    known = {_place(passage): number for number, passage in enumerate(shelf)}
    numbers = []
    for passage, hidden in zip(reading.passages, reading.masks, strict=True):
        number = known.setdefault(_place(passage), len(shelf))
        if number == len(shelf):
            shelf.append(passage)
            masks.append(hidden)
        numbers.append(number)
    return tuple(shelf), tuple(masks), numbers


def _place(passage: Passage) -> Place:
    return passage.document, passage.start, passage.end


def _spot(unit: Unit, passages: Sequence[Passage]) -> tuple[str, int]:
    return passages[unit.passage].document, unit.start
