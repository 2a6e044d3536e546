"""What `surefoot eval` prints: no text of a case file steers a terminal, or spoils the JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evals.evaluation import Evaluated
from evals.rundir import Run
from evals.testing import FakeSuite
from evals.types import Pins, RunInfo, Score
from ui.console import emit_json
from ui.evaluation import LiveProgress, print_results

NASTY = "a\x1b[2J\n[bold]b\u202e\ud800"
FIGURES = {NASTY: {"value": 0.5, "low": None, "high": None, "n": 1, "method": ""}}
RESULTS = {
    "suite": "fake",
    "n": 1,
    "metrics": FIGURES,
    "slices": {NASTY: {NASTY: FIGURES}},
    "failed": 1,
    "seen_in_training": 0,
    "unscored": [{"id": NASTY, "reason": NASTY}],
}


def test_texts_of_cases_are_printed_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    info = RunInfo(Pins("fake"), (), 1, None, 0)
    print_results(Evaluated(Run(tmp_path, info, RESULTS), None))
    said = capsys.readouterr().out
    assert not {"\x1b", "\u202e", "\ud800"} & set(said)
    assert "[bold]b" in said
    assert "1 of 1 cases failed" in said


def test_json_is_one_line_whatever_it_holds(capsys: pytest.CaptureFixture[str]) -> None:
    emit_json({"id": NASTY, "name": "ü"})
    emit_json({"name": "ü"})
    first, second = capsys.readouterr().out.splitlines()
    assert json.loads(first)["id"] == NASTY
    assert second == '{"name": "ü"}'


def test_a_log_holds_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    with LiveProgress() as progress:
        progress.begin(2, FakeSuite())
        progress.finished([Score("a", "a", "scored", {"right": 1.0, "value": 1.0})])
    assert (progress.done, progress.total) == (1, 2)
    assert capsys.readouterr() == ("", "")
