"""The gate catches what is worse, lets pass what is the same, and says when nothing shows it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evals.errors import RunError
from evals.gate import gate_json, hold, judge, read_limits, write_gate
from evals.metrics import mean, share
from evals.rundir import Run
from evals.types import Pins, RunInfo, Score, ScoredCase
from rag.errors import ConfigError
from ui.evaluation import gate_lines

METRICS = [share("right", "right"), mean("f1", "f1"), share("leaks", "leaks", better="lower")]


class FakeRun(Run):
    """A run that holds its scores itself."""

    __slots__ = ("_scores",)

    def __init__(self, scores: list[ScoredCase], suite: str = "qa", name: str = "run") -> None:
        info = RunInfo(Pins(suite), (), len(scores), None, 0)
        super().__init__(Path(name), info, {"metrics": {}, "failed": 0})
        object.__setattr__(self, "_scores", scores)

    def scores(self) -> list[ScoredCase]:
        found: list[ScoredCase] = object.__getattribute__(self, "_scores")
        return found


def simulated(chance: np.random.Generator, right: float, n: int = 240, each: int = 3) -> FakeRun:
    """n cases in clusters of `each` that share their difficulty; what a noisy system gets right."""
    hard = np.repeat(np.random.default_rng(5).normal(0, 0.15, n // each), each)
    hits = chance.random(n) < np.clip(right + hard, 0, 1)
    return FakeRun(
        [
            ScoredCase(
                Score(
                    f"c{i}",
                    f"k{i // each}",
                    "scored",
                    {"right": float(hit), "f1": 0.9 * hit + 0.1 * chance.random(), "leaks": 0.0},
                ),
                f"s{i}",
                {},
            )
            for i, hit in enumerate(hits)
        ]
    )


def test_the_same_system_passes_and_a_worse_one_does_not() -> None:
    """100 repeats each: a run of the same system, and of one that is right 20 points less often."""
    chance = np.random.default_rng(11)
    passed = caught = 0
    for _ in range(100):
        baseline = simulated(chance, 0.7)
        same = judge(simulated(chance, 0.7), METRICS, (), baseline)
        worse = judge(simulated(chance, 0.5), METRICS, (), baseline)
        passed += same.verdict == "pass"
        caught += worse.verdict == "fail"
    assert passed >= 94
    assert caught >= 94


def test_identical_runs_show_nothing() -> None:
    run = simulated(np.random.default_rng(1), 0.7)
    found = judge(run, METRICS, (), run)
    assert found.verdict == "pass"
    assert found.compared is not None
    for line in found.compared.comparisons:
        assert line.verdict == "no evidence"
        assert line.difference == 0
        assert line.p == 1


def test_every_line_can_be_said_of_what_is_not_judged_or_not_known() -> None:
    """A count per label, losses without variation, flags: with and without an end to them."""
    metrics = [
        *METRICS,
        mean("part", "f1", headline=False),
        mean("loss", "loss", "lower", bounds=None),
    ]
    metrics.append(share("nothing", "nothing"))
    baseline = simulated(np.random.default_rng(1), 0.7)
    candidate = FakeRun(
        [replace(item, score=replace(item.score, values={**item.score.values, "loss": 2.0}))
         for item in baseline.scores()]
    )  # fmt: skip
    before = FakeRun(
        [replace(item, score=replace(item.score, values={**item.score.values, "loss": 1.0}))
         for item in baseline.scores()[:-3]]
    )  # fmt: skip
    result = judge(candidate, metrics, (), before)
    assert result.reasons[0].startswith("loss rose from 1 to 2: difference +1, p ")
    lines = list(gate_lines(result))
    assert "237 cases paired; left out: 3 only in this run" in lines[0]
    said = {line.split()[0]: line for line in lines[1:]}
    assert said["part"].endswith("not judged")
    assert " p " not in said["part"]
    assert said["loss"].endswith("regression")
    assert said["nothing"].endswith("none -> none  not comparable")


def test_a_figure_that_has_gone_is_no_pass() -> None:
    """A system that has fallen silent has no rights and wrongs left to compare."""
    run = simulated(np.random.default_rng(1), 0.7)
    silent = [
        ScoredCase(Score(i.score.id, i.score.cluster, "scored", {"f1": 1.0}), i.sha256, {})
        for i in run.scores()
    ]
    found = judge(FakeRun(silent), METRICS, (), run)
    assert found.verdict == "fail"
    assert any("right was 0." in reason for reason in found.reasons)


def test_what_cannot_be_compared_is_refused() -> None:
    run = simulated(np.random.default_rng(1), 0.7)
    with pytest.raises(RunError, match="is of suite pii"):
        judge(run, METRICS, (), FakeRun(run.scores(), suite="pii"))
    others = [ScoredCase(item.score, "other", {}) for item in run.scores()]
    with pytest.raises(RunError, match="shares no case"):
        judge(run, METRICS, (), FakeRun(others))


def estimate(value: float | None) -> dict[str, Any]:
    if value is None:
        return {"value": None, "low": None, "high": None, "n": 0}
    return {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 50}


@pytest.mark.parametrize(
    ("rule", "value", "verdict"),
    [
        ("{ min = 0.8 }", 0.8, "kept"),
        ("{ min = 0.8 }", 0.79, "broken"),
        ("{ min = 0.8, bound = 'low' }", 0.85, "broken"),
        ("{ max = 0.1 }", 0.1, "kept"),
        ("{ max = 0.1, bound = 'high' }", 0.05, "broken"),
        ("{ min = 0.8 }", None, "no evidence"),
    ],
)
def test_limits(tmp_path: Path, rule: str, value: float | None, verdict: str) -> None:
    path = tmp_path / "gates.toml"
    path.write_text(f"[qa]\nright = {rule}\n[pii]\nf2 = {{ min = 0.9 }}\n")
    limits = read_limits(path, "qa")
    assert [item.verdict for item in hold(limits, {"right": estimate(value)})] == [verdict]
    run = FakeRun([])
    run = Run(run.path, run.info, {"metrics": {"right": estimate(value)}})
    result = judge(run, METRICS, limits, None)
    assert result.verdict == ("pass" if verdict == "kept" else "fail")
    assert len(result.reasons) == (verdict != "kept")


def test_a_limit_on_a_metric_that_is_not_there_is_broken(tmp_path: Path) -> None:
    (tmp_path / "g").write_text("[qa]\nrihgt = { min = 0.1 }\n")
    limits = read_limits(tmp_path / "g", "qa")
    assert [item.verdict for item in hold(limits, {"right": estimate(0.9)})] == ["no evidence"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[qa", "gates.toml"),
        ("qa = 1", "must be a table"),
        ("[q]\nright = { min = 0.8 }", "has q; suites are"),
        ("[qa]\nright = 0.8", "qa.right"),
        ("[qa]\nright = { least = 0.8 }", "min or max"),
        ("[qa]\nright = { min = '0.8' }", "not a number"),
        ("[qa]\nright = { max = nan }", "not a number"),
        ("[qa]\nright = { min = 0.8, bound = 'top' }", "bound"),
        ("[qa]\nright = { min = 0.8, maximum = 1 }", "maximum"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "gates.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=problem):
        read_limits(path, "qa")


def test_the_verdict_is_kept_as_json(tmp_path: Path) -> None:
    chance = np.random.default_rng(3)
    found = judge(simulated(chance, 0.3), METRICS, (), simulated(chance, 0.8))
    write_gate(tmp_path, found)
    kept = json.loads((tmp_path / "gate.json").read_text())
    assert kept == json.loads(json.dumps(gate_json(found)))
    assert kept["verdict"] == "fail"
    assert kept["lines"][0]["metric"] == "right"
    assert kept["lines"][0]["verdict"] == "regression"
    assert kept["cases"]["paired"] == 240
    assert "right fell from" in kept["reasons"][0]
