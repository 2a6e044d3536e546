"""The cascade: who is asked, whose word counts, and that nothing unsure passes unasked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.safety.classifiers.cascade import Cascade, Grey, Passed, settled, unsure
from rag.safety.classifiers.shipped import ShippedInjection, ShippedModeration
from rag.safety.classifiers.types import OddScoresError
from rag.types import Stage

GREY = Grey(0.2, 0.9)
P = st.floats(0.0, 1.0)


class Fails:
    identity = "fails"
    thresholds: Mapping[str, float] = {"HARM": 0.5}

    def classify(self, texts: Sequence[str], stage: Stage) -> list[Mapping[str, float]]:
        raise RuntimeError("no answer")


@pytest.mark.parametrize(
    ("p", "asked"),
    [(0.0, False), (0.199, False), (0.2, True), (0.5, True), (0.899, True), (0.9, False)],
)
def test_only_the_grey_zone_is_passed_on(told: Any, p: float, asked: bool) -> None:
    dear = told({}, {"HARM": 0.7})
    cascade = Cascade(told({}, {"HARM": p}), dear, GREY)
    assert cascade.classify(["x"], "question") == [{"HARM": 0.7 if asked else p}]
    assert dear.asked == ([["x"]] if asked else [])
    assert cascade.count == Passed(1, int(asked))


def test_those_in_the_zone_go_together(told: Any) -> None:
    cheap = told({"grey": {"HARM": 0.5}}, {"HARM": 0.1})
    dear = told({"bad": {"HARM": 1.0}}, {"HARM": 0.0})
    cascade = Cascade(cheap, dear, GREY)
    found = cascade.classify(["a", "grey b", "c", "grey bad"], "answer")
    assert [scores["HARM"] for scores in found] == [0.1, 0.0, 0.1, 1.0]
    assert dear.asked == [["grey b", "grey bad"]]
    assert cascade.count == Passed(4, 2)


def test_a_label_of_one_alone(told: Any) -> None:
    cheap = told({"grey": {"HARM": 0.5, "HATE": 0.6}}, {"HARM": 0.0, "HATE": 0.6})
    dear = told({}, {"HARM": 0.8, "SEXUAL": 0.7})
    cascade = Cascade(cheap, dear, GREY)
    clear, grey = cascade.classify(["x", "grey"], "question")
    assert clear == {"HARM": 0.0, "HATE": 0.6, "SEXUAL": 0.0}
    assert grey == {"HARM": 0.8, "HATE": 0.6, "SEXUAL": 0.7}
    assert cascade.thresholds.keys() == clear.keys()


@pytest.mark.parametrize(("threshold", "p"), [(0.95, 0.92), (0.1, 0.15)])
def test_a_threshold_outside_the_zone_widens_it(told: Any, threshold: float, p: float) -> None:
    dear = told({}, {"HARM": 0.3})
    cascade = Cascade(told({}, {"HARM": p}, {"HARM": threshold}), dear, GREY)
    assert cascade.classify(["x"], "question") == [{"HARM": 0.3}]


def test_an_unsure_text_without_an_answer_is_an_error(told: Any) -> None:
    cascade = Cascade(told({"grey": {"HARM": 0.5}}, {"HARM": 0.1}), Fails(), GREY)
    assert cascade.classify(["x"], "question") == [{"HARM": 0.1}]
    with pytest.raises(RuntimeError, match="no answer"):
        cascade.classify(["x", "grey"], "question")


@pytest.mark.parametrize("odd", [float("nan"), 1.1, -0.1, float("inf")])
@pytest.mark.parametrize("which", ["cheap", "dear"])
def test_what_is_no_probability_is_an_error(told: Any, which: str, odd: float) -> None:
    parts = {"cheap": told({}, {"HARM": 0.5}), "dear": told({}, {"HARM": 0.5})}
    parts[which] = told({}, {"HARM": odd})
    with pytest.raises(OddScoresError):
        Cascade(parts["cheap"], parts["dear"], GREY).classify(["x"], "question")


def test_three_in_a_row(told: Any) -> None:
    last = told({}, {"HARM": 0.95})
    middle = told({"worse": {"HARM": 0.6}}, {"HARM": 0.05})
    cascade = Cascade(told({}, {"HARM": 0.5}), Cascade(middle, last, GREY), GREY)
    found = cascade.classify(["bad", "worse"], "question")
    assert [scores["HARM"] for scores in found] == [0.05, 0.95]
    assert last.asked == [["worse"]]


def test_identity_tells_parts_and_zone(told: Any) -> None:
    def identity(a: str, b: str, low: float) -> str:
        parts = (told({}, {"HARM": 0.0}, identity=name) for name in (a, b))
        return Cascade(*parts, Grey(low, 0.9)).identity

    assert len({identity("a", "b", 0.2), identity("b", "a", 0.2), identity("a", "b", 0.1)}) == 3


@given(P, P, P, P, P)
def test_outside_the_zone_the_cheap_word_stands(
    cheap: float, dear: float, low: float, high: float, threshold: float
) -> None:
    zone = Grey(min(low, high), max(low, high)).around(threshold)
    found = settled({"HARM": cheap}, {"HARM": dear}, {"HARM": zone})
    if unsure({"HARM": cheap}, {"HARM": zone}):
        assert found == {"HARM": dear}
    else:
        assert found == {"HARM": cheap}
        # By its own threshold and by the zone, the cheap one says the same.
        assert (cheap >= threshold) == (cheap >= zone.high)


@pytest.mark.parametrize(
    ("score", "found", "expected"),
    [(0.95, True, 0.95), (0.3, True, 0.5), (0.3, False, 0.3), (0.97, False, 0.5)],
)
def test_the_heads_thresholds_stand(score: float, found: bool, expected: float) -> None:
    """A sentence of a document that the heads would let pass is never clearly found."""

    class Heads:
        def score(self, text: str) -> float:
            return score

        def find(self, text: str, stage: Stage) -> list[str]:
            return ["finding"] if found else []

    heads: Any = Heads()
    [scores] = ShippedInjection(heads).classify(["x"], "passage")
    p = scores["PROMPT_INJECTION"]
    assert p == pytest.approx(expected)
    assert (p >= 0.5) is found


def test_shipped_moderation_gives_all_that_the_heads_give() -> None:
    class Heads:
        thresholds: Mapping[str, float] = {"HARM": 0.3, "HATE": 0.7}
        warmed: list[str] = []  # noqa: RUF012

        def warm(self, texts: Sequence[str], stage: Stage) -> None:
            self.warmed += texts

        def scores(self, text: str) -> Mapping[str, float]:
            return {"HARM": 0.4, "HATE": 0.1}

    heads: Any = Heads()
    shipped = ShippedModeration(heads)
    assert shipped.classify(["x", "y"], "answer") == [{"HARM": 0.4, "HATE": 0.1}] * 2
    assert shipped.thresholds == heads.thresholds
    assert heads.warmed == ["x", "y"]
