"""A policy's thresholds reach the learned filters: they report what they would have kept quiet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from ingest.testing import HashEmbedder
from ingest.types import Vectors
from rag.safety.build import build_guard
from rag.safety.classifiers.filter import ClassifierFilter
from rag.safety.features import BUCKETS, CachedVectors
from rag.safety.floors import NO_FLOORS, Floors, floors_of, reported_from
from rag.safety.heads import Heads
from rag.safety.injection import DOCUMENT, InjectionFilter
from rag.safety.moderation import ANY, ModerationFilter
from rag.safety.policy import INJECTION, MODERATION, STAGES, load_policy
from rag.safety.policy_file import parse_policy
from rag.safety.rules import Policy, Rule
from rag.safety.shipped import build_moderation, version
from rag.types import Decision, Filter, Stage

TEXT = "A fine day. This is poison. Another fine day."
LIKELY = 0.6
OWN = 0.7
Make = Callable[[Floors], Filter]


def embed(texts: Sequence[str]) -> Vectors:
    return np.array([["poison" in text] for text in texts], np.float32)


def quiet(*labels: str) -> Heads:
    """Heads that find poison LIKELY, and report from OWN."""
    count = len(labels)
    logit = np.log(LIKELY / (1 - LIKELY))
    return Heads(
        labels=labels,
        dense=np.full((count, 1), logit + 9, np.float32),
        sparse=np.zeros((count, BUCKETS), np.float32),
        bias=np.full(count, -9, np.float32),
        thresholds=np.full(count, OWN, np.float32),
        gate=np.zeros(BUCKETS, np.float32),
        gate_threshold=-1.0,
        embedder="0" * 64,
    )


class Told:
    identity = "told"
    thresholds: Mapping[str, float] = {"HATE": OWN}

    def classify(self, texts: Sequence[str], stage: Stage) -> list[Mapping[str, float]]:
        return [{"HATE": LIKELY if "poison" in text else 0.0} for text in texts]


FILTERS: Mapping[str, Make] = {
    "HATE": lambda floors: ModerationFilter(quiet("HATE", ANY), embed, floors),
    INJECTION: lambda floors: InjectionFilter(quiet(INJECTION, DOCUMENT), embed, floors),
    "told HATE": lambda floors: ClassifierFilter("moderation", Told(), floors=floors),
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("case", FILTERS)
def test_a_lower_score_counts_where_the_policy_names_one(case: str, stage: Stage) -> None:
    label, make = case.split()[-1], FILTERS[case]
    other: Stage = "answer" if stage != "answer" else "passage"
    assert make(NO_FLOORS).find(TEXT, stage) == []
    assert make({(other, label): 0.5}).find(TEXT, stage) == []
    assert make({(stage, label): 0.65}).find(TEXT, stage) == []
    found = make({(stage, label): 0.5}).find(TEXT, stage)
    assert found
    assert {finding.label for finding in found} == {label}
    assert all("poison" in TEXT[f.start : f.end] for f in found)


@pytest.mark.parametrize(("floor", "expected"), [(0.3, 0.3), (0.9, OWN), (None, OWN)])
def test_the_lower_threshold_decides_what_is_reported(floor: float | None, expected: float) -> None:
    floors = {} if floor is None else {("answer", "HATE"): floor}
    assert reported_from(OWN, floors, "answer", "HATE") == expected


def test_a_rule_without_a_threshold_leaves_it_to_the_filter() -> None:
    rules = {("answer", "HATE"): Rule("block"), ("answer", "SEXUAL"): Rule("block", 0.4)}
    assert floors_of(Policy(rules)) == {("answer", "SEXUAL"): 0.4}


def test_what_was_found_in_passages_by_other_thresholds_is_not_taken_for_it() -> None:
    embedder = HashEmbedder()
    found = FILTERS["HATE"](NO_FLOORS)
    same: Floors = {("answer", "HATE"): 0.3, ("passage", INJECTION): 0.3}
    lower: Floors = {("passage", "HATE"): 0.3}
    plain = version(found, embedder)
    assert version(found, embedder, floors=same) == plain
    assert version(found, embedder, floors=lower) != plain


def test_strict_hears_of_harm_that_balanced_does_not() -> None:
    balanced, strict = floors_of(load_policy("balanced")), floors_of(load_policy("strict"))
    for stage in STAGES:
        assert not any((stage, label) in balanced for label in MODERATION)
        assert all(strict[stage, label] == 0.4 for label in MODERATION)


@pytest.mark.models
def test_the_real_heads_under_a_policy_of_ones_own(embedder_path: Path) -> None:
    from evals.train.tools import load_embedder

    embedder = load_embedder(embedder_path)
    shipped = build_moderation(embedder, CachedVectors(embedder))
    assert isinstance(shipped, ModerationFilter)
    text = "What a lazy lot you are."
    likely = shipped.scores(text)["HARASSMENT"]
    assert 0.05 < likely < shipped.thresholds["HARASSMENT"]
    for threshold, decision in ((likely - 0.01, Decision.BLOCK), (likely + 0.01, Decision.ALLOW)):
        said = f'[question]\nHARASSMENT = {{ action = "block", threshold = {threshold} }}'
        guard = build_guard(None, embedder, parse_policy(said.encode(), "ours.toml"))
        assert guard.check(text, "question").decision is decision
