"""Measures of rankings against trec_eval's own code, and by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.stats.ranking import mrr_at, ndcg_at, recall_at

DOCUMENTS = [f"d{i:02}" for i in range(30)]
RANKINGS = st.permutations(DOCUMENTS).flatmap(
    lambda all_: st.integers(0, 30).map(lambda n: all_[:n])
)
RELEVANT = st.sets(st.sampled_from([*DOCUMENTS, "unseen"]), min_size=1, max_size=15)


@settings(deadline=None)
@given(ranked=RANKINGS, relevant=RELEVANT)
@pytest.mark.parametrize("k", [1, 5, 10])
def test_trec_eval_says_the_same(k: int, ranked: list[str], relevant: set[str]) -> None:
    trec = pytest.importorskip("pytrec_eval", reason="trec_eval's binding is not installed")
    measures = {f"ndcg_cut.{k}", f"recall.{k}", "recip_rank"}
    judge = trec.RelevanceEvaluator({"q": dict.fromkeys(relevant, 1)}, measures)
    scores = {document: float(-place) for place, document in enumerate(ranked)}
    known = judge.evaluate({"q": scores or {"none": 0.0}})["q"]
    first = judge.evaluate({"q": dict(list(scores.items())[:k]) or {"none": 0.0}})["q"]
    assert ndcg_at(ranked, relevant, k) == pytest.approx(known[f"ndcg_cut_{k}"])
    assert recall_at(ranked, relevant, k) == pytest.approx(known[f"recall_{k}"])
    assert mrr_at(ranked, relevant, k) == pytest.approx(first["recip_rank"])


def test_by_hand() -> None:
    ranked, relevant = ["x", "a", "y", "b"], ["a", "b", "c"]
    best = 1 + 1 / math.log2(3) + 0.5
    assert ndcg_at(ranked, relevant, 10) == pytest.approx(
        (1 / math.log2(3) + 1 / math.log2(5)) / best
    )
    assert recall_at(ranked, relevant, 10) == pytest.approx(2 / 3)
    assert recall_at(ranked, relevant, 1) == 0
    assert mrr_at(ranked, relevant, 10) == 0.5
    assert mrr_at(ranked, relevant, 1) == 0


def test_a_document_counts_once() -> None:
    assert ndcg_at(["a", "a", "b"], ["a", "b"], 2) == 1.0
    assert recall_at(["a", "a"], ["a", "a"], 2) == 1.0


def test_nothing_relevant_is_nothing_to_measure() -> None:
    assert [measure(["a"], [], 10) for measure in (ndcg_at, recall_at, mrr_at)] == [None] * 3


def test_nothing_found_is_zero() -> None:
    assert [measure([], ["a"], 10) for measure in (ndcg_at, recall_at, mrr_at)] == [0.0] * 3
