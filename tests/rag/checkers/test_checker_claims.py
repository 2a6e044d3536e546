"""What every checker shares: claims, no evidence, failures; the cache; names; templates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from ingest.testing import HashEmbedder
from rag.checkers.cached import CachedChecker
from rag.checkers.claims import ClaimChecker, Scored
from rag.checkers.names import CheckerName, parse_name
from rag.checkers.templates import hhem, lettucedetect, minicheck_encoder, minicheck_t5
from rag.config import Config, GroundingConfig
from rag.errors import ConfigError, EngineError
from rag.grounding import Evidence, Support

Units = Callable[..., list[Evidence]]
SOURCE = ("The ferry leaves Skarra at nine.", "It carries forty cars.", "Dogs are welcome.")


class Says:
    """A scorer that says one thing of everything, and keeps what it was asked."""

    def __init__(self, says: Scored | Exception) -> None:
        self.says = says
        self.asked: list[tuple[str, ...]] = []

    def score(
        self, claims: Sequence[str], evidence: Sequence[Evidence], question: str
    ) -> list[Scored]:
        self.asked.append(tuple(claims))
        if isinstance(self.says, Exception):
            raise self.says
        return [self.says for _ in claims]


def test_only_claims_are_judged(evidence: Units) -> None:
    scorer = Says(Scored(0.7, (0, 1, 2)))
    segments = ["Sure!", "The ferry carries forty cars. ", "Here are the facts:", "I don't know."]
    found = ClaimChecker(scorer, HashEmbedder(256)).support(segments, evidence(SOURCE))
    assert scorer.asked == [("The ferry carries forty cars.",)]
    assert [support.score for support in found] == [None, 0.7, None, None]
    assert found[1].evidence[0] == 1
    assert not any(support.failed for support in found)


def test_a_sentence_may_need_two_units(evidence: Units) -> None:
    checker = ClaimChecker(Says(Scored(0.9, (0, 1, 2))), HashEmbedder(256))
    claim = "The ferry leaves Skarra at nine and dogs are welcome."
    found = checker.support([claim], evidence(SOURCE))[0]
    assert found.evidence == (0, 2)
    assert found.missing == ()
    lost = checker.support(["The ferry of Orkney carries 50 cars."], evidence(SOURCE))[0]
    assert lost.missing == ("50", "orkney")


def test_without_evidence_there_is_no_support() -> None:
    scorer = Says(Scored(0.7))
    found = ClaimChecker(scorer, HashEmbedder()).support(["Cats are.", "Sure!"], [])
    assert [support.score for support in found] == [0.0, None]
    assert scorer.asked == []


@pytest.mark.parametrize(
    ("says", "failed"),
    [
        (RuntimeError("out of\nmemory"), "out of memory"),
        (RuntimeError(), "RuntimeError"),
        (EngineError("judge", "gone"), "engine judge: gone"),
        (Scored(None, failed="too long"), "too long"),
        (Scored(float("nan")), "the checker gave no number"),
    ],
)
def test_what_fails_has_no_score(says: Scored | Exception, failed: str, evidence: Units) -> None:
    found = ClaimChecker(Says(says), HashEmbedder()).support(["Cats are."], evidence(SOURCE))
    assert found == [Support(None, failed=failed)]


@pytest.mark.parametrize(("given", "kept"), [(1.0000001, 1.0), (-1e-9, 0.0), (0.25, 0.25)])
def test_support_is_a_probability(given: float, kept: float, evidence: Units) -> None:
    checker = ClaimChecker(Says(Scored(given, (0,))), HashEmbedder())
    assert checker.support(["Cats are."], evidence(SOURCE))[0].score == kept


def cached(scorer: Says, jointly: bool = False, capacity: int = 100) -> CachedChecker:
    return CachedChecker(ClaimChecker(scorer, HashEmbedder()), "says", jointly, capacity)


def test_nothing_is_judged_twice(evidence: Units) -> None:
    scorer = Says(Scored(0.7, (0,)))
    checker = cached(scorer)
    units = evidence(SOURCE)
    first = checker.support(["Cats are.", "Sure!"], units, "Is it?")
    assert checker.support(["Dogs are.", "Cats are."], units, "Is it?")[1] == first[0]
    assert scorer.asked == [("Cats are.",), ("Dogs are.",)]
    checker.support(["Cats are."], units[:2], "Is it?")
    checker.support(["Cats are."], units, "Was it?")
    assert len(scorer.asked) == 4
    checker.forget()
    checker.support(["Cats are."], units, "Is it?")
    assert len(scorer.asked) == 5


def test_what_is_judged_jointly_is_known_among_its_neighbours_only(evidence: Units) -> None:
    scorer = Says(Scored(0.7, (0,)))
    checker = cached(scorer, jointly=True)
    units = evidence(SOURCE)
    pair = ["Cats are.", "Dogs are."]
    assert checker.support(pair, units) == checker.support(pair, units)
    checker.support(pair[:1], units)
    checker.support(pair[::-1], units)
    assert [len(asked) for asked in scorer.asked] == [2, 1, 2]


def test_a_failure_is_asked_again(evidence: Units) -> None:
    scorer = Says(EngineError("judge", "busy"))
    checker = cached(scorer)
    assert checker.support(["Cats are."], evidence(SOURCE))[0].failed
    scorer.says = Scored(0.7, (0,))
    assert checker.support(["Cats are."], evidence(SOURCE))[0].score == 0.7


def test_the_cache_is_bounded_and_shared_by_threads(evidence: Units) -> None:
    scorer = Says(Scored(0.7, (0,)))
    checker = cached(scorer, capacity=8)
    units = evidence(SOURCE)

    def ask(number: int) -> float | None:
        return checker.support([f"Dogs number {number % 20}."], units)[0].score

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(ask, range(200))) == {0.7}
    assert len(checker._known) <= 8


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("nli:cross-encoder/nli-deberta-v3-base", ("nli", "cross-encoder/nli-deberta-v3-base")),
        ("judge:", ("judge", "")),
        ("judge:openai:Qwen/Qwen3-8B", ("judge", "openai:Qwen/Qwen3-8B")),
        ("hhem:/models/hhem", ("hhem", "/models/hhem")),
    ],
)
def test_names(text: str, name: tuple[str, str]) -> None:
    assert parse_name(text) == CheckerName(*name)
    assert str(parse_name(text)) == text


@pytest.mark.parametrize("text", ["hhem", "hhem:", "vectara/x", "gpt:4", ":", "NLI:x"])
def test_what_names_no_checker(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^setting grounding\.checker: "):
        Config(grounding=GroundingConfig(checker=text))


QUESTION = (
    "Briefly answer the following question:\nHow many?\nBear in mind that your response should be "
    "strictly based on the following 2 passages:\npassage 1: A {b}.\npassage 2: C.\nIn case the "
    "passages do not contain the necessary information to answer the question, please reply with: "
    '"Unable to answer based on given passages."\noutput:'
)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (
            hhem("A {claim}.", "B."),
            "<pad> Determine if the hypothesis is true given the premise?\n\n"
            "Premise: A {claim}.\n\nHypothesis: B.",
        ),
        (minicheck_t5("A.", "B.", "</s>"), "predict: A.</s>B."),
        (minicheck_encoder("A.", "B.", "[SEP]"), "A.[SEP]B."),
        (lettucedetect(("A {b}.", "C."), "How many?"), QUESTION),
        (lettucedetect(("A.",), " "), "Summarize the following text:\npassage 1: A.\noutput:"),
    ],
)
def test_templates(made: str, expected: str) -> None:
    assert made == expected
