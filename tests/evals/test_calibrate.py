"""Calibrating on a user's cases, from scores to what is kept, told and drawn."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evals.attempt import Limits
from evals.calibrate import calibrate, keep
from evals.evaluation import Request, perform
from evals.metrics import Metric
from evals.report.pictures import pictures
from evals.rundir import Run
from evals.types import Score
from ingest.build import ingest
from ingest.errors import SurefootError
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder
from rag.calibrated import in_force, read_calibration
from rag.config import Config, GroundingConfig
from rag.engines.scripted import ScriptedEngine
from rag.errors import ConfigError
from rag.grounding import Grounder
from rag.pipeline import Assistant
from rag.retrieve import Retriever
from rag.safety.guard import Guard
from rag.safety.policy import DEFAULT
from rag.trace import Tracer
from rag.types import Finding, Stage

TEXT = "# Leave\n\nAnnual leave is twenty five days a year. Rafts are checked in June.\n"
QUESTIONS: tuple[tuple[str, list[str]], ...] = (
    ("How many days a year is annual leave?", ["twenty five"]),
    ("When are rafts checked?", ["annual leave is twenty five days"]),
    ("Who paints the funnel of the ferry on a Sunday?", []),
)


def answered(name: str, trust: float, right: bool, answerable: bool = True) -> Score:
    values = {
        "answered": 1.0,
        "abstained": 0.0,
        "answerable": float(answerable),
        "answer_trust": trust,
        "answer_wrong": float(not right),
    }
    return Score(name, name, "scored", values)


def silent(name: str, answerable: bool) -> Score:
    values = {"answered": 0.0, "abstained": 1.0, "answerable": float(answerable)}
    return Score(name, name, "abstained", values)


def failed(name: str) -> Score:
    values = {"answerable": 0.0, "answer_trust": 1.0, "answer_wrong": 1.0}
    return Score(name, name, "unscored", values, "timeout")


SCORES = [
    *(answered(f"r{i}", 0.9 - i / 100, True) for i in range(6)),
    answered("w", 0.6, False),
    answered("u", 0.3, False, answerable=False),
    silent("s", answerable=False),
    silent("t", answerable=True),
]


def test_the_choice_and_what_it_costs() -> None:
    found = calibrate(SCORES, 0.05, 0.5)
    assert found.chosen is not None
    assert found.chosen.trust == pytest.approx(0.85 - 5e-5)
    told = found.json()
    assert (told["coverage"], told["risk"], told["n"]) == (0.6, 0.0, 10)
    assert told["risk_upper"] == pytest.approx(0.393, abs=1e-3)
    assert told["before"] == {"trust": 0.5, "coverage": 0.7, "risk": pytest.approx(1 / 7, abs=1e-5)}
    assert told["abstain_recall"] == 1.0
    assert told["answered_right_of_answerable"] == 0.75
    assert set(told["cross_validated"]) == {"coverage", "risk"}
    assert not found.promised
    trusts = [step.trust for step in found.curve]
    assert trusts == sorted(trusts, reverse=True)
    json.dumps(told, allow_nan=False)


def test_trusts_that_are_written_alike_pass_alike() -> None:
    """Trust is kept with four digits, the gate goes by all of them."""
    found = calibrate([answered("a", 0.6123, True), answered("b", 0.6122, False)], 0.05, 0.5)
    assert found.chosen is not None
    assert 0.612249 < found.chosen.trust <= 0.61225


def test_where_no_trust_will_do_nothing_is_kept(tmp_path: Path) -> None:
    found = calibrate([answered("a", 0.9, False), silent("s", answerable=False)], 0.05, 0.5)
    told = found.json()
    assert (found.chosen, told["trust"], told["coverage"], told["risk"]) == (None, None, 0.0, None)
    assert keep(tmp_path, Config(), found) is None
    assert list(tmp_path.iterdir()) == []
    nothing = calibrate([silent("s", answerable=False)], 0.05, 0.5)
    assert nothing.curve == ()
    with pytest.raises(SurefootError, match="no case"):
        calibrate([], 0.05, 0.5)


def test_a_failed_case_is_a_wrong_answer_at_every_trust() -> None:
    right = [answered(f"r{i}", 0.9, True) for i in range(10)]
    assert calibrate([*right, failed("f")], 0.05, 0.5).chosen is None
    found = calibrate([*right, failed("f")], 0.1, 0.5)
    assert found.chosen is not None
    assert found.json()["risk"] == pytest.approx(1 / 11, abs=1e-6)
    assert found.abstain_recall == 0.0


class Nothing:
    """A filter that finds nothing."""

    name = "nothing"

    def find(self, text: str, stage: Stage) -> list[Finding]:
        return []


@pytest.fixture
def kb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SUREFOOT_HOME", str(tmp_path / "home"))
    (tmp_path / "leave.md").write_text(TEXT)
    ingest([tmp_path / "leave.md"], tmp_path / "kb", HashEmbedder())
    monkeypatch.setattr("rag.assemble.open_assistant", open_scripted)
    return tmp_path / "kb"


def open_scripted(kb: Path, model: str | None, config: Config, tracer: Tracer) -> Assistant:
    embedder, config = HashEmbedder(), in_force(kb, config.with_model(model))
    base = KnowledgeBase.open(kb, embedder)
    engine = ScriptedEngine(["Annual leave is twenty five days a year."])
    return Assistant(
        Retriever(base, embedder, config.retrieve), engine, Guard([Nothing()], DEFAULT),
        Grounder(embedder), embedder, config, tracer,
    )  # fmt: skip


class Silent:
    """A watch that says nothing."""

    def begin(self, total: int, suite: Any) -> None:
        pass

    def finished(self, scores: Any) -> None:
        pass


def request(tmp_path: Path, kb: Path, **more: Any) -> Request:
    cases = tmp_path / "cases.jsonl"
    rows = [{"id": i, "query": q, "answers": a} for i, (q, a) in enumerate(QUESTIONS)]
    cases.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Request("qa", (cases,), kb, limits=Limits(seconds=60), **more)


CONFIG = Config(grounding=GroundingConfig(trust=0.999, near=0.0, threshold=0.0))


def test_from_cases_to_a_base_that_answers_by_them(tmp_path: Path, kb: Path) -> None:
    done = perform(request(tmp_path, kb, target_risk=0.6), Silent(), CONFIG)
    assert done.calibrated is not None
    assert done.calibrated.chosen is not None
    assert done.json()["calibration"] == done.calibrated.json()
    assert Run.load(done.run.path).results["calibration"] == done.calibrated.json()
    kept = read_calibration(kb)
    assert kept is not None
    assert kept.trust == done.calibrated.chosen.trust < 0.999
    assert in_force(kb, CONFIG).grounding.trust == kept.trust
    shut = perform(request(tmp_path, kb), Silent(), Config(grounding=fixed_grounding()))
    mine = perform(request(tmp_path, kb), Silent(), CONFIG)
    pins = {run.run.info.pins.policy for run in (done, shut, mine)}
    assert len(pins) == 3
    assert shut.run.results["metrics"]["answered_precision"]["n"] == 0
    answers = mine.run.results["metrics"]["answered_precision"]["n"]
    assert answers == done.calibrated.chosen.point.answers
    assert done.calibrated.before.point.answers == 0


def fixed_grounding() -> GroundingConfig:
    return GroundingConfig(trust=0.999, near=0.0, threshold=0.0, calibrated=False)


def test_another_target_asks_nothing_again(
    tmp_path: Path, kb: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = perform(request(tmp_path, kb, target_risk=0.6), Silent(), CONFIG)
    monkeypatch.setattr("rag.assemble.open_assistant", None)
    again = perform(request(tmp_path, kb, target_risk=0.01), Silent(), CONFIG)
    assert again.run.path == first.run.path
    assert again.json()["calibration"]["target_risk"] == 0.01
    (kb / "calibration.json").write_text("damaged")
    assert perform(request(tmp_path, kb, target_risk=0.6), Silent(), CONFIG).calibrated
    assert read_calibration(kb) is not None


@pytest.mark.parametrize(
    ("more", "config", "problem"),
    [
        ({"target_risk": 0.0}, CONFIG, "target-risk: must be over 0"),
        ({"target_risk": 1.0}, CONFIG, "target-risk: must be over 0"),
        ({"target_risk": float("nan")}, CONFIG, "target-risk: must be over 0"),
        ({"target_risk": 0.1, "baseline": Path("b")}, CONFIG, "calibrate: opens the gate"),
        ({"target_risk": 0.1, "gates": Path("g")}, CONFIG, "calibrate: opens the gate"),
        (
            {"target_risk": 0.1},
            Config(grounding=GroundingConfig(policy="annotate")),
            "calibrate: is for a policy that withholds",
        ),
    ],
)
def test_what_cannot_be_calibrated_is_said(
    tmp_path: Path, kb: Path, more: dict[str, Any], config: Config, problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        perform(request(tmp_path, kb, **more), Silent(), config)


def test_other_suites_have_nothing_to_calibrate(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is for the suite qa"):
        perform(Request("pii", (tmp_path / "c",), target_risk=0.1), Silent(), Config())


def test_the_curve_is_drawn_with_where_it_stands(
    tmp_path: Path, make_run: Callable[..., Run], metrics_of: Callable[[Run], list[Metric]]
) -> None:
    run = make_run("qa", tmp_path)
    risk = figure(run)
    assert "as it answers" in risk.svg
    area = run.results["metrics"]["aurc"]["value"]
    assert f"(aurc): {area:.3f}" in risk.caption
    found = calibrate([item.score for item in run.scores()], 0.3, 0.5)
    assert found.chosen is not None
    calibrated = figure(Run(run.path, run.info, {**run.results, "calibration": found.json()}))
    assert f"chosen ({found.chosen.trust:.2f})" in calibrated.svg
    assert "before (0.50)" in calibrated.svg
    assert "gate open" in calibrated.caption
    none = calibrate([item.score for item in run.scores()], 1e-6, 0.5)
    assert none.chosen is None
    without = figure(Run(run.path, run.info, {**run.results, "calibration": none.json()}))
    assert "chosen (" not in without.svg
    assert "No trust keeps the risk" in without.caption


def figure(run: Run) -> Any:
    (found,) = [p for p in pictures(run, run.scores()) if p.title == "Risk and coverage"]
    return found


def test_the_reliability_diagram_says_the_metric_s_figure(
    tmp_path: Path, make_run: Callable[..., Run]
) -> None:
    run = make_run("grounding", tmp_path)
    (found,) = [p for p in pictures(run, run.scores()) if "risk what it says" in p.title]
    assert f"(ece): {run.results['metrics']['ece']['value']:.3f}" in found.caption


def test_the_order_of_cases_changes_nothing() -> None:
    assert calibrate(SCORES, 0.05, 0.5) == calibrate(SCORES[::-1], 0.05, 0.5)
