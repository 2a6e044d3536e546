"""Nothing is judged twice: a checker's verdicts by the hash of all that they depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from rag.grounding import Checker, Evidence, Support
from rag.safety.lru import Lru

CAPACITY = 4096


class CachedChecker:
    """A checker that remembers. `identity` tells it from others: its name, weights and wording.

    A `jointly` judged segment depends on those beside it, and is known again only among them. What
    failed is asked again. Keys are hashes. Safe to share by threads.
    """

    def __init__(
        self, checker: Checker, identity: str, jointly: bool = False, capacity: int = CAPACITY
    ) -> None:
        self._checker = checker
        self._identity = identity
        self._jointly = jointly
        self._known: Lru[str, Support] = Lru(capacity)

    def support(
        self, segments: Sequence[str], evidence: Sequence[Evidence], question: str = ""
    ) -> list[Support]:
        """As the checker's own, which is asked for what is not known, all at once."""
        keys = self._keys(segments, evidence, question)
        known = [self._known.get(key) for key in keys]
        missed = [index for index, support in enumerate(known) if support is None]
        if missed and self._jointly:
            missed = list(range(len(segments)))
        texts = [segments[index] for index in missed]
        fresh = self._checker.support(texts, evidence, question) if missed else []
        for index, support in zip(missed, fresh, strict=True):
            known[index] = support
            if not support.failed:
                self._known.put(keys[index], support)
        return [support for support in known if support is not None]

    def forget(self) -> None:
        """Drop all that is remembered."""
        self._known.clear()

    def _keys(
        self, segments: Sequence[str], evidence: Sequence[Evidence], question: str
    ) -> list[str]:
        source = [(unit.passage, unit.text) for unit in evidence]
        shared = _hash([self._identity, question, source, segments if self._jointly else ()])
        return [_hash([shared, index * self._jointly, text]) for index, text in enumerate(segments)]


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
