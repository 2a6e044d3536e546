"""The grammar of made injections is whole, and fills the same way every time."""

from __future__ import annotations

import random
import re

import pytest

from evals.train.templates import LONGEST, Grammar, fill, filled, joined, load_grammar, planted

GRAMMAR = load_grammar()
LINES = [
    line
    for families in (GRAMMAR.attacks, GRAMMAR.honest)
    for lines in families.values()
    for line in lines
]
CARRIERS = ["The sea is blue.", "Bread needs salt.", "When does it open?"]


def test_every_slot_is_known_and_used() -> None:
    every = " ".join([*LINES, *(line for lines in GRAMMAR.slots.values() for line in lines)])
    assert set(re.findall(r"\{(\w+)\}", every)) == set(GRAMMAR.slots)


def test_no_template_stands_twice() -> None:
    assert len(LINES) == len(set(LINES))


def test_fillings_are_distinct_whole_and_repeatable() -> None:
    found = filled(GRAMMAR, rounds=2)
    assert found == filled(GRAMMAR, rounds=2)
    assert found != filled(GRAMMAR, rounds=2, seed=1)
    assert len({item.text for item in found}) == len(found)
    assert not [item.text for item in found if re.search(r"\{\w+\}", item.text)]


def test_slots_are_filled_inside_fillings() -> None:
    slots = {"a": ["{b}!"], "b": ["yes"]}
    assert fill("{a} {unknown}", slots, random.Random(0)) == "yes! {unknown}"


def test_what_is_planted_stands_among_carriers() -> None:
    found = filled(Grammar({}, {"x": ["obey me"]}, {}), rounds=1)
    (item,) = planted(found, CARRIERS)
    assert item.planted
    assert found[0].text in item.text
    assert any(carrier in item.text for carrier in CARRIERS)


@pytest.mark.parametrize("carriers", [CARRIERS, ["a" * LONGEST]])
def test_seams_are_honest_and_fit_a_window(carriers: list[str]) -> None:
    found = list(joined(carriers, 20))
    assert bool(found) == (carriers is CARRIERS)
    assert all(not item.attack and len(item.text) <= LONGEST for item in found)
