"""What is read when metrics are asked for: memory that is left, and the index that is served."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ingest.errors import SurefootError
from ingest.manifest import read_manifest
from rag.telemetry.memory import Memory, memories

LOG = logging.getLogger("surefoot.telemetry")


@dataclass(frozen=True, slots=True)
class IndexFacts:
    """The generation of a knowledge base that answers now, and its size."""

    generation: int
    documents: int
    chunks: int


def index_facts(kb: Path) -> IndexFacts | None:
    """What the manifest of `kb` says; None, with a warning, where it can't be read."""
    try:
        manifest = read_manifest(kb)
    except SurefootError as error:
        LOG.warning("the index could not be measured: %s", error)
        return None
    return IndexFacts(manifest.generation, manifest.documents, manifest.chunks)


class StateCollector(Collector):
    """Gauges of memory, and of the index once `index` is set."""

    def __init__(self, memory: Callable[[], Iterable[Memory]] = memories) -> None:
        self._memory = memory
        self.index: Callable[[], IndexFacts | None] = lambda: None

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Read everything anew."""
        yield from self._memory_gauges()
        facts = self.index()
        for name, text in (
            ("generation", "Number of the index that answers."),
            ("documents", "Documents in it."),
            ("chunks", "Chunks in it."),
        ):
            value = getattr(facts, name) if facts else None
            yield GaugeMetricFamily(f"surefoot_index_{name}", text, value=value)

    def _memory_gauges(self) -> Iterable[GaugeMetricFamily]:
        limit = GaugeMetricFamily(
            "surefoot_memory_limit_bytes", "Memory that there is.", labels=["store"]
        )
        free = GaugeMetricFamily(
            "surefoot_memory_available_bytes", "Memory that is left.", labels=["store"]
        )
        for memory in self._read():
            limit.add_metric([memory.store], memory.limit)
            free.add_metric([memory.store], memory.available)
        yield from (limit, free)

    def _read(self) -> list[Memory]:
        try:
            return list(self._memory())
        except OSError as error:
            LOG.warning("the memory could not be measured: %s", error.strerror)
            return []
