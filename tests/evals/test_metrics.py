"""Known answers: Wilson's interval, and what counts as containing an answer."""

from __future__ import annotations

import pytest

from evals.metrics import contains_answer, rate


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 1998, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson(successes: int, n: int, low: float, high: float) -> None:
    found = rate(successes, n)
    assert found.value == successes / n
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


def test_no_cases_is_no_value() -> None:
    assert rate(0, 0).value is None
    assert str(rate(0, 0)) == "no cases"


def test_more_than_all_is_an_error() -> None:
    with pytest.raises(ValueError, match="no rate"):
        rate(3, 2)


def test_contains() -> None:
    assert contains_answer("It is Five  days.", ("five days",))
    assert not contains_answer("It is six days.", ("five days",))
    assert not contains_answer("anything", ())
