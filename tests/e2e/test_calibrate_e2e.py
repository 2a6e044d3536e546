"""`surefoot eval qa --calibrate`, and what answers afterwards, with the small model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from evals.sample import CASES

pytestmark = [pytest.mark.e2e, pytest.mark.models]

FIELDS = {
    "trust", "target_risk", "coverage", "risk", "risk_upper", "cross_validated",
    "abstain_recall", "answered_right_of_answerable", "n",
}  # fmt: skip


@pytest.fixture
def kb(tmp_path: Path, sample_kb: Path) -> Path:
    return Path(
        shutil.copytree(sample_kb, tmp_path / "kb", ignore=shutil.ignore_patterns("traces"))
    )


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    """Two questions that the documents answer, and two that they don't."""
    rows = [json.loads(line) for line in (CASES / "qa.jsonl").read_text().splitlines()]
    picked = [row for row in rows if row["answers"]][:2]
    picked += [row for row in rows if not row["answers"]][:2]
    path = tmp_path / "cases.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in picked))
    return path


@pytest.mark.timeout(900)
def test_calibrate_then_ask(tmp_path: Path, surefoot: Any, kb: Path, cases: Path) -> None:
    evaluate = ("eval", "qa", "--cases", str(cases), "--kb", str(kb), "--out", str(tmp_path / "r"))
    done = surefoot(*evaluate, "--calibrate", "--target-risk", "0.6", "--json")
    assert done.code == 0, done.err
    found = done.json()
    assert {"suite", "n", "metrics", "failed"} <= set(found)
    chosen = found["calibration"]
    assert set(chosen) >= FIELDS
    assert chosen["risk"] <= 0.6
    assert json.loads((kb / "calibration.json").read_text())["trust"] == chosen["trust"]
    assert "gate open" in (tmp_path / "r" / "report.html").read_text()
    told = surefoot(*evaluate, "--calibrate", "--target-risk", "0.6")
    assert "<- chosen" in told.out
    assert "promise" in told.out
    info = surefoot("kb", "info", "--kb", str(kb), "--json").json()["calibration"]
    assert (info["trust"], info["not_used"]) == (chosen["trust"], "")

    ask = ("ask", "How many days of unused annual leave can I carry over?", "--kb", str(kb))
    answer = surefoot(*ask, "--json").json()
    assert in_force(answer) == chosen["trust"]
    assert surefoot("replay", answer["trace"], "--json").json()["same"]
    ignoring = surefoot(*ask, "--json", SUREFOOT_GROUNDING_CALIBRATED="false").json()
    assert in_force(ignoring) == 0.5
    (kb / "calibration.json").write_text("{}")
    refused = surefoot(*ask)
    assert refused.code == 2
    assert "calibration.json" in refused.err


def in_force(answer: Any) -> float:
    """The trust that the trace says."""
    trace = json.loads(Path(answer["trace"]).read_text())
    return float(trace["config"]["grounding"]["trust"])


def test_only_questions_are_calibrated(surefoot: Any, cases: Path) -> None:
    done = surefoot("eval", "pii", "--cases", str(cases), "--calibrate")
    assert done.code == 2
    assert "--calibrate" in done.err
    assert "--calibrate" in surefoot("eval", "qa", "--help").out
