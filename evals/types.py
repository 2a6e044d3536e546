"""What an evaluation passes around: cases, outcomes, scores, estimates. All frozen. A leaf.

A case goes to the subject (the thing under test), which gives an outcome; a scorer turns both into
a score; metrics are computed over all scores. Outcomes are JSON: they are what a run keeps on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import Any, Literal, Protocol

Json = Mapping[str, Any]
Status = Literal["scored", "abstained", "unscored"]
Better = Literal["higher", "lower", "neither"]


@dataclass(frozen=True, slots=True)
class Case:
    """One line of a case file. `sha256` is the hash of its content, `row` the line as read.

    Cases of one `cluster` share a source: they are resampled together.
    """

    id: str
    cluster: str
    row: Json
    sha256: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the subject did with a case. With a `reason` it failed, and `data` is empty.

    `data` is JSON, and but for times in it depends on the case alone; `ms` is the time it took.
    """

    data: Json
    ms: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """What one case contributes. `values` are the columns that metrics read; None: not applicable.

    A case that is "unscored" has the values that count against the subject, and says why.
    """

    id: str
    cluster: str
    status: Status
    values: Mapping[str, float | None]
    reason: str = ""


Scorer = Callable[[Case, Outcome], Score]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval over `n` units. Without any it is None, not 0 and not NaN."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    method: str = ""

    def __str__(self) -> str:
        if self.value is None:
            return f"no cases (n={self.n})"
        if self.low is None or self.high is None:
            return f"{self.value:.3f} n={self.n}"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}] n={self.n}"


class Subject(Protocol):
    """The thing under test, loaded. One outcome a case, in order; `cancel` asks it to stop."""

    def run(self, cases: Sequence[Case], cancel: Event) -> list[Outcome]: ...


@dataclass(frozen=True, slots=True)
class Pins:
    """What identifies a run's subject: same pins and same case, same outcome.

    `model`, `template`, `index`, `policy` and `code` are hashes or names; "" where not used.
    """

    suite: str
    model: str = ""
    template: str = ""
    index: str = ""
    policy: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What was run: enough to say whether two runs may be compared, and how. Holds no times.

    `sources` are (file name, sha256) of the case files; `n` is how many cases were chosen of them.
    """

    pins: Pins
    sources: tuple[tuple[str, str], ...]
    n: int
    sample: int | None
    seed: int
    settings: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScoredCase:
    """A line of a run's scores: the score, the case's content hash and its fields to slice by."""

    score: Score
    sha256: str
    slices: Mapping[str, str]
