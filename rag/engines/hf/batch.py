"""Continuous batching: streams join and leave between steps, and every step serves all of them.

No thread of its own: of the threads that want a token, one does the step for all, and a stream that
nobody waits for runs ahead by a few tokens at most. (Iteration-level scheduling: Yu et al., Orca,
2022. A stream that must give way is read again later, as in Kwon et al., vLLM, 2023.) The library's
own batching has no seed or stop of a single request, and needs a GPU for its paged attention.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from threading import Condition, Event
from typing import Any

import torch

from rag.engines.hf.choose import Chosen, likeliest, pick, plain
from rag.engines.hf.seats import Seat, choose
from rag.engines.hf.shelf import Shelf
from rag.engines.hf.stream import Stream
from rag.engines.lookup import propose
from rag.errors import EngineError
from rag.types import Decoding

POLL_SECONDS = 0.05
AHEAD = 8
PORTION = 512
LEAST_PORTION = 32


class Batch:
    """Streams over one model, as many at once as the shelf has rows; the others wait their turn.

    `ends` are end-of-text tokens; `lookup` bounds how many tokens prompt lookup guesses at once,
    where one stream decodes alone; `portion` bounds how many tokens of prompts a step reads.
    """

    def __init__(
        self,
        name: str,
        shelf: Shelf,
        ends: frozenset[int],
        lookup: int = 0,
        portion: int = PORTION,
    ) -> None:
        self.steps = 0
        self.rows = shelf.rows
        self._name, self._shelf, self._ends = name, shelf, ends
        self._lookup = lookup if shelf.guesses else 0
        self._portion = portion
        self._seats = [Seat() for _ in range(shelf.rows)]
        self._waiting: deque[Stream] = deque()
        self._active: list[Stream] = []
        self._changed = Condition()
        self._busy = False

    def tokens(
        self, prompt: Sequence[int], decoding: Decoding, limit: int, cancel: Event
    ) -> Generator[Chosen, None, None]:
        """(token, log-probability) as they are decoded, up to `limit`. Raises EngineError."""
        stream = Stream(prompt, decoding, limit, cancel)
        self._waiting.append(stream)
        try:
            while (token := self._next(stream)) is not None:
                yield token
        finally:
            stream.ended = True

    def logits(self, prompt: Sequence[int]) -> Any:
        """What the model expects after a prompt: float32 on the CPU, shape (vocabulary,)."""
        stream = Stream(prompt, Decoding(), 0, Event())
        self._waiting.append(stream)
        try:
            self._next(stream)
        finally:
            stream.ended = True
        return stream.logits

    def together(self, streams: Sequence[Stream]) -> Iterator[tuple[int, Chosen]]:
        """Decode many streams from this one thread; (index, token) as they come."""
        self._waiting.extend(streams)
        try:
            while not all(stream.over for stream in streams):
                with self.alone():
                    self._step()
                for index, stream in enumerate(streams):
                    while stream.out:
                        yield index, stream.out.popleft()
                    if stream.error is not None:
                        raise stream.error
        finally:
            for stream in streams:
                stream.ended = True

    @contextmanager
    def alone(self, cancel: Event | None = None) -> Iterator[None]:
        """The model, between two steps. Raises EngineError if `cancel` is set before it is free."""
        with self._changed:
            while self._busy and not (cancel and cancel.is_set()):
                self._changed.wait(POLL_SECONDS)
            if cancel and cancel.is_set():
                raise EngineError(self._name, "stopped")
            self._busy = True
        try:
            with torch.inference_mode():
                yield
        finally:
            with self._changed:
                self._busy = False
                self._changed.notify_all()

    def settle(self, ids: Sequence[int]) -> bool:
        """Forget what was said, but not `ids` if they were read by themselves: then True.

        Call it `alone`. Streams that are being decoded go on.
        """
        self._sweep()
        found = False
        for row, seat in enumerate(self._seats):
            stands = bool(ids) and seat.anchor == len(ids) and seat.ids[: len(ids)] == list(ids)
            if not seat.taken:
                keep = len(ids) if stands and not found else 0
                seat.keep(self._shelf.cut(row, keep) if seat.ids else 0)
                found = found or len(seat.ids) == keep > 0
        return found

    def anchor(self, ids: Sequence[int]) -> None:
        """Read `ids` by themselves into a free row, if there is one. Call it `alone`."""
        row = next((row for row, seat in enumerate(self._seats) if not seat.taken), None)
        if row is None:
            return
        seat = self._seats[row]
        for begin in range(0, len(ids), self._portion):
            piece = ids[begin : begin + self._portion]
            self._shelf.read(row, begin, piece, 1)
            seat.ids += piece
        seat.anchor = len(ids)

    def _next(self, stream: Stream) -> Chosen | None:
        """The stream's next token, by our own step if nobody else does one; None at its end."""
        while True:
            with self._changed:
                if stream.cancel.is_set():
                    return None
                if stream.out:
                    return stream.out.popleft()
                if stream.error is not None:
                    raise stream.error
                if stream.ended:
                    return None
                if self._busy:
                    self._changed.wait(POLL_SECONDS)
                    continue
            with self.alone():
                if not (stream.out or stream.over):
                    self._step()

    def _step(self) -> None:
        """Streams leave and join; some of the prompts is read, and a token decoded for the rest."""
        self.steps += 1
        self._sweep()
        try:
            self._admit()
            ready = [s for s in self._active if s.unread == 1 and len(s.out) < AHEAD]
            self._read()
            self._decode(ready)
        except torch.OutOfMemoryError as error:
            self._give_way(error)
        except RuntimeError as error:
            self._fail(str(error).splitlines()[0], error)

    def _sweep(self) -> None:
        for stream in self._active:
            if stream.over:
                self._seats[stream.row].taken = False
        self._active = [stream for stream in self._active if not stream.over]

    def _admit(self) -> None:
        while self._waiting and len(self._active) < self.rows:
            stream = self._waiting.popleft()
            if not stream.over:
                self._active.append(stream)
                self._sit(stream)

    def _sit(self, stream: Stream) -> None:
        choice = choose(self._seats, stream.ids)
        seat, donor = self._seats[choice.seat], self._seats[choice.donor]
        stream.row, seat.taken, seat.used = choice.seat, True, self.steps
        if donor is seat:
            seat.keep(self._shelf.cut(choice.seat, choice.tokens))
        else:
            self._shelf.copy(choice.donor, choice.seat, choice.tokens)
            seat.ids = donor.ids[: choice.tokens]
            seat.anchor = donor.anchor if donor.anchor <= choice.tokens else 0
        stream.known = len(seat.ids)

    def _read(self) -> None:
        """Prompts in the order in which they came, up to one portion of tokens in all."""
        room = self._portion
        for stream in self._active:
            count = min(room, stream.unread)
            if stream.unread > 1 and count:
                room -= count
                logits = self._feed(stream, stream.ids[stream.known : stream.known + count], 1)
                if not stream.unread:
                    self._take(stream, logits[-1])

    def _decode(self, ready: Sequence[Stream]) -> None:
        if len(ready) == 1 and (guess := self._guess(ready[0])):
            self._verify(ready[0], guess)
        elif ready:
            ends = [len(seat.ids) for seat in self._seats]
            logits = self._shelf.step(ends, {stream.row: stream.ids[-1] for stream in ready})
            best = likeliest(logits)
            for index, stream in enumerate(ready):
                self._learn(stream, stream.ids[-1:])
                chosen = best[index] if plain(stream.decoding) else None
                self._take(stream, logits[index], chosen)

    def _guess(self, stream: Stream) -> list[int]:
        most = min(self._lookup, stream.longest - len(stream.ids) - 1)
        return propose(stream.ids, most) if most > 0 else []

    def _verify(self, stream: Stream, guess: Sequence[int]) -> None:
        """Read a guess at once; what the model would have chosen itself is kept.

        What was read of the rest lies behind the row's end, and is written over.
        """
        logits = self._shelf.read(
            stream.row, stream.known, [stream.ids[-1], *guess], len(guess) + 1
        )
        self._learn(stream, stream.ids[-1:])
        for row, guessed in zip(logits, [*guess, None], strict=True):
            self._take(stream, row)
            if stream.ended or stream.ids[-1] != guessed:
                return
            self._learn(stream, stream.ids[-1:])

    def _feed(self, stream: Stream, ids: Sequence[int], keep: int) -> Any:
        logits = self._shelf.read(stream.row, stream.known, ids, keep)
        self._learn(stream, ids)
        return logits

    def _learn(self, stream: Stream, ids: Sequence[int]) -> None:
        """The stream's row holds these tokens too."""
        self._seats[stream.row].ids += ids
        stream.known += len(ids)

    def _take(self, stream: Stream, logits: Any, chosen: Chosen | None = None) -> None:
        if not stream.limit:
            stream.logits, stream.ended = logits.float().cpu(), True
            return
        stream.say(chosen or pick(logits, stream.decoding, stream.ids, stream.chance), self._ends)

    def _give_way(self, error: Exception) -> None:
        """Out of memory: half as many streams at once, or smaller portions; else say so."""
        if len(self._active) > 1:
            self.rows = max(1, len(self._active) // 2)
        elif self._portion > LEAST_PORTION:
            self._portion //= 2
        else:
            self._fail("out of GPU memory; use a smaller window", error)
            return
        self._waiting.extendleft(reversed(self._active))
        self._begin_anew()

    def _fail(self, problem: str, error: Exception) -> None:
        """Every stream that was under way ends with an error; later ones start from nothing."""
        for stream in self._active:
            failure = EngineError(self._name, problem)
            failure.__cause__ = error
            stream.fail(failure)
        self._begin_anew()

    def _begin_anew(self) -> None:
        for stream in self._active:
            stream.known = 0
        self._active = []
        self._seats = [Seat() for _ in range(self.rows)]
        self._shelf.clear()
