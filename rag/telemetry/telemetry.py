"""Telemetry of a service: hears how answers end, counts them, and sends spans if told where."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from rag.config import Config
from rag.observe import Observer
from rag.telemetry.counting import Counting, Whose
from rag.telemetry.outline import of_answer, of_failure
from rag.telemetry.parent import parented
from rag.telemetry.spans import Spans, open_spans
from rag.telemetry.state import StateCollector, index_facts
from rag.types import Answer

LOG = logging.getLogger("surefoot.telemetry")
VARIANT, ROLE = "default", "stable"
CLOSING_S = 3.0


@dataclass(frozen=True, slots=True)
class VariantView:
    """The telemetry as one variant's observer; its name and role are labels of all it hears."""

    telemetry: Telemetry
    whose: Whose

    def answered(self, answer: Answer, began_ns: int, by: str) -> None:
        """Count an answer, and send its spans."""
        del by
        self.telemetry.hear(lambda: self.telemetry.record(answer, began_ns, self.whose))

    def failed(self, error: BaseException, began_ns: int, by: str) -> None:
        """Count a question without an answer."""
        del by
        self.telemetry.hear(lambda: self.telemetry.record_failure(error, began_ns, self.whose))


class Telemetry:
    """An Observer, and the counter of what happens around answers. An event never raises.

    Safe to share by threads. What goes wrong in here is counted, and logged once a kind.
    """

    def __init__(
        self, counting: Counting, state: StateCollector, spans: Spans | None, max_tokens: int
    ) -> None:
        self._counting = counting
        self._state = state
        self._spans = spans
        self._max_tokens = max_tokens
        self._complained: set[str] = set()
        self._default = VariantView(self, counting.whose(VARIANT, ROLE))

    def of(self, variant: str, role: str = ROLE) -> Observer:
        """An observer of one variant; `role` is "stable", "canary" or "shadow"."""
        return VariantView(self, self._counting.whose(variant, role))

    def answered(self, answer: Answer, began_ns: int, by: str) -> None:
        """Count an answer of a service without variants."""
        self._default.answered(answer, began_ns, by)

    def failed(self, error: BaseException, began_ns: int, by: str) -> None:
        """Count a question without an answer."""
        self._default.failed(error, began_ns, by)

    def requested(self, route: str, status: int, seconds: float) -> None:
        """An HTTP request has ended; `route` may be a path or its template."""
        self.hear(lambda: self._counting.requested(route, status, seconds))

    def refused(self, why: str) -> None:
        """A request was turned away; `why` is one of `labels.REFUSALS`."""
        self.hear(lambda: self._counting.refused(why))

    def cached(self, hit: bool) -> None:
        """The answer cache was asked."""
        self.hear(lambda: self._counting.cached(hit))

    def queued(self, depth: int) -> None:
        """So many requests wait now."""
        self.hear(lambda: self._counting.queued(depth))

    def canary(self, variant: str, share: float, state: str) -> None:
        """A variant has this share of conversations, 0 to 1, and one of `labels.RELEASE_STATES`."""
        self.hear(lambda: self._counting.released(variant, share, state))

    def watch(self, kb: Path) -> None:
        """Show the generation and size of this knowledge base, read at each exposition."""
        self._state.index = lambda: index_facts(kb)

    def parented(self, traceparent: str | None) -> AbstractContextManager[None]:
        """Answers that end inside belong to the caller's trace (a W3C header value)."""
        return parented(traceparent)

    def exposition(self) -> tuple[bytes, str]:
        """All metrics as text for Prometheus, and its content type."""
        return self._counting.exposition()

    def close(self, seconds: float = CLOSING_S) -> None:
        """Send the spans that wait, for at most so long."""
        if self._spans is not None:
            self._spans.close(seconds)

    def record(self, answer: Answer, began_ns: int, whose: Whose) -> None:
        self._counting.answered(answer, whose)
        if self._spans is not None:
            self._spans.send(of_answer(answer, whose.variant, self._max_tokens), began_ns)

    def record_failure(self, error: BaseException, began_ns: int, whose: Whose) -> None:
        self._counting.failed(error, whose)
        if self._spans is not None:
            ms = (time.time_ns() - began_ns) / 1e6
            self._spans.send(of_failure(error, whose.variant, ms), began_ns)

    def hear(self, event: Callable[[], None]) -> None:
        """Run `event`; a fault of ours must not cost anybody an answer."""
        try:
            event()
        except Exception as error:  # noqa: BLE001  an observer must not raise
            self._counting.lost()
            kind = type(error).__name__
            if kind not in self._complained:
                self._complained.add(kind)
                LOG.warning("an event could not be counted: %s", kind)


def open_telemetry(config: Config, env: Mapping[str, str] | None = None) -> Telemetry:
    """Metrics always; spans where an OTLP endpoint is configured. Raises ExtraMissing."""
    state = StateCollector()
    spans = open_spans(config.telemetry, os.environ if env is None else env)
    return Telemetry(Counting(config, (state,)), state, spans, config.engine.max_tokens)
