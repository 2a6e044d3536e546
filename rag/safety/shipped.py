"""The weights that ship, and the filter that reads passages before anyone asks.

Apart from `rag.safety.build`, whose personal data filter takes seconds to import.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ingest.types import Embedder
from rag.safety.classifiers.filter import ClassifierFilter
from rag.safety.classifiers.labels import ROLES
from rag.safety.classifiers.opening import Named
from rag.safety.classifiers.shipped import ShippedInjection, ShippedModeration
from rag.safety.classifiers.types import Classifier
from rag.safety.features import CachedVectors
from rag.safety.floors import NO_FLOORS, Floors
from rag.safety.heads import Heads, load_heads
from rag.safety.injection import InjectionFilter
from rag.safety.moderation import ModerationFilter
from rag.safety.remembered import Remembered, version_of
from rag.safety.scans import Scans
from rag.safety.unhidden import Unhidden
from rag.types import Filter

WEIGHTS = Path(__file__).parent / "weights"


def load_weights(name: str, embedder: Embedder) -> Heads:
    """The shipped heads of a filter. Raises FilterError if they don't fit the embedder."""
    path = WEIGHTS / f"{name}.safetensors"
    return load_heads(path, name, embedder.sha256, embedder.dimension)


def build_injection(
    embedder: Embedder,
    vectors: CachedVectors,
    named: Named | None = None,
    floors: Floors = NO_FLOORS,
) -> Unhidden:
    """The injection filter, which reads hidden text too. Raises FilterError, ConfigError.

    Classifiers that are `named` take the place of the shipped one.
    """
    other = build_classifier("injection", embedder, vectors, named, floors)
    return Unhidden(other or _injection(embedder, vectors, floors))


def build_moderation(
    embedder: Embedder,
    vectors: CachedVectors,
    named: Named | None = None,
    floors: Floors = NO_FLOORS,
) -> Filter:
    """The moderation filter, likewise."""
    other = build_classifier("moderation", embedder, vectors, named, floors)
    return other or _moderation(embedder, vectors, floors)


def build_classifier(
    role: str,
    embedder: Embedder,
    vectors: CachedVectors,
    named: Named | None,
    floors: Floors = NO_FLOORS,
) -> ClassifierFilter | None:
    """What is named for a filter, None if nothing is. Raises ConfigError."""
    shipped: Mapping[str, Callable[[], Classifier]] = {
        "injection": lambda: ShippedInjection(_injection(embedder, vectors)),
        "moderation": lambda: ShippedModeration(_moderation(embedder, vectors)),
    }
    return named.filter(role, shipped[role], floors) if named else None


def _injection(
    embedder: Embedder, vectors: CachedVectors, floors: Floors = NO_FLOORS
) -> InjectionFilter:
    return InjectionFilter(load_weights("injection", embedder), vectors, floors)


def _moderation(
    embedder: Embedder, vectors: CachedVectors, floors: Floors = NO_FLOORS
) -> ModerationFilter:
    heads = load_weights("moderation", embedder)
    return ModerationFilter(heads, vectors.seen_by(heads.views), floors)


def version(
    found: Filter, embedder: Embedder, named: Named | None = None, floors: Floors = NO_FLOORS
) -> str:
    """All that a filter's findings in passages depend on besides the text."""
    lower = [
        f"{label}>={floors['passage', label]}"
        for label in sorted(ROLES[found.name])
        if ("passage", label) in floors
    ]
    pin = named.pin(found.name) if named else ""
    return version_of(" ".join(filter(None, (found.name, pin, *lower))), embedder.sha256)


def kept_in(
    scans: Scans | None,
    found: Filter,
    embedder: Embedder,
    named: Named | None = None,
    floors: Floors = NO_FLOORS,
) -> Filter:
    """The filter, with what it finds in passages kept in `scans`, if there are any."""
    if scans is None:
        return found
    return Remembered(found, scans, version(found, embedder, named, floors))
