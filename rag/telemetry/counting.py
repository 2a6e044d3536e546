"""Events into metrics: which numbers an answer, a failure or a request adds to which series."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from rag.config import Config
from rag.telemetry import measures
from rag.telemetry.instruments import Instruments
from rag.telemetry.labels import (
    OTHER,
    REFUSALS,
    RELEASE_STATES,
    ROLES,
    Learned,
    among,
    route_label,
    status_label,
)
from rag.types import Answer

MOST_MODELS, MOST_VARIANTS = 16, 32


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose answers are counted: the name of a variant, and its role in a release."""

    variant: str
    role: str


class Counting:
    """Takes events, from many threads. Every label value is of a closed set."""

    def __init__(self, config: Config, collectors: Sequence[Collector] = ()) -> None:
        self._prices = config.telemetry
        self._threshold = config.grounding.threshold
        self._models, self._variants = Learned(MOST_MODELS), Learned(MOST_VARIANTS)
        self._to = Instruments(collectors)
        self._to.set("surefoot_build_info", 1, version("surefoot"))
        self._begin("surefoot_refusals_total", (*REFUSALS, OTHER))
        self._begin("surefoot_cache_lookups_total", ("hit", "miss"))

    def whose(self, variant: str, role: str) -> Whose:
        """Labels for a variant; its series begin at 0."""
        found = Whose(self._variants.label(variant), among(role, frozenset(ROLES)))
        mine = (found.variant, found.role)
        self._begin("surefoot_failures_total", measures.FAILURES, *mine)
        self._begin("surefoot_answers_total", ("answered",), *mine, after=("none",))
        self._begin("surefoot_sentences_total", ("supported", "unsupported", "withheld"), *mine)
        self._begin("surefoot_filter_errors_total", ("guard",), *mine, after=("error",))
        self._begin("surefoot_retrievals_total", ("hit", "near_miss", "empty"), *mine)
        return found

    def answered(self, answer: Answer, whose: Whose) -> None:
        """Everything that an answer tells."""
        mine = (whose.variant, whose.role)
        cause = measures.outcome_cause(answer)
        self._to.add("surefoot_answers_total", 1, *mine, answer.status, cause)
        self._times(answer, mine)
        self._spent(answer, mine)
        self._found(answer, mine)
        self._checked(answer, mine)

    def failed(self, error: BaseException, whose: Whose) -> None:
        cause = measures.failure_cause(error)
        self._to.add("surefoot_failures_total", 1, whose.variant, whose.role, cause)

    def requested(self, route: str, status: int, seconds: float) -> None:
        self._to.observe(
            "http_server_request_duration_seconds",
            seconds,
            route_label(route),
            status_label(status),
        )

    def refused(self, why: str) -> None:
        self._to.add("surefoot_refusals_total", 1, among(why, REFUSALS))

    def cached(self, hit: bool) -> None:
        self._to.add("surefoot_cache_lookups_total", 1, "hit" if hit else "miss")

    def queued(self, depth: int) -> None:
        self._to.set("surefoot_queue_depth", depth)

    def released(self, variant: str, share: float, state: str) -> None:
        """A variant's share of the conversations, and the one state that it is in."""
        name, state = self._variants.label(variant), among(state, RELEASE_STATES)
        self._to.set("surefoot_release_share", share, name)
        for each in (*RELEASE_STATES, OTHER):
            self._to.set("surefoot_release_state", float(each == state), name, each)

    def lost(self) -> None:
        """An event that could not be counted."""
        self._to.add("surefoot_telemetry_errors_total", 1)

    def exposition(self) -> tuple[bytes, str]:
        """The text for Prometheus, and its content type."""
        return generate_latest(self._to.registry), CONTENT_TYPE_PLAIN_0_0_4

    def _begin(
        self, name: str, values: Iterable[str], *before: str, after: tuple[str, ...] = ()
    ) -> None:
        for value in values:
            self._to.add(name, 0, *before, value, *after)

    def _times(self, answer: Answer, mine: tuple[str, str]) -> None:
        model, at = self._models.label(answer.model.name), answer.timings_ms
        observe = self._to.observe
        for name, ms in (
            ("gen_ai_server_request_duration_seconds", at.get("total")),
            ("gen_ai_server_time_to_first_token_seconds", at.get("first_token")),
            ("gen_ai_server_time_per_output_token_seconds", measures.per_token_ms(answer)),
        ):
            observe(name, _seconds(ms), *mine, model)
        shown = _seconds(at.get("first_shown"))
        observe("surefoot_time_to_first_shown_seconds", shown, *mine)
        for stage in measures.stage_times(at):
            seconds = (stage.end_ms - stage.start_ms) / 1000
            observe("surefoot_stage_seconds", seconds, *mine, stage.name)

    def _spent(self, answer: Answer, mine: tuple[str, str]) -> None:
        model, used, prices = self._models.label(answer.model.name), answer.tokens, self._prices
        for count, kind in ((used.prompt, "input"), (used.completion, "output")):
            if count:
                self._to.observe("gen_ai_client_token_usage", count, *mine, model, kind)
        self._to.add("surefoot_prompt_cached_tokens_total", used.cached, *mine, model)
        price = measures.cost(
            used.prompt, used.completion, prices.price_prompt, prices.price_completion
        )
        self._to.add("surefoot_cost_total", price, *mine, model, prices.currency)
        for why, tokens in measures.losses(used.dropped).items():
            self._to.add("surefoot_prompt_truncations_total", 1, *mine, why)
            self._to.add("surefoot_prompt_dropped_tokens_total", tokens, *mine, why)

    def _found(self, answer: Answer, mine: tuple[str, str]) -> None:
        result = measures.retrieval_of(answer)
        if result is not None:
            self._to.add("surefoot_retrievals_total", 1, *mine, result)
        best = max((passage.score for passage in answer.passages), default=None)
        self._to.observe("surefoot_retrieval_best_score", best, *mine)
        self._to.observe("surefoot_trust", answer.signals.get("trust"), *mine)

    def _checked(self, answer: Answer, mine: tuple[str, str]) -> None:
        made = measures.claims(answer.sentences, answer.withheld, self._threshold)
        for fate in ("supported", "unsupported", "withheld"):
            self._to.add("surefoot_sentences_total", getattr(made, fate), *mine, fate)
        for sentence in answer.sentences:
            self._to.observe("surefoot_sentence_support", sentence.support, *mine)
        for row, count in measures.finding_counts(answer).items():
            self._to.add("surefoot_guard_findings_total", count, *mine, *row)
        if failed := measures.filter_failure(answer):
            self._to.add("surefoot_filter_errors_total", 1, *mine, failed.name, failed.kind)


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else ms / 1000
