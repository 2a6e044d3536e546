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
from rag.safety.policy import Policy
from rag.safety.redact import masks, redact
from rag.safety.runner import Overdue, Runner
from rag.types import Decision, Filter, Finding, Stage, Verdict


class GarbageFindingError(Exception):
    """A filter reported a span outside the text, or a score that is not a probability."""


@runtime_checkable
class Warms(Protocol):
    """A filter that works faster when it is told of several texts before it sees each."""

    def warm(self, texts: Sequence[str], stage: Stage) -> None: ...


@runtime_checkable
class Forgets(Protocol):
    """Something that remembers texts and can be told not to."""

    def forget(self) -> None: ...


class _Progress:
    """Which filter is at work; read from the waiting thread when time runs out."""

    def __init__(self) -> None:
        self.filter_name = ""


class Guard:
    """Runs filters over a text and returns what may be shown of it. Safe to share by threads.

    `timeout_s` bounds one check as a whole. Verdicts are cached by a hash of stage, context and
    text; failures never are. `caches` are those of the filters, for `forget`. Raises FilterError if
    there are no filters and the policy is not off.
    """

    def __init__(
        self,
        filters: Sequence[Filter],
        policy: Policy,
        timeout_s: float = 5.0,
        cache_size: int = 2048,
        caches: Sequence[Forgets] = (),
    ) -> None:
        if not filters and not policy.off:
            raise FilterError("guard", "no filters: a guard without filters guards nothing")
        self._filters = tuple((item.name, item.find) for item in filters)
        self._warmers = tuple(item for item in filters if isinstance(item, Warms))
        self._policy = policy
        self._timeout_s = timeout_s
        self._runner = Runner()
        self._cache: Lru[bytes, Verdict] = Lru(cache_size)
        self._caches = tuple(caches)

    @property
    def policy(self) -> Policy:
        return self._policy

    def check(self, text: str, stage: Stage, context: str = "") -> Verdict:
        """The verdict about `text`. `context` is the raw text before it, for filters to see."""
        if self._policy.off:
            return Verdict(Decision.ALLOW, text, status="skipped", cause="the guard is off")
        key = _key(text, stage, context)
        cached = self._cache.get(key)
        if cached is not None:
            return cached
        verdict = self._examine(text, stage, context)
        if verdict.status == "ok":
            self._cache.put(key, verdict)
        return verdict

    def check_all(self, texts: Sequence[str], stage: Stage) -> list[Verdict]:
        """One verdict a text, in order; filters that can prepare for all of them at once do so."""
        try:
            self._runner.run(lambda: self._warm(texts, stage), self._timeout_s)
        except Overdue:
            return [_failed("guard", "timeout") for _ in texts]
        except Exception as error:  # noqa: BLE001  a text whose check could not be prepared is blocked
            return [_failed("guard", type(error).__name__) for _ in texts]
        return [self.check(text, stage) for text in texts]

    def said(self, text: str) -> str:
        """`text` as a reader may see it; "" where it may not be seen, or can't be checked."""
        return self.check(text, "answer").text

    def forget(self) -> None:
        """Drops every cached verdict, and whatever its filters remember of a text."""
        self._cache.clear()
        for cache in self._caches:
            cache.forget()

    def _warm(self, texts: Sequence[str], stage: Stage) -> None:
        new = [text for text in texts if self._cache.get(_key(text, stage, "")) is None]
        for warms in self._warmers if new else ():
            warms.warm(new, stage)

    def _examine(self, text: str, stage: Stage, context: str) -> Verdict:
        progress = _Progress()
        try:
            found = self._runner.run(
                lambda: self._detect(context + text, stage, progress), self._timeout_s
            )
        except Overdue:
            return _failed(progress.filter_name or "guard", "timeout")
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            return _failed(progress.filter_name, type(error).__name__)
        return self._decide(text, stage, _clip(found, len(context), len(text)))

    def _detect(self, text: str, stage: Stage, progress: _Progress) -> list[Finding]:
        found: list[Finding] = []
        for name, find in self._filters:
            progress.filter_name = name
            found.extend(_sound(find, text, stage))
        return found

    def _decide(self, text: str, stage: Stage, found: Sequence[Finding]) -> Verdict:
        findings = tuple(sorted(self._acted(stage, found), key=lambda f: (f.start, f.end, f.label)))
        blockers = [f for f in findings if f.action == "block"]
        if blockers:
            worst = max(blockers, key=lambda f: f.score)
            return Verdict(Decision.BLOCK, "", findings, cause=f"{worst.source}: {worst.label}")
        spans = masks(text, (f for f in findings if f.action == "redact"))
        if not spans:
            return Verdict(Decision.ALLOW, text, findings)
        labels = ", ".join(sorted({mask.label for mask in spans}))
        return Verdict(Decision.REDACT, redact(text, spans), findings, cause=f"redacted: {labels}")

    def _acted(self, stage: Stage, found: Sequence[Finding]) -> list[Finding]:
        """The findings that count, with what is to be done; the same one only once."""
        acted: dict[tuple[str, int, int, str], Finding] = {}
        for finding in sorted(found, key=lambda f: f.score):
            action = self._policy.action(stage, finding.label, finding.score)
            if action is not None:
                key = (finding.label, finding.start, finding.end, finding.source)
                acted[key] = replace(finding, stage=stage, action=action)
        return list(acted.values())


def _sound(
    find: Callable[[str, Stage], Sequence[Finding]], text: str, stage: Stage
) -> list[Finding]:
    """The filter's findings. Raises GarbageFindingError if one cannot be true."""
    found = list(find(text, stage))
    for finding in found:
        if not 0 <= finding.start < finding.end <= len(text):
            raise GarbageFindingError
        if not (math.isfinite(finding.score) and 0.0 <= finding.score <= 1.0):
            raise GarbageFindingError
    return found


def _clip(found: Sequence[Finding], offset: int, length: int) -> list[Finding]:
    """Findings shifted to the text after the context; those in the context alone are dropped."""
    return [
        replace(f, start=max(0, f.start - offset), end=min(length, f.end - offset))
        for f in found
        if f.end > offset
    ]


def _failed(filter_name: str, kind: str) -> Verdict:
    return Verdict(Decision.BLOCK, "", status="error", cause=f"filter {filter_name}: {kind}")


def _key(text: str, stage: Stage, context: str) -> bytes:
    digest = blake2b(f"{stage}\0{len(context)}\0".encode(), digest_size=16)
    digest.update(context.encode("utf-8", "surrogatepass"))
    digest.update(text.encode("utf-8", "surrogatepass"))
    return digest.digest()
