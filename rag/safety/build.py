"""Builds the guard with all its filters. A filter that cannot load is an error, never left out."""

from __future__ import annotations

from pathlib import Path

from ingest.types import Embedder
from rag.errors import FilterError
from rag.safety.features import CachedVectors
from rag.safety.guard import Guard
from rag.safety.heads import Heads, load_heads
from rag.safety.injection import InjectionFilter
from rag.safety.moderation import ModerationFilter
from rag.safety.pii import PiiFilter, load_ner
from rag.safety.policy import DEFAULT, NER_LABELS, STAGES, Policy

WEIGHTS = Path(__file__).parent / "weights"


def build_guard(
    ner_path: Path | None,
    embedder: Embedder,
    policy: Policy = DEFAULT,
    report_names: bool = False,
    timeout_s: float = 10.0,
) -> Guard:
    """A guard with personal data, moderation and injection filters.

    The spaCy model at `ner_path` runs only in stages where the policy acts on names, or in all with
    `report_names`. Raises FilterError naming the filter if one cannot load, or if names are wanted
    and `ner_path` is None.
    """
    vectors = CachedVectors(embedder)
    moderation = ModerationFilter(load_weights("moderation", embedder), vectors)
    injection = InjectionFilter(load_weights("injection", embedder), vectors)
    pii = build_pii(ner_path, policy, report_names)
    return Guard((pii, injection, moderation), policy, timeout_s, caches=(vectors,))


def build_pii(ner_path: Path | None, policy: Policy, report_names: bool = False) -> PiiFilter:
    """The personal data filter alone, with names where they are wanted."""
    stages = [s for s in STAGES if report_names or policy.acts_on(s, NER_LABELS)]
    if not stages:
        return PiiFilter(None)
    if ner_path is None:
        raise FilterError("pii", "names are to be found, but there is no spaCy model")
    return PiiFilter(load_ner(ner_path), stages)


def load_weights(name: str, embedder: Embedder) -> Heads:
    """The shipped heads of a filter. Raises FilterError if they don't fit the embedder."""
    path = WEIGHTS / f"{name}.safetensors"
    return load_heads(path, name, embedder.sha256, embedder.dimension)
