"""Follow-up questions: does search find what they mean? On conversations that people had.

`rewrite-cast` holds follow-ups with a rewrite by hand that stands alone, `qa-mtrag` ones with the
documents that answer them. `switch` puts questions that stand alone after two on another page: what
is lost there, a change of topic costs. The way that ships was chosen on one half of the clusters;
its figures are those of the other.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from evals.cases import open_cases
from evals.compare import Comparison, compare
from evals.documents import Names
from evals.metrics import Metric, estimate, mean, ratio, share, table
from evals.stats.ranking import ndcg_at, recall_at
from evals.suites.base import require_text
from evals.suites.retrieval import read_history
from evals.types import Case, Score, ScoredCase
from ingest.build import ingest
from ingest.embed import CachedEmbedder
from ingest.errors import SurefootError
from ingest.store import KnowledgeBase
from rag.assemble import open_bulk_embedder, open_plain_embedder
from rag.claims import content_words
from rag.config import RetrieveConfig
from rag.followup import FollowUp, follow_up
from rag.retrieve import Retriever
from rag.types import Message

SWITCHES = 200
CUT = 10
_REMEMBERED = 4096
_MOST_PASSAGES = 12
_POINTS_BACK = re.compile(
    r"\b(?:it|its|they|them|their|he|him|his|she|her|this|that|these)\b", re.I
)

Say = Callable[[str], None]
Way = Callable[[str, Sequence[Message]], FollowUp]


@dataclass(frozen=True, slots=True)
class Turn:
    """A question in its conversation, and the documents that answer it or its rewrite by hand."""

    id: str
    cluster: str
    question: str
    history: tuple[Message, ...]
    relevant: tuple[str, ...] = ()
    rewrite: str = ""


def alone(question: str, history: Sequence[Message]) -> FollowUp:
    """The question as it is."""
    del history
    return FollowUp(question)


def joined(question: str, history: Sequence[Message]) -> FollowUp:
    """The user's last question before one that points back or names little."""
    asked = [turn.content for turn in history if turn.role == "user"]
    back = _POINTS_BACK.search(question) or len(content_words(question)) <= 3
    return (
        FollowUp(f"{asked[-1]} {question}", leans=True) if asked and back else alone(question, ())
    )


WAYS: Mapping[str, Way] = {"alone": alone, "last before": joined, "shipped": follow_up}


def held_out(cluster: str) -> bool:
    """Was nothing chosen on this cluster? By the parity of its hash."""
    return int(hashlib.sha256(cluster.encode()).hexdigest(), 16) % 2 == 1


def rewrites(path: Path) -> list[Turn]:
    """Turns after the first, of `rewrite-cast`, whose history is a list of the user's questions."""

    def check(row: Mapping[str, Any]) -> None:
        require_text(row, "query", "rewrite")

    cases = [case for case in open_cases([path], check).read() if case.row["history"]]
    return [
        Turn(
            case.id,
            str(case.row.get("cluster") or case.id.rpartition("_")[0]),
            case.row["query"],
            tuple(Message("user", text) for text in case.row["history"]),
            rewrite=case.row["rewrite"],
        )
        for case in cases
    ]


def conversations(path: Path) -> list[Turn]:
    """Turns after the first that some document answers."""
    turns = (_turn(case) for case in _asked(path))
    return [turn for turn in turns if turn.history and turn.relevant]


def switches(path: Path) -> list[Turn]:
    """Questions that stand alone, after two about the page of the question half a file away."""
    turns = [_turn(case) for case in _asked(path)]
    made = []
    for at, turn in enumerate(turns[:SWITCHES]):
        far = turns[(at + len(turns) // 2) % len(turns)]
        page = [other for other in turns if other.cluster == far.cluster]
        if far.cluster != turn.cluster:
            history = tuple(Message("user", other.question) for other in page[:2])
            made.append(Turn(turn.id, turn.cluster, turn.question, history, turn.relevant))
    return made


def _asked(path: Path) -> Iterator[Case]:
    def check(row: Mapping[str, Any]) -> None:
        require_text(row, "query")
        read_history(row)

    return open_cases([path], check).read()


def _turn(case: Case) -> Turn:
    row = case.row
    relevant = tuple(row.get("relevant") or ())
    return Turn(case.id, case.cluster, row["query"], read_history(row), relevant)


def rewriting(turns: Sequence[Turn], way: Way) -> list[ScoredCase]:
    """Is it seen that a turn needs its history, and are the words added that people added?"""
    return [_kept(turn, _rewritten(turn, way(turn.question, turn.history))) for turn in turns]


def _rewritten(turn: Turn, made: FollowUp) -> dict[str, float | None]:
    said = content_words(turn.question)
    wanted = content_words(turn.rewrite) - said
    added = content_words(made.searched) - said
    return {
        "right": float(made.leans == bool(wanted)),
        "wanted": float(len(wanted)),
        "added": float(len(added)),
        "both": float(len(wanted & added)),
    }


def searching(
    turns: Sequence[Turn], way: Way, retriever: Retriever, names: Names
) -> list[ScoredCase]:
    """nDCG@10 and recall@10 of each turn, ranked by document."""
    scores = []
    for turn in turns:
        made = way(turn.question, turn.history)
        found = retriever.retrieve(made.question, top=_MOST_PASSAGES, topic=made.topic)
        ranked = [name for p in found for name in (p.document, *p.also)]
        wanted = {names.resolve(name) for name in turn.relevant}
        values = {
            "ndcg@10": ndcg_at(ranked, wanted, CUT),
            "recall@10": recall_at(ranked, wanted, CUT),
        }
        scores.append(_kept(turn, values))
    return scores


def _kept(turn: Turn, values: Mapping[str, float | None]) -> ScoredCase:
    return ScoredCase(Score(turn.id, turn.cluster, "scored", values), turn.id, {})


REWRITING = (
    share("need seen", "right"),
    ratio("words precision", "both", "added"),
    ratio("words recall", "both", "wanted"),
)
SEARCHING = (mean("ndcg@10", "ndcg@10"), mean("recall@10", "recall@10"))


def markdown(
    name: str, metrics: Sequence[Metric], scores: Mapping[str, Sequence[ScoredCase]]
) -> list[str]:
    """A table with a line a way; differences are to the question alone."""
    first, *others = scores
    lines = [_line([name, *(metric.name for metric in metrics), "less alone"])]
    lines.append(_line(["---", *["---:"] * (len(metrics) + 1)]))
    for way, cases in scores.items():
        columns = table([case.score for case in cases])
        cells = [str(estimate(metric, columns)) for metric in metrics]
        last = compare(metrics, scores[first], cases).comparisons[0] if way in others else None
        lines.append(_line([way, *cells, _difference(last)]))
    return [*lines, ""]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _difference(found: Comparison | None) -> str:
    if found is None or found.difference is None or found.low is None or found.high is None:
        return ""
    return f"{found.metric} {found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


def searched(name: str, turns: Sequence[Turn], corpus: Path, say: Say) -> list[str]:
    """The corpus ingested, and a table of searching in it. Raises SurefootError."""
    with TemporaryDirectory(prefix="surefoot-followups-") as folder:
        say(f"ingesting {corpus.name}")
        report = ingest([corpus], Path(folder), open_bulk_embedder())
        if report.failed:
            raise SurefootError(f"{report.failed[0].path}: {report.failed[0].reason}")
        names = Names.of(Path(folder))
        embedder = CachedEmbedder(open_plain_embedder(), _REMEMBERED)
        with closing(KnowledgeBase.open(Path(folder), embedder)) as base:
            retriever = Retriever(base, embedder, RetrieveConfig())
            scores = {}
            for label, way in WAYS.items():
                say(f"{name}, {label}: {len(turns)} turns")
                scores[label] = searching(turns, way, retriever, names)
    return markdown(name, SEARCHING, scores)


def run(data: Path, say: Say, whole: bool = False) -> list[str]:
    """The tables' lines, on the clusters held out, or on all. Raises SurefootError, OSError."""

    def kept(turns: Sequence[Turn]) -> list[Turn]:
        return [turn for turn in turns if whole or held_out(turn.cluster)]

    cases, corpora = data / "cases", data / "corpora"
    cast = kept(rewrites(cases / "rewrite-cast.jsonl.gz"))
    lines = markdown("rewrite-cast", REWRITING, {k: rewriting(cast, w) for k, w in WAYS.items()})
    mtrag = kept(conversations(cases / "qa-mtrag.jsonl.gz"))
    lines += searched("qa-mtrag", mtrag, corpora / "mtrag.jsonl.gz", say)
    squad = kept(switches(cases / "retrieval-squad.jsonl.gz"))
    return lines + searched("switch (squad)", squad, corpora / "squad.jsonl.gz", say)


def main() -> None:
    """`python -m evals.bench.followups DATA_DIR [--all]`: DATA_DIR has `cases` and `corpora`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--all", action="store_true", help="with the clusters it was chosen on")
    given = parser.parse_args()
    try:
        lines = run(given.data, _say, given.all)
    except (SurefootError, OSError, ValueError) as error:
        sys.exit(str(error))
    print("\n".join(lines))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
