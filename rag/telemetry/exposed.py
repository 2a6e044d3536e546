"""What another process says of itself at its /metrics, read back. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from rag.errors import SurefootError


class NotMetrics(SurefootError):
    """The text is not in Prometheus' format."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a metric, with its labels."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Exposed:
    """Samples by the metric's name."""

    samples: Mapping[str, Sequence[Sample]]

    def sum(self, name: str, **labels: str) -> float:
        """The sum over all samples that have these labels; 0 without any."""
        return sum(
            sample.value
            for sample in self.samples.get(name, ())
            if labels.items() <= sample.labels.items()
        )

    def by(self, name: str, label: str) -> dict[str, float]:
        """The sums by the values of one label."""
        found: dict[str, float] = {}
        for sample in self.samples.get(name, ()):
            key = sample.labels.get(label, "")
            found[key] = found.get(key, 0.0) + sample.value
        return found


def read_exposition(text: str) -> Exposed:
    """Prometheus' text as samples. Raises NotMetrics."""
    found: dict[str, list[Sample]] = {}
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found.setdefault(sample.name, []).append(Sample(sample.labels, sample.value))
    except (ValueError, IndexError) as error:
        raise NotMetrics("what came is not in Prometheus' format") from error
    return Exposed(found)
