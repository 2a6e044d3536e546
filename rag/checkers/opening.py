"""Published checkers put together: which reader and which scorer a name stands for."""

from __future__ import annotations

from functools import cache

from ingest.types import Embedder
from rag.checkers.cached import CachedChecker
from rag.checkers.claims import ClaimChecker, Scorer
from rag.checkers.judge import JudgeScorer, shipped_template
from rag.checkers.names import JUDGE, CheckerName
from rag.checkers.pairs import PairScorer
from rag.checkers.spans import SpanScorer
from rag.types import Engine

LETTUCE = "lettucedetect"


def open_published(name: CheckerName, embedder: Embedder) -> CachedChecker:
    """A checker of a model on this machine. Raises ConfigError."""
    checker = ClaimChecker(open_scorer(name), embedder)
    return CachedChecker(checker, str(name), jointly=name.kind == LETTUCE)


def open_judge(engine: Engine, embedder: Embedder) -> CachedChecker:
    """A checker that asks an engine, which nothing else may be using meanwhile."""
    template = shipped_template()
    checker = ClaimChecker(JudgeScorer(engine, template), embedder)
    return CachedChecker(checker, f"{JUDGE} {engine.sha256} {template.sha256}")


@cache
def open_scorer(name: CheckerName) -> Scorer:
    """A published model, one a process. Raises ConfigError."""
    if name.kind == LETTUCE:
        from rag.checkers.span_reader import open_lettucedetect

        return SpanScorer(open_lettucedetect(name.model))
    from rag.checkers import readers

    open_reader = {
        "hhem": readers.open_hhem,
        "minicheck": readers.open_minicheck,
        "nli": readers.open_nli,
    }[name.kind]
    return PairScorer(open_reader(name.model), singles=name.kind == "nli")
