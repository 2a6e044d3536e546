"""Retrieval: are the right documents found, and how high? Ranked by document, as trec_eval does.

A document stands where its best chunk does. `relevant` names documents by id, by path, or by the
end of a path; one that the knowledge base doesn't hold can't be found and counts against. A case
that names nothing relevant measures nothing, and is left out.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from evals.documents import Names
from evals.metrics import Metric, Table, mean
from evals.pins import code_hash, embedder_pin, index_hash, policy_hash
from evals.stats.ranking import mrr_at, ndcg_at, recall_at
from evals.suites.base import Options, require_text, require_texts, scored, unscored
from evals.types import Case, Outcome, Pins, Score
from rag.errors import ConfigError
from rag.followup import follow_up
from rag.types import Message

if TYPE_CHECKING:
    from rag.retrieve import Retriever

DEPTH = 100
_MOST_CHUNKS = 1600
_REMEMBERED = 16


class RetrievalSubject:
    """Search as `surefoot search` does it, deep enough for a hundred documents."""

    def __init__(self, retriever: Retriever, names: Names, groups: frozenset[str]) -> None:
        self._retriever = retriever
        self._names = names
        self._groups = groups

    def run(self, cases: Sequence[Case], cancel: Event) -> list[Outcome]:
        return [self._search(case) for case in cases if not cancel.is_set()]

    def _search(self, case: Case) -> Outcome:
        began = time.perf_counter()
        asked = follow_up(case.row["query"], read_history(case.row))
        documents = self._ranked(asked.question, asked.topic)
        ms = (time.perf_counter() - began) * 1000
        relevant = [self._names.resolve(name) for name in case.row["relevant"]]
        return Outcome({"query": asked.searched, "documents": documents, "relevant": relevant}, ms)

    def _ranked(self, query: str, topic: str) -> list[str]:
        """At least DEPTH distinct documents if there are so many; the first as search ranks them.

        Deeper searches have other candidates and so may rank differently: they only add to the end.
        """
        top, found = DEPTH, dict[str, None]()
        while True:
            passages = self._retriever.retrieve(query, self._groups, top, topic=topic)
            # A near-duplicate that gave up its place was found there.
            names = [name for p in passages for name in (p.document, *p.also)]
            found |= dict.fromkeys(name for name in names if name not in found)
            places = sum(1 + len(p.also) for p in passages)
            if len(found) >= DEPTH or places < top or top >= _MOST_CHUNKS:
                return list(found)[:DEPTH]
            top *= 2


class RetrievalSuite:
    """Fields `query`, `relevant`: [document ids or paths], `history`?"""

    name = "retrieval"
    fields = ("query", "relevant", "history")
    batch = 8

    def check(self, row: Mapping[str, Any]) -> None:
        require_text(row, "query")
        require_texts(row, "relevant")
        read_history(row)

    def pins(self, options: Options) -> Pins:
        return Pins(
            self.name,
            embedder_pin(),
            index=index_hash(require_kb(options)),
            policy=policy_hash(options.config, options.groups),
            code=code_hash(),
        )

    def open(self, options: Options) -> RetrievalSubject:
        from ingest.embed import CachedEmbedder
        from rag.assemble import open_plain_embedder, open_retriever

        kb = require_kb(options)
        # A query is embedded by itself, as in a search, and once however deep the search goes.
        embedder = CachedEmbedder(open_plain_embedder(), _REMEMBERED)
        retriever = open_retriever(kb, options.config, embedder)
        return RetrievalSubject(retriever, Names.of(kb), options.groups)

    def score(self, case: Case, outcome: Outcome) -> Score:
        if not case.row["relevant"]:
            reason = "names no relevant document, so there is nothing to find"
            return Score(case.id, case.cluster, "abstained", {}, reason)
        if outcome.reason:
            return unscored(case, outcome, _values([], case.row["relevant"]))
        return scored(case, _values(outcome.data["documents"], outcome.data["relevant"]))

    def metrics(self, table: Table) -> Sequence[Metric]:
        del table
        return [mean(name, name) for name in ("ndcg@10", "recall@10", "recall@100", "mrr@10")]


def read_history(row: Mapping[str, Any]) -> tuple[Message, ...]:
    """The earlier turns of a case. Raises ValueError."""
    turns = row.get("history") or []
    if not isinstance(turns, list):
        raise ValueError("field 'history' is not a list of turns")
    for turn in turns:
        sound = isinstance(turn, dict) and turn.get("role") in ("system", "user", "assistant")
        if not sound or not isinstance(turn.get("content"), str):
            raise ValueError("field 'history' holds a turn without role and content")
    return tuple(Message(turn["role"], turn["content"]) for turn in turns)


def require_kb(options: Options) -> Path:
    if options.kb is None:
        raise ConfigError("kb", "this suite needs a knowledge base: give --kb DIR")
    return options.kb


def _values(documents: Sequence[str], relevant: Sequence[str]) -> dict[str, float | None]:
    wanted = frozenset(relevant)
    return {
        "ndcg@10": ndcg_at(documents, wanted, 10),
        "recall@10": recall_at(documents, wanted, 10),
        "recall@100": recall_at(documents, wanted, 100),
        "mrr@10": mrr_at(documents, wanted, 10),
    }


SUITE = RetrievalSuite()
