"""The shipped tagger: what it finds, its paths, its weights, and any finder by its name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from rag.errors import ConfigError, FilterError
from rag.safety.names.kinds import label_of, plausible, trimmed
from rag.safety.names.opening import WEIGHTS, open_names, parse
from rag.safety.names.pieces import near, pieces
from rag.safety.names.tagger import best_path, load_network, moves
from rag.safety.names.types import Name
from rag.safety.stream import filter_text
from rag.types import Decision, Verdict

NAMES = open_names()


@pytest.mark.parametrize(
    ("text", "label", "name"),
    [
        ("Yesterday Barack Obama spoke.", "PERSON", "Barack Obama"),
        ("my name is lena and i live in oslo", "PERSON", "lena"),
        ("She moved from Nairobi to Hanoi.", "LOCATION", "Nairobi"),
        ("He works for Brightware Technologies.", "ORGANIZATION", "Brightware Technologies"),
        ("My wife is Norwegian.", "NRP", "Norwegian"),
        ("It was signed on 12 March 1985.", "DATE_TIME", "12 March 1985"),
    ],
)
def test_finds(text: str, label: str, name: str) -> None:
    (found,) = NAMES.find([text])
    assert (label, name) in {(n.label, text[n.start : n.end]) for n in found}


@pytest.mark.parametrize("text", ["", " ", "the pump runs at night", "see the list below", "1, 2"])
def test_finds_nothing(text: str) -> None:
    assert NAMES.find([text]) == [[]]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=80), max_size=5))
def test_names_lie_in_their_texts(texts: list[str]) -> None:
    found = NAMES.find(texts)
    assert len(found) == len(texts)
    for text, names in zip(texts, found, strict=True):
        for name in names:
            assert 0 <= name.start < name.end <= len(text)
            assert 0.0 < name.score <= 1.0


def test_a_path_never_goes_on_with_what_has_not_begun() -> None:
    allowed = moves(("O", "B-X", "I-X", "B-Y", "I-Y"))
    scores = np.log(np.array([[0.1, 0.1, 0.5, 0.2, 0.1], [0.1, 0.1, 0.1, 0.1, 0.6]], np.float32))
    assert best_path(scores, allowed) == [3, 4]


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab.!? \n`~-1"), max_size=1500))
def test_pieces_are_the_segments_of_a_stream_with_their_contexts(text: str) -> None:
    seen: list[tuple[str, str]] = []

    def check(segment: str, context: str) -> Verdict:
        seen.append((segment, context))
        return Verdict(Decision.ALLOW, segment)

    filter_text(text, check)
    parts = list(pieces(text))
    assert [(part.segment, part.context) for part in parts] == seen
    assert all(text.startswith(part.segment, part.start) for part in parts)


def test_near_words_are_whole() -> None:
    assert near("one two three", 8, 6) == 4
    assert near("one two three", 0, 6) == 0
    assert near("wordwithoutblanks x", 17, 6) == 17


def test_weights_ship_with_their_card() -> None:
    assert WEIGHTS.stat().st_size < 4_000_000
    assert "Licence" in WEIGHTS.with_suffix(".md").read_text(encoding="utf-8")


@pytest.mark.parametrize("fault", ["missing", "garbage", "tensor", "shape"])
def test_weights_that_do_not_fit_are_an_error(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "names.safetensors"
    tensors = load_file(WEIGHTS)
    if fault == "garbage":
        path.write_bytes(b"not tensors")
    elif fault == "tensor":
        tensors.pop("head")
    elif fault == "shape":
        tensors["head"] = tensors["head"][:, :3]
    if fault in ("tensor", "shape"):
        save_file(tensors, path, metadata={"tags": "O B-X I-X"})
    with pytest.raises(FilterError, match="pii"):
        load_network(path)


@pytest.mark.parametrize("name", ["bert", "spacy:", "word2vec:x", ":x"])
def test_an_unknown_finder_is_an_error(name: str) -> None:
    with pytest.raises(ConfigError, match=r"guard\.ner"):
        parse(name)


@pytest.mark.parametrize("name", ["spacy:no/such", "hf:no/such", "gliner:no/such"])
def test_a_finder_that_is_not_there_is_an_error(name: str) -> None:
    with pytest.raises(ConfigError, match=r"guard\.ner"):
        open_names(name)


@pytest.mark.parametrize(
    ("text", "label", "worth"),
    [
        ("this month", "DATE_TIME", False),
        ("two years", "DATE_TIME", False),
        ("1985", "DATE_TIME", True),
        ("5 March", "DATE_TIME", True),
        ("12/03/85", "DATE_TIME", True),
        ("IBAN", "ORGANIZATION", False),
        ("my SSN", "ORGANIZATION", False),
        ("Acme", "ORGANIZATION", True),
        ("user_1", "PERSON", False),
        ("--", "LOCATION", False),
    ],
)
def test_plausible(text: str, label: str, worth: bool) -> None:
    assert plausible(text, label) is worth


def test_labels_of_other_models() -> None:
    assert [label_of(raw) for raw in ("B-PER", "I-ORG", "GPE", "O", "MISC")] == [
        "PERSON",
        "ORGANIZATION",
        "LOCATION",
        "",
        "",
    ]


def test_a_name_loses_blanks_and_marks() -> None:
    assert trimmed(Name(0, 5, "PERSON", 0.9), '"Ann ') == Name(1, 4, "PERSON", 0.9)
    assert trimmed(Name(0, 2, "PERSON", 0.9), "--") is None
