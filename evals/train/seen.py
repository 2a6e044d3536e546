"""Writes evals/train/seen.npz: hashes of every case that shipped weights were trained on.

    python -m evals.train.seen DATA_DIR

To be run after any of the training scripts; whole files are marked even where a script samples.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

from evals.seen import SEEN, TRAINED, fingerprint
from evals.train.fit import read_cases
from evals.train.grounding import TRAIN as GROUNDING
from evals.train.injection import ALLOWED, ALLOWED_ATTACKS
from evals.train.moderation_texts import OTHERS, REFUSALS

INJECTIONS = ("deepset", "piguard", "mix")
# Which suites read weights that were trained on a file of this kind.
AFFECTED = {
    "moderation": ("moderation", "refusal"),
    "refusal": ("refusal", "injection"),
    "injection": ("injection", "refusal"),
    "grounding": ("grounding",),
    "qa": ("qa",),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    marks = collect(parser.parse_args().data / "cases")
    arrays = {suite: np.array(sorted(marks[suite]), np.uint64) for suite in TRAINED}
    with SEEN.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    print(f"wrote {SEEN}: " + ", ".join(f"{s} {len(a)}" for s, a in arrays.items()))


def collect(cases: Path) -> defaultdict[str, set[int]]:
    """Hashes by suite."""
    marks: defaultdict[str, set[int]] = defaultdict(set)
    names = [
        *(f"moderation-{name}" for name in ("openai", *OTHERS)),
        *(f"refusal-{name}" for name in REFUSALS),
        *(f"injection-{name}" for name in INJECTIONS),
        *(f"grounding-{name}" for name in GROUNDING),
        "qa-squad",
    ]
    for name in names:
        kind = name.split("-")[0]
        for row in read_cases(cases / f"{name}.jsonl.gz"):
            if kind == "injection" and row["source"] not in ALLOWED + ALLOWED_ATTACKS:
                continue
            for suite in AFFECTED[kind]:
                marks[suite].add(fingerprint(suite, row))
    return marks


if __name__ == "__main__":
    main()
