"""Query terms and fusion as tables; groups and completeness with a small index."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.testing import HashEmbedder
from ingest.types import Hit, StoredChunk, Vectors
from rag.config import RetrieveConfig
from rag.retrieve import Retriever, fuse, query_terms


@pytest.mark.parametrize(
    ("question", "terms"),
    [
        ("What does error E-42 mean?", ["error", "E-42", "mean"]),
        ("Is it on?", ["Is", "it", "on"]),
        ("leave Leave LEAVE", ["leave"]),
        ("v1.2 of the TG-200/3", ["v1.2", "TG-200/3"]),
        ("naïve Straße 北京", ["naïve", "Straße", "北京"]),
        ("  ?!  ", []),
    ],
)
def test_query_terms(question: str, terms: list[str]) -> None:
    assert query_terms(question, 32) == terms


def test_a_long_question_keeps_its_codes() -> None:
    words = [f"word{chr(97 + i % 26)}{'x' * (i % 5)}" for i in range(300)]
    terms = query_terms(" ".join([*words, "BD-40", "Skarra"]), 16)
    assert len(terms) == 16
    assert {"BD-40", "Skarra"} <= set(terms)


@given(
    st.dictionaries(st.integers(0, 50), st.floats(-1, 1), min_size=1),
    st.floats(0, 1),
)
def test_fused_scores_are_bounded_and_sorted(dense: dict[int, float], weight: float) -> None:
    lexical = {row: abs(score) * 9 for row, score in dense.items() if row % 2}
    fused = fuse(dense, lexical, weight)
    scores = [item.score for item in fused]
    assert sorted(scores, reverse=True) == scores
    assert all(-1e-9 <= score <= 1 + 1e-6 for score in scores)
    assert {item.row for item in fused} == set(dense)


def test_without_a_word_in_common_meaning_decides_alone() -> None:
    assert [item.row for item in fuse({1: 0.2, 2: 0.9}, {}, 0.1)] == [2, 1]


class ListIndex:
    """Chunks in memory; groups as the knowledge base applies them."""

    def __init__(self, texts: Sequence[str], groups: Sequence[frozenset[str]]) -> None:
        self.embedder = HashEmbedder()
        self.texts = list(texts)
        self.groups = list(groups)
        self.vectors = self.embedder.embed(self.texts)

    def _seen(self, row: int, groups: frozenset[str]) -> bool:
        return not self.groups[row] or bool(self.groups[row] & groups)

    def dense(self, vector: Vectors, k: int, groups: frozenset[str]) -> list[Hit]:
        rows = [row for row in range(len(self.texts)) if self._seen(row, groups)]
        hits = [Hit(row, float(self.vectors[row] @ vector)) for row in rows]
        return sorted(hits, key=lambda hit: -hit.score)[:k]

    def lexical(
        self,
        terms: Sequence[str],
        k: int,
        groups: frozenset[str],
        rows: Sequence[int] | None = None,
    ) -> list[Hit]:
        wanted = {term.lower() for term in terms}
        hits = []
        for row, text in enumerate(self.texts):
            score = len(wanted & set(text.lower().split()))
            if score and self._seen(row, groups) and (rows is None or row in rows):
                hits.append(Hit(row, float(score)))
        return sorted(hits, key=lambda hit: -hit.score)[:k]

    def similarity(self, vector: Vectors, rows: Sequence[int]) -> list[float]:
        return [float(np.dot(self.vectors[row], vector)) for row in rows]

    def families(self, rows: Sequence[int]) -> dict[int, int]:
        return {}

    def chunks(self, rows: Sequence[int]) -> list[StoredChunk]:
        return [
            StoredChunk(
                r,
                f"c{r}",
                f"d{r}",
                f"d{r}.md",
                f"T{r}",
                0,
                len(self.texts[r]),
                self.texts[r],
                (),
                None,
                self.groups[r],
            )
            for r in rows
        ]


def test_best_first_with_parts() -> None:
    index = ListIndex(["cats purr", "dogs bark loudly", "fish swim"], [frozenset()] * 3)
    found = Retriever(index, index.embedder, RetrieveConfig()).retrieve("dogs bark")
    assert found[0].text == "dogs bark loudly"
    assert [p.rank for p in found] == [1, 2, 3]
    assert found[0].lexical == 2.0
    assert 0 < found[0].dense <= 1


@given(st.data())
def test_no_passage_outside_the_askers_groups(data: st.DataObject) -> None:
    names = st.frozensets(st.sampled_from("abcd"), max_size=3)
    groups = data.draw(st.lists(names, min_size=1, max_size=12))
    asker = data.draw(names)
    index = ListIndex([f"word{i} ferry" for i in range(len(groups))], groups)
    for passage in Retriever(index, index.embedder, RetrieveConfig()).retrieve("ferry", asker):
        assert not passage.groups or passage.groups & asker
