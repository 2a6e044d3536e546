"""What the card of the injection heads says of unseen attacks, as lines, a table and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from evals.report.charts import Axes, Line, lines
from evals.stats.intervals import rate
from evals.train.fit import Example, Floats
from evals.train.unseen import Ranked, Text, left_out, pooled_recall, ranked, table_lines

# Families of the grammar that are most like a source, left out with it in the second figures.
KIN = {
    "deepset": ("override", "persona", "german"),
    "inthewild": ("persona", "override"),
    "bipia": ("append",),
    "tensortrust": ("access", "leak", "spam"),
    "piguard_valid": ("append", "override"),
}
UNTRAINED = frozenset({"tensortrust"})
OVER_DEFENCE = "notinject"
_COLOURS = {
    "currentColor": "#333333",
    "var(--grid)": "#dddddd",
    "var(--series-1)": "#0072b2",
    "var(--series-2)": "#d55e00",
    "var(--series-3)": "#009e73",
}


@dataclass(frozen=True, slots=True)
class Unseen:
    """Each source ranked by heads that never saw it, without its kin too, and by five folds."""

    sources: list[Ranked]
    bare: list[Ranked]
    folds: list[Ranked]
    over_defence: str

    @property
    def lines(self) -> list[str]:
        n = len(self.sources[0].benign)
        return [
            f"source left out: attacks of the source against {n} benign typed texts, by heads that "
            "were trained without its attacks and its benign texts; each benign text was unseen "
            "too. No kin: without the made families most like it, either. See the table below.",
            self.over_defence,
        ]

    @property
    def table(self) -> list[str]:
        return list(table_lines(self.sources, self.bare))


def unseen(
    table: sparse.csr_matrix,
    rows: Sequence[Example],
    texts: Sequence[Text],
    typed: Floats,
    label: str,
    dimension: int,
    cut: float,
) -> Unseen:
    """Fits once for every source, and again without its kin. `typed` (n,): the scores by folds."""

    def without(*sources: str) -> Floats:
        return left_out(table, rows, texts, frozenset(sources), label, dimension)

    seen, bare = [], []
    for source, families in KIN.items():
        kin = [f"made {family}" for family in families]
        scores = typed if source in UNTRAINED else without(source)
        seen.append(ranked(texts, scores, source))
        bare.append(ranked(texts, without(source, *kin), source))
    said = without(OVER_DEFENCE)[[t.source == OVER_DEFENCE for t in texts]] >= cut
    flagged = rate(int(said.sum()), len(said))
    folds = [ranked(texts, typed, source) for source in KIN if source not in UNTRAINED]
    return Unseen(seen, bare, folds, f"flagged of {OVER_DEFENCE}, left out of training: {flagged}")


def curves(found: Unseen) -> str:
    """The price in honest texts of catching attacks, as a picture that stands alone."""
    rates = np.linspace(0.0, 0.1, 401)
    drawn = [
        Line("unseen source", rates, pooled_recall(found.sources, rates)),
        Line("no kin either", rates, pooled_recall(found.bare, rates)),
        Line("five folds", rates, pooled_recall(found.folds, rates)),
    ]
    axes = Axes("honest texts flagged", "attacks caught", (0.0, 0.1))
    return standalone(lines("Attacks caught against honest texts flagged", axes, drawn))


def standalone(svg: str) -> str:
    """A report's picture with colours of its own, to be shown outside of a page."""
    for name, colour in _COLOURS.items():
        svg = svg.replace(name, colour)
    style = 'style="background:#ffffff;font-family:sans-serif"'
    return svg.replace("<svg ", f'<svg xmlns="http://www.w3.org/2000/svg" {style} ', 1) + "\n"
