"""The gate before an answer: features and weights."""

from __future__ import annotations

import pytest

from rag.abstain import ANY_MODEL, FEATURES, answerability, shipped_weights, trust

TEXTS = ("Leave Up to five days can be carried over.", "Gate The gate opens at nine.")


def test_words_of_the_question_are_looked_for_everywhere_and_in_one_place() -> None:
    found = answerability("When does the gate open after leave?", TEXTS, 0.5, 1.0)
    assert set(found) == set(FEATURES)
    assert found["question_words"] == pytest.approx(3 / 4)
    assert found["question_words_best"] == pytest.approx(2 / 4)


def test_nothing_to_read_is_not_an_error() -> None:
    assert answerability("When?", (), 0.0, 0.0)["question_words_best"] == 0.0


@pytest.mark.parametrize("model", ["qwen2.5-coder-1.5b", "qwen2.5-coder-0.5b"])
def test_a_model_that_says_yes_is_trusted_more(model: str) -> None:
    weights = shipped_weights(model)
    yes = trust(answerability("When does the gate open?", TEXTS, 0.6, 3.0), weights)
    no = trust(answerability("When does the gate open?", TEXTS, 0.6, -3.0), weights)
    assert 0 < no < yes < 1


def test_an_unknown_model_is_taken_at_its_word() -> None:
    weights = shipped_weights("some/other-model")
    assert weights == shipped_weights(ANY_MODEL)
    assert trust(answerability("Gate?", TEXTS, 0.1, 0.0), weights) == 0.5
