"""Who waits, and whose turn it is: keys take turns, and each key's requests go in order. Pure."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Generic, TypeVar

Ticket = TypeVar("Ticket")


class Line(Generic[Ticket]):
    """A waiting line of at most `room` tickets, fair between keys whatever each of them sends.

    The key at the front gives one ticket, then goes to the back: between two turns of a key that
    waits, every other key has at most one.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._keys: OrderedDict[str, deque[Ticket]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    @property
    def full(self) -> bool:
        return self._length >= self._room

    def waiting(self, key: str) -> int:
        """How many tickets of a key wait."""
        return len(self._keys.get(key, ()))

    def share(self, key: str) -> int:
        """How many tickets each key may have in a full line, if `key` is in it too; at least 1."""
        return max(1, self._room // len({*self._keys, key}))

    def join(self, key: str, ticket: Ticket) -> None:
        self._keys.setdefault(key, deque()).append(ticket)
        self._length += 1

    def leave(self, key: str, ticket: Ticket) -> None:
        """Raises ValueError for a ticket that does not wait."""
        self._keys.get(key, deque()).remove(ticket)
        self._shortened(key)

    def next(self) -> Ticket | None:
        """Take out the ticket whose turn it is; None if nobody waits."""
        if not self._keys:
            return None
        key = next(iter(self._keys))
        ticket = self._keys[key].popleft()
        self._keys.move_to_end(key)
        self._shortened(key)
        return ticket

    def make_room(self, key: str) -> Ticket | None:
        """Take out the newest ticket of whoever has most, if that is more than the share.

        So a key below its share finds a place also in a line that another one fills.
        """
        if not self._keys or self.waiting(key) >= self.share(key):
            return None
        most = max(self._keys, key=self.waiting)
        if self.waiting(most) <= self.share(key):
            return None
        ticket = self._keys[most].pop()
        self._shortened(most)
        return ticket

    def _shortened(self, key: str) -> None:
        self._length -= 1
        if not self._keys[key]:
            del self._keys[key]
