"""Sends outlines to an OpenTelemetry collector. Its library is loaded when one is configured.

A collector that is slow or gone costs spans, never an answer: they wait in a bounded queue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import version
from threading import Thread
from typing import TYPE_CHECKING

from ingest.errors import ExtraMissing
from rag.config import TelemetryConfig
from rag.telemetry.outline import Outline
from rag.telemetry.parent import current_parent

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace.export import SpanExporter

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_NS = 1_000_000
_LAST_S = 0.5


class Spans:
    """Writes spans with times of the past; a thread of its own sends them in batches."""

    def __init__(self, exporter: SpanExporter) -> None:
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        mine = version("surefoot")
        named = Resource({"service.name": "surefoot", "service.version": mine})
        self._exporter = exporter
        self._batches = BatchSpanProcessor(exporter)
        self._provider = TracerProvider(
            resource=named.merge(OTELResourceDetector().detect()), shutdown_on_exit=False
        )
        self._provider.add_span_processor(self._batches)
        self._tracer = self._provider.get_tracer("surefoot", mine)

    def send(self, outline: Outline, began_ns: int) -> None:
        """The outline and all within it, in the trace of the caller if there is one."""
        self._write(outline, began_ns, _caller())

    def close(self, seconds: float) -> None:
        """Send what waits, for at most so long; what is left then is dropped."""
        _within(seconds, self._batches.force_flush)
        # The exporter first: while it tries again, whoever waits for the queue waits too.
        self._exporter.shutdown()
        _within(_LAST_S, self._provider.shutdown)

    def _write(self, outline: Outline, began_ns: int, context: Context) -> None:
        from opentelemetry.trace import Status, StatusCode, set_span_in_context

        span = self._tracer.start_span(
            outline.name,
            context,
            attributes=outline.attributes,
            start_time=_at(began_ns, outline.start_ms),
        )
        for name, ms in outline.events:
            span.add_event(name, timestamp=_at(began_ns, ms))
        if outline.inside:
            below = set_span_in_context(span, context)
            for item in outline.inside:
                self._write(item, began_ns, below)
        if outline.attributes.get("error.type", "left") != "left":
            span.set_status(Status(StatusCode.ERROR))
        span.end(_at(began_ns, outline.end_ms))


def open_spans(config: TelemetryConfig, env: Mapping[str, str]) -> Spans | None:
    """Spans to the collector that is configured; None without one. Raises ExtraMissing.

    The config's endpoint is a base URL; without it the standard OTEL_EXPORTER_OTLP_* count.
    """
    base = config.otlp_endpoint.rstrip("/")
    if not base and not any(env.get(name, "").strip() for name in ENDPOINTS):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise ExtraMissing("otel", "telemetry.otlp_endpoint") from error
    return Spans(OTLPSpanExporter(endpoint=f"{base}/v1/traces" if base else None))


def _caller() -> Context:
    """The context of the caller's span; an empty one where none is given, or it is malformed."""
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    header = current_parent()
    carrier = {"traceparent": header} if header else {}
    return TraceContextTextMapPropagator().extract(carrier, Context())


def _within(seconds: float, work: Callable[[], object]) -> None:
    """Wait for `work` no longer than that; a collector may take a request and never answer."""
    worker = Thread(target=work, daemon=True)
    worker.start()
    worker.join(seconds)


def _at(began_ns: int, ms: float) -> int:
    return began_ns + round(ms * _NS)
