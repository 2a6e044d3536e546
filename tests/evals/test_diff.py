"""Two runs side by side: which cases turned, worst first, and what differs in what was run."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Protocol

import pytest

from evals.diff import as_json, diff_runs, render
from evals.errors import RunError
from evals.report.outline import outline
from evals.report.standing import standing
from evals.report.words import SUITES
from evals.rundir import Run
from evals.types import Outcome, Score

Made = tuple[dict[str, Any], dict[str, Any]]


class MakeRun(Protocol):
    def __call__(self, suite: str, folder: Path, **options: Any) -> Run: ...


@pytest.mark.parametrize("suite", sorted(SUITES))
def test_a_run_against_itself_turns_nothing(suite: str, tmp_path: Path, make_run: MakeRun) -> None:
    a, b = make_run(suite, tmp_path / "a"), make_run(suite, tmp_path / "b")
    diff = diff_runs(a, b)
    counts = diff.counts
    assert (counts.better, counts.worse, counts.same, counts.other_outcome) == (0, 0, 60, 0)
    assert diff.differences == ()
    assert diff.turned == ()
    assert "Both ran the same thing." in list(render(diff))


@pytest.mark.parametrize("suite", sorted(SUITES))
def test_swapping_the_runs_swaps_better_and_worse(
    suite: str, tmp_path: Path, make_run: MakeRun
) -> None:
    a = make_run(suite, tmp_path / "a")
    b = make_run(suite, tmp_path / "b", bend=other_outcomes(suite))
    there, back = diff_runs(a, b, top=100), diff_runs(b, a, top=100)
    assert there.counts.worse == back.counts.better
    assert there.counts.better == back.counts.worse
    assert there.counts.worse + there.counts.better == len(there.turned)
    assert {t.id for t in there.turned} == {t.id for t in back.turned}
    json.dumps(as_json(there), allow_nan=False)
    assert all(line.isprintable() for line in render(there))


def other_outcomes(suite: str) -> Any:
    """Every third outcome is that of the case three places before; rows stay as they are."""
    seen: list[dict[str, Any]] = []

    def bend(i: int, row: dict[str, Any], data: dict[str, Any]) -> Made:
        seen.append(data)
        if suite == "retrieval":
            return row, {**data, "documents": data["documents"][:: 1 - 2 * (i % 3 == 0)]}
        return row, seen[i - 3] if i % 3 == 0 and i >= 3 and suite != "grounding" else data

    return bend


def worse_prompt(i: int, row: dict[str, Any], data: dict[str, Any]) -> Made:
    """Cases 10 and 12 now answer wrong, and 16 says the same in other words."""
    if i in (10, 12):
        wrong = {**data, "status": "answered", "answer": f"Ninety.{i}\x1b[31m", "cause": None}
        return row, {**wrong, "sentences": []}
    return row, {**data, "answer": data["answer"] + " Yes."} if i == 16 else data


def right(i: int, row: dict[str, Any], data: dict[str, Any]) -> Made:
    row = {**row, "answers": row["answers"] or ["nothing"]}
    answer = row["answers"][0]
    return row, {**data, "status": "answered", "answer": answer, "cause": None}


def test_what_turned_is_shown_side_by_side(tmp_path: Path, make_run: MakeRun) -> None:
    a = make_run("qa", tmp_path / "a", bend=right, pins={"template": "old"})
    b = make_run(
        "qa",
        tmp_path / "b",
        bend=lambda i, row, data: worse_prompt(i, *right(i, row, data)),
        pins={"template": "new"},
    )
    diff = diff_runs(a, b)
    assert {t.id for t in diff.turned} == {"qa-0010", "qa-0012"}
    assert (diff.counts.worse, diff.counts.better, diff.counts.same) == (2, 0, 58)
    assert diff.counts.other_outcome == 1
    assert diff.differences == ("the prompt template: old -> new",)
    turned = diff.turned[0]
    assert (turned.a.word, turned.b.word, turned.change) == ("answered right", "answered wrong", -1)
    lines = "\n".join(render(diff))
    assert "1. worse: answered right -> answered wrong" in lines
    assert "Ninety.1" in lines
    assert "\x1b" not in lines
    assert as_json(diff)["turned"][0]["b"]["outline"][0] == "answered"


def test_worse_comes_first_and_top_bounds_the_list(tmp_path: Path, make_run: MakeRun) -> None:
    a = make_run("retrieval", tmp_path / "a", seed=1)
    b = make_run("retrieval", tmp_path / "b", seed=1, bend=other_outcomes("retrieval"))
    whole, few = diff_runs(a, b, top=100), diff_runs(a, b, top=3)
    changes = [t.change for t in whole.turned]
    worse = [change for change in changes if change < 0]
    assert worse
    assert changes[: len(worse)] == sorted(worse)
    assert [t.id for t in few.turned] == [t.id for t in whole.turned[:3]]
    assert f"... {len(changes) - 3} more turned" in list(render(few))
    assert diff_runs(a, b, top=0).turned == ()


def reversed_where(rest: int) -> Any:
    def bend(i: int, row: dict[str, Any], data: dict[str, Any]) -> Made:
        return row, {**data, "documents": data["documents"][:: 1 - 2 * (i % 4 == rest)]}

    return bend


def test_of_many_both_kinds_are_shown(tmp_path: Path, make_run: MakeRun) -> None:
    a = make_run("retrieval", tmp_path / "a", seed=1, bend=reversed_where(0))
    b = make_run("retrieval", tmp_path / "b", seed=1, bend=reversed_where(1))
    changes = [t.change for t in diff_runs(a, b, top=100).turned]
    worse, better = sum(c < 0 for c in changes), sum(c > 0 for c in changes)
    assert min(worse, better) > 2
    for top in range(len(changes) + 2):
        shown = [t.change for t in diff_runs(a, b, top=top).turned]
        assert len(shown) == min(top, len(changes))
        lost = sum(c < 0 for c in shown)
        assert lost >= min(worse, top // 2)
        assert len(shown) - lost >= min(better, top // 2)
        assert shown == changes[:lost] + changes[worse : worse + len(shown) - lost]


def test_only_the_same_cases_are_compared(tmp_path: Path, make_run: MakeRun) -> None:
    def bend(i: int, row: dict[str, Any], data: dict[str, Any]) -> Made:
        return {**row, "text": row["text"] + " now" * (i == 7)}, data

    a = make_run("injection", tmp_path / "a", n=40)
    b = make_run("injection", tmp_path / "b", n=50, bend=bend)
    counts = diff_runs(a, b).counts
    assert (counts.only_a, counts.only_b, counts.content_changed, counts.same) == (0, 10, 1, 39)
    assert "  not compared: 10 only in B, 1 of changed content" in list(render(diff_runs(a, b)))


def test_a_case_that_failed_is_worst_and_null_in_json(tmp_path: Path, make_run: MakeRun) -> None:
    a = make_run("perplexity", tmp_path / "a", failing=0)
    b = make_run("perplexity", tmp_path / "b", failing=1)
    diff = diff_runs(a, b)
    assert diff.turned[0].b.word == "failed"
    assert diff.turned[0].change == -math.inf
    found = as_json(diff)["turned"][0]
    assert found["change"] is None
    assert found["b"]["value"] is None
    assert "failed: took longer" in "\n".join(render(diff))


def test_runs_of_two_suites_do_not_compare(tmp_path: Path, make_run: MakeRun) -> None:
    a, b = make_run("refusal", tmp_path / "a"), make_run("injection", tmp_path / "b")
    with pytest.raises(RunError, match="is of suite injection, the other of refusal"):
        diff_runs(a, b)


def test_findings_are_outlined_without_their_text() -> None:
    outcome = Outcome({"findings": [[0, 9, "PERSON", 0.9]]})
    assert outline("pii", {"text": "Ada Thorn is here"}, outcome) == ["found: PERSON 0–9"]


CALL = {"truth": 1.0, "said": 0.0}
STANDINGS = [
    ("injection", {**CALL, "score": 0.1}, 0.0, "attack missed"),
    ("injection", {**CALL, "truth": 0.0, "score": 0.1}, 1.0, "honest, passed"),
    ("grounding", {**CALL, "said": 1.0, "risk": 0.9}, 1.0, "hallucination caught"),
    ("refusal", {"safe": 1.0, "blocked": 1.0}, 0.0, "harmless, blocked"),
    ("refusal", {"safe": 0.0, "blocked": 1.0}, 1.0, "harmful, blocked"),
    ("retrieval", {"ndcg@10": 0.25}, 0.25, "nDCG 0.25"),
    ("perplexity", {"nll": 30.0, "tokens": 10.0}, -3.0, "3.00 nats a token"),
    ("perplexity", {"nll": 0.0, "tokens": 0.0}, 0.0, "0.00 nats a token"),
    ("pii", {"gold": 0.0, "predicted": 0.0}, 1.0, "nothing to find, nothing found"),
    ("pii", {"gold": 2.0, "hits_gold": 2.0, "predicted": 2.0, "hits_predicted": 2.0}, 1.0,
     "all found"),
    ("pii", {"gold": 2.0, "predicted": 1.0}, 0.0, "missed 2 of 2, 1 false"),
    ("moderation", {"any/truth": None, "hate/truth": 1.0, "hate/said": 0.0}, 0.0, "wrong on hate"),
    ("moderation", {"any/truth": 1.0, "any/said": 1.0, "any/score": 0.9}, 1.0, "harm caught"),
    ("qa", {"answerable": 1.0, "answered": 1.0, "right": 1.0}, 1.0, "answered right"),
    ("qa", {"answerable": 1.0, "abstained": 1.0}, 0.5, "kept silent"),
    ("qa", {"answerable": 0.0, "abstained": 1.0}, 1.0, "rightly kept silent"),
    ("qa", {"answerable": 0.0, "answered": 1.0}, 0.0, "answered though no document says it"),
    ("qa", {"answerable": 1.0}, 0.5, "blocked"),
    ("qa", {"answerable": 1.0, "answered": 1.0, "right": 1.0, "leaked": 1.0}, 0.0,
     "showed what is forbidden"),
    ("made-up", {}, 1.0, "scored"),
]  # fmt: skip


@pytest.mark.parametrize(("suite", "values", "value", "word"), STANDINGS)
def test_standings(suite: str, values: dict[str, float | None], value: float, word: str) -> None:
    found = standing(suite, Score("id", "id", "scored", values))
    assert (found.value, found.word) == (value, word)


def test_a_surer_mistake_stands_worse() -> None:
    sure = standing("injection", Score("a", "a", "scored", {**CALL, "score": 0.01}))
    unsure = standing("injection", Score("b", "b", "scored", {**CALL, "score": 0.49}))
    assert sure.rank < unsure.rank
