"""What the card of the moderation heads says: figures as lines, the trade-off as a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evals.metrics import Table, average_precision
from evals.report.charts import Axes, Line, lines
from evals.stats.estimate import estimate
from evals.stats.intervals import rate
from evals.train.fit import Example, Floats, Mask
from evals.train.injection_report import standalone
from evals.train.moderation_texts import LABELS
from evals.types import Estimate
from rag.safety.floors import floors_of
from rag.safety.moderation import ANY
from rag.safety.policy import ILLICIT, load_policy

_AUPRC = average_precision("auprc", "score", "truth")
_ORDINARY = ("prose", "typed-benign", "questions", "refusal-cyber-benign")
_SAFE = ("prose", "typed-benign", "questions")
_REQUESTS = ("refusal-xstest", "refusal-harmful", "refusal-donotanswer")


@dataclass(frozen=True, slots=True)
class Scored:
    """Out-of-fold `scores` and `flagged` (n, C): each fold at thresholds of the others.

    `cut` (C,) are the thresholds that ship; `unseen` has the ILLICIT scores of whole sources, by
    heads that never saw them.
    """

    items: Sequence[Example]
    scores: Floats
    flagged: Mask
    cut: Floats
    unseen: Mapping[str, Floats]

    def of(self, name: str, label: str) -> tuple[Mask, Floats]:
        """Which texts are of a source and know the label (n,), and its truth (n,)."""
        truth = np.array([e.labels.get(label, -1) for e in self.items])
        return np.array([e.source == name for e in self.items]) & (truth >= 0), truth


def report(found: Scored) -> list[str]:
    """One line each."""
    return [*_ranking(found), *_flagging(found), *_lowered(found), *_unseen(found)]


def _ranking(found: Scored) -> Iterator[str]:
    sources = sorted({e.source for e in found.items})
    for column, label in enumerate(LABELS):
        for name in sources:
            rows, truth = found.of(name, label)
            if 0 < (truth[rows] == 1).sum() < rows.sum():
                figure = _auprc(found.scores[rows, column], truth[rows])
                yield f"five folds, {label} on {name}: AUPRC {figure}"


def _flagging(found: Scored) -> Iterator[str]:
    blocked: Mask = np.asarray(found.flagged.any(axis=1))
    for name in _ORDINARY:
        rows = np.array([e.source == name for e in found.items])
        yield f"five folds, flagged of {name}: {_share(blocked[rows])}"
    for name in _REQUESTS:
        rows, truth = found.of(name, ILLICIT)
        if (rows & (truth == 0)).any():
            yield f"five folds, refused of harmless {name}: {_share(blocked[rows & (truth == 0)])}"
        yield f"five folds, passed of harmful {name}: {_share(~blocked[rows & (truth == 1)])}"


def _lowered(found: Scored) -> Iterator[str]:
    """What is found of harm alone, by the thresholds that ship and by those that strict lowers."""
    harms = [column for column, label in enumerate(LABELS) if label != ILLICIT]
    floors = floors_of(load_policy("strict"))
    floor = [floors.get(("answer", LABELS[column]), 1.0) for column in harms]
    own = found.flagged[:, harms]
    rows, truth = found.of("openai", ANY)
    for policy, said in (("balanced", own), ("strict", own | (found.scores[:, harms] >= floor))):
        caught: Mask = np.asarray(said.any(axis=1))
        texts = {"harmful openai": rows & (truth == 1), "harmless openai": rows & (truth == 0)}
        texts |= {name: np.array([e.source == name for e in found.items]) for name in _SAFE}
        for name, mine in texts.items():
            yield f"five folds, {policy}, harm found in {name}: {_share(caught[mine])}"


def _unseen(found: Scored) -> Iterator[str]:
    """ILLICIT alone, at the threshold that ships."""
    cut = found.cut[LABELS.index(ILLICIT)]
    for name, scores in found.unseen.items():
        rows, truth = found.of(name, ILLICIT)
        said, harmful = scores >= cut, truth[rows] == 1
        if 0 < harmful.sum() < len(harmful):
            yield f"source left out, ILLICIT on {name}: AUPRC {_auprc(scores, truth[rows])}"
            yield f"source left out, refused of harmless {name}: {_share(said[~harmful])}"
        yield f"source left out, passed of harmful {name}: {_share(~said[harmful])}"


def _auprc(scores: Floats, truth: Floats) -> Estimate:
    columns = {"score": scores, "truth": truth.astype(float)}
    return estimate(_AUPRC, Table(columns, np.arange(len(scores))), resamples=1000)


def _share(said: Mask) -> Estimate:
    return rate(int(said.sum()), len(said))


def curves(found: Scored) -> str:
    """The price in harmless texts of catching harmful ones, as a picture that stands alone."""
    rows, truth = found.of("refusal-xstest", ILLICIT)
    column = LABELS.index(ILLICIT)
    harmless = found.scores[rows & (truth == 0), column]
    drawn = []
    for name in _REQUESTS:
        mine, known = found.of(name, ILLICIT)
        harmful = found.scores[mine & (known == 1), column]
        drawn.append(_line(name.partition("-")[2], harmful, harmless))
    title = "Harmful requests refused, against harmless look-alikes refused (XSTest), five folds"
    axes = Axes("harmless look-alikes refused", "harmful requests refused", (0.0, 0.3))
    return standalone(lines(title, axes, drawn))


def _line(name: str, harmful: Floats, harmless: Floats) -> Line:
    cuts = np.append(np.sort(harmless)[::-1], 0.0)
    share = np.array([(harmless >= cut).mean() for cut in cuts])
    return Line(name, share, np.array([(harmful >= cut).mean() for cut in cuts]), step=True)
