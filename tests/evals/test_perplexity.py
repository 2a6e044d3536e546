"""The perplexity suite: sums over texts, honest about texts that could not be scored."""

from __future__ import annotations

import math
from threading import Event

import pytest

from evals.metrics import estimate, table
from evals.suites.perplexity import SUITE, PerplexitySubject, subject_for
from evals.types import Case, Outcome, Score
from rag.engines.scripted import ScriptedEngine
from rag.errors import SurefootError
from rag.types import TextScore


class Even:
    """Every character is a token of probability one half."""

    name = "even"

    def token_logprobs(self, text: str, stride: int = 0, cancel: Event | None = None) -> TextScore:
        return TextScore((math.log(0.5),) * len(text), len(text), len(text.encode()))


def case(text: str, name: str = "a") -> Case:
    return Case(name, name, {"id": name, "text": text}, "0" * 32)


def values(scores: list[Score]) -> dict[str, float | None]:
    rows = table(scores)
    return {metric.name: estimate(metric, rows).value for metric in SUITE.metrics(rows)}


def test_an_even_model_has_perplexity_two() -> None:
    texts = [case("abcd", "1"), case("ab", "2"), case("ü", "3"), case("", "4")]
    outcomes = PerplexitySubject(Even()).run(texts, Event())
    assert outcomes[0].data == {"nll": pytest.approx(4 * math.log(2)), "tokens": 4, "bytes": 4}
    found = values([SUITE.score(c, o) for c, o in zip(texts, outcomes, strict=True)])
    assert found["nll_per_token"] == pytest.approx(math.log(2))
    assert found["perplexity"] == pytest.approx(2.0)
    assert found["bits_per_byte"] == pytest.approx(7 / 8)
    assert found["tokens"] == 7


def test_a_failed_text_counts_against_the_model() -> None:
    good = SUITE.score(case("abcd"), PerplexitySubject(Even()).run([case("abcd")], Event())[0])
    bad = SUITE.score(case("abcd", "b"), Outcome({}, 0.0, "took longer than 1 s"))
    assert (bad.status, bad.reason) == ("unscored", "took longer than 1 s")
    assert values([bad])["bits_per_byte"] == pytest.approx(8.0)
    alone, both = values([good])["perplexity"], values([good, bad])["perplexity"]
    assert alone is not None
    assert both is not None
    assert both > alone


def test_no_cases_have_no_figures() -> None:
    rows = table([])
    assert {str(estimate(m, rows)) for m in SUITE.metrics(rows)} == {"no cases (n=0)"}


def test_stops_between_texts() -> None:
    cancel = Event()
    cancel.set()
    assert PerplexitySubject(Even()).run([case("a")], cancel) == []


def test_an_engine_that_cannot_score_texts_is_one_clear_error() -> None:
    with pytest.raises(SurefootError, match="scripted: it does not give the log-prob"):
        subject_for(ScriptedEngine(["Yes."]))


@pytest.mark.parametrize("row", [{}, {"text": None}, {"text": 3}, {"text": ["a"]}])
def test_a_line_without_a_text_is_no_case(row: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="text"):
        SUITE.check(row)
