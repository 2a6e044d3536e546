"""What a calibration says on a terminal: the table, a clear word of caution, the curve."""

from __future__ import annotations

import pytest

from evals.calibrate import Calibrated, Step
from evals.stats.calibration import Point
from ui.calibration_view import calibration_lines


def step(trust: float, answers: int, risk: float | None, upper: float) -> Step:
    return Step(trust, Point(answers, answers / 100, risk, upper))


def made(chosen: Step | None, held: Point | None = None) -> str:
    before = step(0.5, 60, 0.2, 0.3)
    curve = tuple(found for found in (chosen, before) if found is not None)
    found = Calibrated(0.05, chosen, before, held, 0.9, None, 100, curve)
    return "\n".join(calibration_lines(found))


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (step(0.8, 40, 0.025, 0.1), "40 answers are too few to promise 5.0 %, which takes 59"),
        (step(0.8, 80, 0.04, 0.09), "5.0 % is not promised: with 95 % certainty at most 9.0 %"),
        (step(0.8, 80, 0.0, 0.037), "with 95 % certainty at most 3.7 %"),
        (None, "Nothing was stored"),
    ],
)
def test_how_sure_it_is_stands_in_words(chosen: Step | None, words: str) -> None:
    assert words in made(chosen)


def test_the_table_and_the_curve() -> None:
    text = made(step(0.8, 80, 0.04, 0.09), Point(70, 0.7, 0.06, 0.1))
    assert "held out" in text
    assert "silent on 90 % of the questions without an answer" in text
    assert "questions with one" not in text
    (marked,) = [line for line in text.splitlines() if line.endswith("<- chosen")]
    assert marked.split()[:4] == ["80", "%", "4.0", "%"]
    assert "█" * 40 in text


def test_without_an_answer_nothing_is_drawn() -> None:
    none = step(0.5, 0, None, 1.0)
    lines = list(calibration_lines(Calibrated(0.05, None, none, None, None, None, 3, ())))
    assert "none" in lines[3]
