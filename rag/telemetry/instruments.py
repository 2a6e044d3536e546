"""The table of metrics, and the registry that is made from it. Says what exists, not what happens.

Names follow OpenTelemetry's conventions where they have one, and Prometheus' for the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.registry import Collector

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0)
TOKEN_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0)
TOKENS = (1.0, 16.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 16384.0, 65536.0)
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)

# Whose answers: the variant's name, and its role in a release.
WHOSE = ("variant", "role")
MODEL = "gen_ai_request_model"


@dataclass(frozen=True, slots=True)
class Row:
    """A metric. One with buckets is a histogram; one whose name ends in "_total" a counter."""

    name: str
    text: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


TABLE = (
    Row("surefoot_answers_total", "Answers, by how and why.", (*WHOSE, "outcome", "cause")),
    Row("surefoot_failures_total", "Questions that got no answer, by cause.", (*WHOSE, "cause")),
    Row(
        "gen_ai_server_request_duration_seconds",
        "From the question to the end of the answer.",
        (*WHOSE, MODEL),
        SECONDS,
    ),
    Row(
        "gen_ai_server_time_to_first_token_seconds",
        "From the question to the first token of the model.",
        (*WHOSE, MODEL),
        SECONDS,
    ),
    Row(
        "gen_ai_server_time_per_output_token_seconds",
        "Time of each token after the first, with the checks that are made meanwhile.",
        (*WHOSE, MODEL),
        TOKEN_SECONDS,
    ),
    Row(
        "surefoot_time_to_first_shown_seconds",
        "From the question to the first sentence that the reader may see.",
        WHOSE,
        SECONDS,
    ),
    Row("surefoot_stage_seconds", "Time of each stage of an answer.", (*WHOSE, "stage"), SECONDS),
    Row(
        "gen_ai_client_token_usage",
        "Tokens of an answer: read (input) and written (output).",
        (*WHOSE, MODEL, "gen_ai_token_type"),
        TOKENS,
    ),
    Row(
        "surefoot_prompt_cached_tokens_total",
        "Prompt tokens that the engine had read before.",
        (*WHOSE, MODEL),
    ),
    Row(
        "surefoot_cost_total",
        "What the tokens cost at the configured prices.",
        (*WHOSE, MODEL, "currency"),
    ),
    Row(
        "surefoot_prompt_truncations_total",
        "Prompts that left something out, by why.",
        (*WHOSE, "why"),
    ),
    Row(
        "surefoot_prompt_dropped_tokens_total",
        "Tokens left out of prompts, by why.",
        (*WHOSE, "why"),
    ),
    Row(
        "surefoot_retrievals_total",
        "Searches: cited in the answer (hit), found but not cited (near_miss), or empty.",
        (*WHOSE, "result"),
    ),
    Row("surefoot_retrieval_best_score", "Score of the best passage.", WHOSE, SHARES),
    Row("surefoot_trust", "Probability that the passages hold the answer.", WHOSE, SHARES),
    Row("surefoot_sentence_support", "Support of each claim shown.", WHOSE, SHARES),
    Row(
        "surefoot_sentences_total",
        "Claims of the model: shown as supported or unsupported, or withheld.",
        (*WHOSE, "fate"),
    ),
    Row(
        "surefoot_guard_findings_total",
        "What the guard found, and what it did.",
        (*WHOSE, "stage", "label", "action"),
    ),
    Row(
        "surefoot_filter_errors_total",
        "Answers blocked because a filter failed.",
        (*WHOSE, "filter", "kind"),
    ),
    Row("surefoot_cache_lookups_total", "Lookups in the answer cache.", ("result",)),
    Row("surefoot_refusals_total", "Requests refused, by why.", ("why",)),
    Row("surefoot_queue_depth", "Requests that wait for a worker."),
    Row(
        "http_server_request_duration_seconds",
        "Time of HTTP requests.",
        ("http_route", "http_response_status_code"),
        SECONDS,
    ),
    Row("surefoot_release_share", "Share of conversations that a variant gets.", ("variant",)),
    Row("surefoot_release_state", "1 for the state of a variant.", ("variant", "state")),
    Row("surefoot_telemetry_errors_total", "Events that could not be counted."),
    Row("surefoot_build_info", "The version that runs.", ("version",)),
)


class Instruments:
    """The metrics of `TABLE` in a registry of their own, by name. Safe to share by threads."""

    def __init__(self, collectors: Iterable[Collector] = ()) -> None:
        # They would double every series, and no rule reads them.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._made = {row.name: _make(row, self.registry) for row in TABLE}
        ProcessCollector(registry=self.registry)
        for collector in collectors:
            self.registry.register(collector)

    def add(self, name: str, amount: float, *labels: str) -> None:
        """Count. An amount of 0 makes the series, so that its first event is seen as a rise."""
        found = self._made[name]
        assert isinstance(found, Counter)
        (found.labels(*labels) if labels else found).inc(amount)

    def observe(self, name: str, value: float | None, *labels: str) -> None:
        """Put a value into a histogram; None is nothing to put."""
        if value is None:
            return
        found = self._made[name]
        assert isinstance(found, Histogram)
        found.labels(*labels).observe(value)

    def set(self, name: str, value: float, *labels: str) -> None:
        found = self._made[name]
        assert isinstance(found, Gauge)
        (found.labels(*labels) if labels else found).set(value)


def _make(row: Row, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    if row.buckets:
        return Histogram(row.name, row.text, row.labels, registry=registry, buckets=row.buckets)
    if row.name.endswith("_total"):
        return Counter(row.name, row.text, row.labels, registry=registry)
    return Gauge(row.name, row.text, row.labels, registry=registry)
