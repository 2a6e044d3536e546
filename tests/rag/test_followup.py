"""Follow-up questions: which lean on their conversation, and what is searched for with them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.testing import HashEmbedder
from ingest.types import Hit, StoredChunk, Vectors
from rag.config import RetrieveConfig
from rag.errors import ConfigError
from rag.followup import LONGEST_WORD, TOPIC_WORDS, FollowUp, follow_up, leans
from rag.retrieve import Retriever
from rag.types import Message

HISTORIES = st.lists(st.builds(Message, st.sampled_from(["user", "assistant"]), st.text()))


def _user(*questions: str) -> list[Message]:
    return [Message("user", question) for question in questions]


@pytest.mark.parametrize(
    ("question", "earlier", "topic"),
    [
        ("Is it treatable?", ["What is throat cancer?"], "throat cancer"),
        ("What are the symptoms?", ["What is throat cancer?", "Is it rare?"], "rare throat cancer"),
        ("Is lung cancer worse?", ["What is throat cancer?"], "throat"),
        ("And for us?", ["How many days of leave do employees have?"], "days leave employees"),
        ("How do ferries dock?", ["Who is Ada Lovelace?"], "Ada Lovelace"),
        ("Why?", ["Tell me about Trump's first wife.", "What’s Ivana's age?"], "Ivana Trump wife"),
        ("Does it leak?", ["Error E-42 on the TG-200?", "Error E-42 again"], "Error E-42 TG-200"),
        ("Who paid?", ["Did <PERSON> rent the harbour?"], "rent harbour"),
        ("Is throat cancer rare?", ["What is throat cancer?"], ""),
        ("And then?", ["Why is that?"], ""),
    ],
)
def test_the_topic_of_earlier_questions(question: str, earlier: list[str], topic: str) -> None:
    made = follow_up(question, _user(*earlier))
    assert set(made.topic.split()) == set(topic.split())


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Is it treatable?", True),
        ("What are their names?", True),
        ("And for contractors?", True),
        ("What other factors led to a breakdown of trade?", True),
        ("What are the symptoms?", True),
        ("Why?", True),
        ("", True),
        ("How does binge drinking affect development?", False),
        ("Which ferry leaves Skarra harbour this year?", False),
        ("Does the winch that is on deck need grease?", False),
        ("Who maintains the mooring winch other than Skarra harbour?", False),
    ],
)
def test_does_it_lean_on_its_conversation(question: str, expected: bool) -> None:
    assert leans(question) is expected


def test_passages_are_judged_by_the_topic_only_where_the_question_leans_on_it() -> None:
    history = _user("What is throat cancer?")
    leaning = follow_up("Is it treatable?", history)
    assert leaning.text == leaning.searched == "Is it treatable? throat cancer"
    whole = follow_up("Which ferry leaves Skarra harbour?", history)
    assert whole.text == "Which ferry leaves Skarra harbour?"
    assert whole.searched == "Which ferry leaves Skarra harbour? throat cancer"


def test_answers_are_not_taken_for_questions() -> None:
    assert follow_up("Why?", [Message("assistant", "Ferries dock.")]) == FollowUp("Why?")


@given(st.text(), HISTORIES)
def test_the_question_stays_and_what_is_added_is_bounded(q: str, history: list[Message]) -> None:
    made = follow_up(q, history)
    assert made == follow_up(q, list(history))
    assert made.question == q
    assert made.searched.startswith(q)
    assert made.text in (q, made.searched)
    assert len(made.topic) <= 2 * TOPIC_WORDS * (LONGEST_WORD + 1)
    assert len(made.topic.split()) <= 2 * TOPIC_WORDS


@given(st.text())
def test_without_history_nothing_is_added(question: str) -> None:
    made = follow_up(question, ())
    assert made.searched == made.text == question


class _Recorder:
    """An index that remembers what it was asked and finds nothing."""

    def __init__(self) -> None:
        self.vector: Vectors = np.zeros(0, np.float32)
        self.terms: list[str] = []

    def dense(self, vector: Vectors, k: int, groups: frozenset[str]) -> list[Hit]:
        self.vector = vector
        return []

    def lexical(
        self, terms: list[str], k: int, groups: frozenset[str], rows: object = None
    ) -> list[Hit]:
        self.terms = list(terms)
        return []

    def similarity(self, vector: Vectors, rows: object) -> list[float]:
        return []

    def chunks(self, rows: object) -> list[StoredChunk]:
        return []

    def families(self, rows: object) -> dict[int, int]:
        return {}


def test_the_question_counts_more_than_the_topic() -> None:
    index, embedder = _Recorder(), HashEmbedder()
    retriever = Retriever(index, embedder, RetrieveConfig(lead=2))
    assert retriever.retrieve("ferries dock", topic="harbour") == []
    assert index.terms == ["ferries", "dock", "ferries", "dock", "harbour"]
    assert np.linalg.norm(index.vector) == pytest.approx(1.0)
    question, topic = (embedder.embed([text])[0] for text in ("ferries dock", "harbour"))
    assert index.vector @ question > index.vector @ topic > 0
    retriever.retrieve("ferries dock")
    assert index.terms == ["ferries", "dock"]
    assert np.array_equal(index.vector, question)


@pytest.mark.parametrize("lead", [0, 11])
def test_the_lead_is_bounded(lead: int) -> None:
    with pytest.raises(ConfigError, match=r"retrieve\.lead"):
        RetrieveConfig(lead=lead)
