"""The share of meaning in the fused score, chosen on development questions.

    python -m evals.train.fusion DATA_DIR KB_DIR

Ingests each corpus of DATA_DIR/corpora that has retrieval cases into KB_DIR (kept for the next
time), asks every question at every weight, and prints nDCG@10 by set, the best weight over all, and
for each set what the weight chosen on the others comes to. RetrieveConfig holds the choice.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from evals.documents import Names
from evals.stats.ranking import ndcg_at
from evals.train.fit import read_cases
from ingest.build import ingest
from ingest.embed import CachedEmbedder
from ingest.store import KnowledgeBase
from rag.assemble import open_bulk_embedder, open_plain_embedder
from rag.config import RetrieveConfig
from rag.retrieve import Retriever

WEIGHTS = (0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7)
DEPTH = 10
# Enough that ten documents are among the chunks.
CHUNKS = 40
REMEMBERED = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("bases", type=Path)
    given = parser.parse_args()
    found: dict[str, list[float]] = {}
    for cases in sorted((given.data / "cases").glob("retrieval-*.jsonl.gz")):
        name = cases.name.removeprefix("retrieval-").removesuffix(".jsonl.gz")
        kb = given.bases / name
        ingest([given.data / "corpora" / f"{name}.jsonl.gz"], kb, open_bulk_embedder())
        found[name] = by_weight(kb, cases)
        print(f"{name}: done", flush=True)
    print("\n".join(lines(found)))


def by_weight(kb: Path, cases: Path) -> list[float]:
    """Mean nDCG@10 at each of WEIGHTS."""
    embedder = CachedEmbedder(open_plain_embedder(), REMEMBERED)
    names, base = Names.of(kb), KnowledgeBase.open(kb, embedder)
    rows = [(row["query"], row["relevant"]) for row in read_cases(cases)]
    asked = [(query, {names.resolve(name) for name in relevant}) for query, relevant in rows]
    means = []
    for weight in WEIGHTS:
        retriever = Retriever(base, embedder, RetrieveConfig(dense_weight=weight))
        scores = [ndcg_at(ranked(retriever, query), gold, DEPTH) for query, gold in asked]
        means.append(fmean(score for score in scores if score is not None))
    base.close()
    return means


def ranked(retriever: Retriever, query: str) -> list[str]:
    """The first ten documents."""
    passages = retriever.retrieve(query, top=CHUNKS)
    names = dict.fromkeys(name for p in passages for name in (p.document, *p.also))
    return list(names)[:DEPTH]


def lines(found: Mapping[str, Sequence[float]]) -> list[str]:
    """The table, and what choosing on the other sets costs each set."""
    heads = [f"{weight:>6}" for weight in WEIGHTS]
    rows = [f"{name:<12}" + "".join(f"{score:6.3f}" for score in found[name]) for name in found]
    means = [fmean(scores) for scores in zip(*found.values(), strict=True)]
    best = WEIGHTS[means.index(max(means))]
    left_out = [f"{name}: {_left_out(name, found)}" for name in found]
    return [
        " " * 12 + "".join(heads),
        *rows,
        f"{'mean':<12}" + "".join(f"{mean:6.3f}" for mean in means),
        f"best over all: {best}; chosen on the other sets, " + "; ".join(left_out),
    ]


def _left_out(name: str, found: Mapping[str, Sequence[float]]) -> str:
    others = [scores for other, scores in found.items() if other != name]
    means = [fmean(scores) for scores in zip(*others, strict=True)]
    place = means.index(max(means))
    return f"{WEIGHTS[place]} gives {found[name][place]:.3f}"


if __name__ == "__main__":
    main()
