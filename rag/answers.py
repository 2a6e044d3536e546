"""Answers that were given before, in memory: the same question of the same reader, word for word.

Nothing is looked up by likeness. A key holds all that an answer depends on, the reader's groups
too; when the knowledge base changes in any way, all answers go.
"""

from __future__ import annotations

import hashlib
import json
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event, Lock

from ingest.conditions import Where
from ingest.manifest import read_stamp
from rag.config import Config
from rag.draft import STOPPED
from rag.prompt import template_hash
from rag.releases.variant import STAGES_OF_VARIANT
from rag.types import Answer, Decoding, Engine, Message, ModelRef

_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class AnswerKey:
    """All that an answer depends on. `index` names one committed state of the knowledge base."""

    question: str
    history: tuple[Message, ...]
    groups: frozenset[str]
    where: tuple[str, ...]
    index: str
    variant: str
    settings: str
    model: ModelRef
    decoding: Decoding


def answer_key(
    question: str,
    index: str,
    config: Config,
    engine: Engine,
    decoding: Decoding,
    history: Sequence[Message] = (),
    groups: frozenset[str] = frozenset(),
    where: Where = (),
    variant: str = "",
) -> AnswerKey:
    """The key of a question to one assistant, which `variant` names where there are several.

    `index` is as `index_stamp` gives it. Questions are the same that differ in Unicode form (NFC)
    or in blanks around them only.
    """
    return AnswerKey(
        question=unicodedata.normalize("NFC", question).strip(),
        history=tuple(history),
        groups=groups,
        where=tuple(map(str, where)),
        index=index,
        variant=variant,
        settings=settings_hash(config),
        model=ModelRef(engine.name, engine.sha256),
        decoding=decoding,
    )


def index_stamp(kb: Path) -> str:
    """Names what a knowledge base holds now; it differs after every commit, rollback and forget.

    A generation's number alone comes back after a rollback. Raises KnowledgeBaseMissing.
    """
    stamp = read_stamp(kb)
    return f"{stamp.inode}.{stamp.size}.{stamp.mtime_ns}"


def settings_hash(config: Config) -> str:
    """SHA-256 of the settings that answers depend on, and of the prompt's wording."""
    settings = asdict(config)
    stages = {name: settings[name] for name in STAGES_OF_VARIANT}
    text = json.dumps([stages, template_hash()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def repeatable(answer: Answer, decoding: Decoding) -> bool:
    """Whether asking again would give the same: greedy, to its end, and not blocked.

    A filter that failed blocks, and may work the next time.
    """
    ended = answer.status in ("answered", "abstained") and answer.cause != STOPPED
    return ended and decoding.temperature == 0


@dataclass(frozen=True, slots=True)
class _Kept:
    answer: Answer
    until: float


@dataclass(slots=True, eq=False)
class Flight:
    """One look at the cache: `answer` if it is there; else whoever holds this is to make it."""

    answer: Answer | None = None
    made: Answer | None = None

    def land(self, answer: Answer) -> None:
        """Give the answer that was made; it is kept if it is repeatable and still true."""
        self.made = answer


@dataclass(slots=True, eq=False)
class _Making:
    """An answer that someone makes. `done` is set when it is there, or when it never will be."""

    done: Event = field(default_factory=Event)


class AnswerCache:
    """The `size` answers used last, each for `ttl_s` seconds at most. Thread-safe; 0 keeps none."""

    def __init__(
        self, size: int, ttl_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._size = size
        self._ttl_s = ttl_s
        self._clock = clock
        self._lock = Lock()
        self._kept: OrderedDict[AnswerKey, _Kept] = OrderedDict()
        self._making: dict[AnswerKey, _Making] = {}
        self._index = ""
        self._cleared = 0
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: AnswerKey) -> Answer | None:
        """The answer of a key, counted as a hit or a miss."""
        with self._lock:
            found = self._look(key)
            self.hits += found is not None
            self.misses += found is None
            return found

    def put(self, key: AnswerKey, answer: Answer) -> None:
        """Keep an answer, if it is repeatable and of the latest index that was asked for.

        The one that was used least lately goes for it.
        """
        if not self._size or not repeatable(answer, key.decoding):
            return
        with self._lock:
            if key.index != (self._index or key.index):
                return
            self._index = key.index
            self._kept[key] = _Kept(answer, self._clock() + self._ttl_s)
            self._kept.move_to_end(key)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)

    def clear(self) -> None:
        """Forget all answers, and those in the making."""
        with self._lock:
            self._clear()

    def follow(self, index: str) -> None:
        """Forget all answers that rest on another state of the knowledge base than this.

        Every look-up does so; a server that nobody asks does it by the clock.
        """
        with self._lock:
            self._follow(index)

    @contextmanager
    def flight(self, key: Callable[[], AnswerKey], cancel: Event) -> Iterator[Flight]:
        """The answer, or the task to make it: what is asked twice at once is made once.

        The second waits for the first, unless its `cancel` is set: then it is on its own. If the
        first makes nothing that can be kept, the next who waits makes its own. `key` is called
        again when an answer is there: if the base has changed meanwhile, it is not kept.
        """
        asked = key()
        if asked.decoding.temperature != 0 or not self._size:
            yield Flight()
            return
        known, making = self._board(asked, cancel)
        flight, cleared = Flight(known), self._cleared
        try:
            yield flight
            if flight.made is not None and key() == asked and self._cleared == cleared:
                self.put(asked, flight.made)
        finally:
            if making is not None:
                self._release(asked, making)

    def _board(self, key: AnswerKey, cancel: Event) -> tuple[Answer | None, _Making | None]:
        """The answer, or the place of who makes it; neither for one who left while waiting."""
        while True:
            with self._lock:
                if (found := self._look(key)) is not None:
                    self.hits += 1
                    return found, None
                if (other := self._making.get(key)) is None:
                    self.misses += 1
                    mine = self._making[key] = _Making()
                    return None, mine
            while not other.done.wait(_LOOK_SECONDS):
                if cancel.is_set():
                    return None, None

    def _release(self, key: AnswerKey, making: _Making) -> None:
        with self._lock:
            if self._making.get(key) is making:
                del self._making[key]
        making.done.set()

    def _look(self, key: AnswerKey) -> Answer | None:
        self._follow(key.index)
        kept = self._kept.get(key)
        if kept is None:
            return None
        if kept.until <= self._clock():
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return kept.answer

    def _follow(self, index: str) -> None:
        if index != self._index:
            self._index = index
            self._clear()

    def _clear(self) -> None:
        self._kept.clear()
        self._cleared += 1
