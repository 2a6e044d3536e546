"""Do two judges agree beyond chance? Pure."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from evals.stats.estimate import estimate
from evals.stats.tables import Columns, Floats, Metric, Sums, Table, encode
from evals.stats.weighted import divide
from evals.types import Estimate


def cohens_kappa(
    a: Sequence[Hashable],
    b: Sequence[Hashable],
    clusters: Sequence[str] | None = None,
    seed: int = 0,
    resamples: int = 2000,
) -> Estimate:
    """Cohen's kappa (1960) of two judges' labels of the same items, with its 95 % interval.

    Without a value if both gave all items one label: agreement by chance is then certain. Raises
    ValueError if lengths differ.
    """
    if len(a) != len(b) or (clusters is not None and len(clusters) != len(a)):
        raise ValueError(f"{len(a)} and {len(b)} labels: each item needs one of both")
    codes = {label: i for i, label in enumerate(dict.fromkeys([*a, *b]))}
    columns = {
        "a": np.array([codes[label] for label in a], dtype=np.float64),
        "b": np.array([codes[label] for label in b], dtype=np.float64),
    }
    names = np.array(clusters, dtype=object) if clusters is not None else np.arange(len(a))
    return estimate(_kappa(max(1, len(codes))), Table(columns, encode(names)), seed, resamples)


def _kappa(labels: int) -> Metric:
    """Kappa as a function of the sums of the table of both judges' labels."""

    def rows(columns: Columns) -> Floats:
        cells = columns["a"] * labels + columns["b"]
        return np.asarray(cells[:, None] == np.arange(labels**2), dtype=np.float64)

    def of(sums: Floats) -> Floats:
        table = sums.reshape(-1, labels, labels)
        n = table.sum(axis=(1, 2))
        agreed = divide(np.einsum("bii->b", table), n)
        chance = divide(np.einsum("bi,bi->b", table.sum(axis=2), table.sum(axis=1)), n**2)
        return divide(agreed - chance, 1 - chance)

    return Metric(
        name="kappa",
        better="higher",
        value=lambda columns, weights: of(weights @ rows(columns)),
        units=lambda columns: len(columns["a"]),
        reads=("a", "b"),
        rests_on=lambda columns: [np.ones(len(columns["a"]))],
        bounds=(-1.0, 1.0),
        sums=Sums(rows, of),
    )
