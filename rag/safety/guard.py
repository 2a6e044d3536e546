"""The guard: filters detect, the policy decides, redaction edits. The one place that fails closed.

A filter that raises, takes too long or reports nonsense blocks the text, and the verdict says which
filter and which kind of error, never the text. "Clean" and "did not run" are different values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Protocol, runtime_checkable

from rag.errors import FilterError
from rag.safety.lru import Lru
from rag.safety.policy import MASKED, Policy
from rag.safety.pseudonyms import Hasher, Names, marking, unforged
from rag.safety.redact import Mark, masks, redact
from rag.safety.runner import Overdue, Runner
from rag.types import Decision, Filter, Finding, Stage, Verdict


class GarbageFindingError(Exception):
    """A filter reported a span outside the text, or a score that is not a probability."""


@runtime_checkable
class Warms(Protocol):
    """A filter that works faster when it is told of several texts before it sees each."""

    def warm(self, texts: Sequence[str], stage: Stage) -> None: ...


@runtime_checkable
class FindsAfter(Protocol):
    """A filter that wants to know where the context ends: it reads no more of it than it must."""

    def find_after(self, text: str, start: int, stage: Stage) -> Sequence[Finding]: ...


@runtime_checkable
class Forgets(Protocol):
    """Something that remembers texts and can be told not to."""

    def forget(self) -> None: ...


Find = Callable[[str, int, Stage], Sequence[Finding]]


class _Progress:
    """Which filter is at work; read from the waiting thread when time runs out."""

    def __init__(self) -> None:
        self.filter_name = ""


class Guard:
    """Runs filters over a text and returns what may be shown of it. Safe to share by threads.

    `timeout_s` bounds one check as a whole. Findings are cached by a hash of stage, context and
    text; failures never are. `caches` are those of the filters, for `forget`. What `allows` says
    of a label and a raw value is no finding; when it may change its mind, `epoch` changes. `hashed`
    makes the marks of the action "hash". Raises FilterError if there are no filters and the policy
    is not off.
    """

    def __init__(
        self,
        filters: Sequence[Filter],
        policy: Policy,
        timeout_s: float = 5.0,
        cache_size: int = 2048,
        caches: Sequence[Forgets] = (),
        allows: Callable[[str, str], bool] | None = None,
        hashed: Hasher | None = None,
        epoch: Callable[[], str] = str,
    ) -> None:
        if not filters and not policy.off:
            raise FilterError("guard", "no filters: a guard without filters guards nothing")
        self._filters = tuple((item.name, _finding(item)) for item in filters)
        self._warmers = tuple(item for item in filters if isinstance(item, Warms))
        self._policy = policy
        self._timeout_s = timeout_s
        self._runner = Runner()
        self._cache: Lru[bytes, tuple[Finding, ...]] = Lru(cache_size)
        self._caches = tuple(caches)
        self._allows = allows
        self._hashed = hashed or Hasher()
        self._epoch = epoch

    @property
    def policy(self) -> Policy:
        return self._policy

    def check(
        self, text: str, stage: Stage, context: str = "", names: Names | None = None
    ) -> Verdict:
        """The verdict about `text`. `context` is the raw text before it, for filters to see.

        `names` are those of the session; without them a pseudonym is a plain mask.
        """
        if self._policy.off:
            return Verdict(Decision.ALLOW, text, status="skipped", cause="the guard is off")
        try:
            key = self._key(text, stage, context)
        except Exception as error:  # noqa: BLE001  what is public can't be told: nothing is shown
            return _failed("lists", type(error).__name__)
        found = self._cache.get(key)
        if found is None:
            examined = self._examine(text, stage, context)
            if isinstance(examined, Verdict):
                return examined
            found = examined
            self._cache.put(key, found)
        return self._decide(text, stage, found, names)

    def check_all(
        self, texts: Sequence[str], stage: Stage, names: Names | None = None
    ) -> list[Verdict]:
        """One verdict a text, in order; filters that can prepare for all of them at once do so."""
        try:
            self._runner.run(lambda: self._warm(texts, stage), self._timeout_s)
        except Overdue:
            return [_failed("guard", "timeout") for _ in texts]
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            # A text whose check could not be prepared is blocked.
            return [_failed("guard", type(error).__name__) for _ in texts]
        return [self.check(text, stage, names=names) for text in texts]

    def marks(self, names: Names | None) -> Mark:
        """What stands in place of masked spans: as in the texts of verdicts."""
        return marking(names, self._hashed)

    def said(self, text: str) -> str:
        """`text` as a reader may see it; "" where it may not be seen, or can't be checked."""
        return self.check(text, "answer").text

    def forget(self) -> None:
        """Drops all cached findings, and whatever its filters remember of a text."""
        self._cache.clear()
        for cache in self._caches:
            cache.forget()

    def _key(self, text: str, stage: Stage, context: str) -> bytes:
        place = f"{self._epoch()}\0{stage}\0{len(context)}\0"
        digest = blake2b(place.encode(), digest_size=16)
        digest.update(context.encode("utf-8", "surrogatepass"))
        digest.update(text.encode("utf-8", "surrogatepass"))
        return digest.digest()

    def _warm(self, texts: Sequence[str], stage: Stage) -> None:
        new = [text for text in texts if self._cache.get(self._key(text, stage, "")) is None]
        for warms in self._warmers if new else ():
            warms.warm(new, stage)

    def _examine(self, text: str, stage: Stage, context: str) -> tuple[Finding, ...] | Verdict:
        """What is found and counts, in order; a verdict that blocks if a filter failed."""
        progress = _Progress()
        try:
            found = self._runner.run(
                lambda: self._detect(context + text, len(context), stage, progress),
                self._timeout_s,
            )
        except Overdue:
            return _failed(progress.filter_name or "guard", "timeout")
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            return _failed(progress.filter_name, type(error).__name__)
        acted = self._acted(stage, _clip(found, len(context), len(text)))
        return tuple(sorted(acted, key=lambda f: (f.start, f.end, f.label)))

    def _detect(self, text: str, start: int, stage: Stage, progress: _Progress) -> list[Finding]:
        found: list[Finding] = []
        for name, find in self._filters:
            progress.filter_name = name
            found.extend(_sound(find, text, start, stage))
        if self._allows is None:
            return found
        progress.filter_name = "lists"
        return [f for f in found if not self._allows(f.label, text[f.start : f.end])]

    def _decide(
        self, text: str, stage: Stage, findings: tuple[Finding, ...], names: Names | None
    ) -> Verdict:
        blockers = [f for f in findings if f.action == "block"]
        if blockers:
            worst = max(blockers, key=lambda f: f.score)
            return Verdict(Decision.BLOCK, "", findings, cause=f"{worst.source}: {worst.label}")
        spans = masks(text, (f for f in findings if f.action in MASKED))
        # Only what the model says may hold pseudonyms of ours: it has them from us.
        between = unforged if names is not None and stage != "answer" else str
        try:
            shown = redact(text, spans, self.marks(names), between)
        except Exception as error:  # noqa: BLE001  what can't be masked is not shown
            return _failed("names", type(error).__name__)
        if not spans:
            return Verdict(Decision.ALLOW, shown, findings)
        labels = ", ".join(sorted({mask.label for mask in spans}))
        return Verdict(Decision.REDACT, shown, findings, cause=f"redacted: {labels}")

    def _acted(self, stage: Stage, found: Sequence[Finding]) -> list[Finding]:
        """The findings that count, with what is to be done; the same one only once."""
        acted: dict[tuple[str, int, int, str], Finding] = {}
        for finding in sorted(found, key=lambda f: f.score):
            action = self._policy.action(stage, finding.label, finding.score)
            if action is not None:
                key = (finding.label, finding.start, finding.end, finding.source)
                acted[key] = replace(finding, stage=stage, action=action)
        return list(acted.values())


def _finding(item: Filter) -> Find:
    """How a filter is asked about a text of which the first so many characters are context."""
    after = item.find_after if isinstance(item, FindsAfter) else None

    def find(text: str, start: int, stage: Stage) -> Sequence[Finding]:
        return after(text, start, stage) if after and start else item.find(text, stage)

    return find


def _sound(find: Find, text: str, start: int, stage: Stage) -> list[Finding]:
    """The filter's findings. Raises GarbageFindingError if one cannot be true."""
    found = list(find(text, start, stage))
    for finding in found:
        if not _typed(finding):
            raise GarbageFindingError
        if not 0 <= finding.start < finding.end <= len(text):
            raise GarbageFindingError
        if not (math.isfinite(finding.score) and 0.0 <= finding.score <= 1.0):
            raise GarbageFindingError
    return found


def _typed(finding: object) -> bool:
    """True if it is what later steps rely on: a finding of whole positions and plain words."""
    return (
        isinstance(finding, Finding)
        and type(finding.start) is type(finding.end) is int
        and isinstance(finding.label, str)
        and isinstance(finding.source, str)
    )


def _clip(found: Sequence[Finding], offset: int, length: int) -> list[Finding]:
    """Findings shifted to the text after the context; those in the context alone are dropped."""
    return [
        replace(f, start=max(0, f.start - offset), end=min(length, f.end - offset))
        for f in found
        if f.end > offset
    ]


def _failed(filter_name: str, kind: str) -> Verdict:
    return Verdict(Decision.BLOCK, "", status="error", cause=f"filter {filter_name}: {kind}")
