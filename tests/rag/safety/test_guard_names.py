"""The guard gives pseudonyms and hashes, keeps none of them, and fails closed where it can't."""

from __future__ import annotations

import re

import pytest

from rag.safety.guard import Guard
from rag.safety.policy import DEFAULT, Policy, Restoring, Rule
from rag.safety.pseudonyms import Hasher, Session
from rag.types import Decision, Finding, Stage

NAMES = re.compile(r"Anna Berg|Karl Maier|Berg, Anna")


class People:
    """Finds two people; counts how often it looks."""

    name = "people"

    def __init__(self) -> None:
        self.looks = 0

    def find(self, text: str, stage: Stage) -> list[Finding]:
        self.looks += 1
        return [
            Finding(stage, "PERSON", m.start(), m.end(), 0.9, self.name)
            for m in NAMES.finditer(text)
        ]


class Broken:
    def name(self, label: str, raw: str) -> str:
        raise OSError("disk full")


PSEUDONYMS = DEFAULT.with_rule("PERSON", Rule("pseudonym"))


def test_one_finding_is_shown_in_each_session_under_its_own_name() -> None:
    people = People()
    guard = Guard([people], PSEUDONYMS)
    one, two = Session(), Session()
    two.name("PERSON", "Jo Day")
    text = "Anna Berg met Karl Maier and Berg, Anna."
    for _ in range(2):
        said = [guard.check(text, "answer", names=names).text for names in (one, two, None)]
        assert said == [
            "<PERSON_1> met <PERSON_2> and <PERSON_1>.",
            "<PERSON_2> met <PERSON_3> and <PERSON_2>.",
            "<PERSON> met <PERSON> and <PERSON>.",
        ]
    assert people.looks == 1


def test_hashes() -> None:
    policy, hashed = DEFAULT.with_rule("PERSON", Rule("hash")), Hasher(b"k" * 32)
    guard = Guard([People()], policy, hashed=hashed)
    verdict = guard.check("Anna Berg and Berg, Anna.", "answer", names=Session())
    mark = f"<PERSON:{hashed('PERSON', 'Anna Berg')}>"
    assert verdict.text == f"{mark} and {mark}."
    assert verdict.decision is Decision.REDACT


@pytest.mark.parametrize("stage", ["question", "passage", "answer"])
def test_names_that_can_not_be_given_block(stage: Stage) -> None:
    guard = Guard([People()], PSEUDONYMS)
    verdict = guard.check("Anna Berg is here.", stage, names=Broken())
    assert (verdict.decision, verdict.text, verdict.status) == (Decision.BLOCK, "", "error")
    assert verdict.cause == "filter names: OSError"
    assert guard.check("Anna Berg is here.", stage, names=Session()).status == "ok"


@pytest.mark.parametrize("stage", ["question", "passage"])
def test_what_comes_from_outside_is_no_pseudonym(stage: Stage) -> None:
    guard, session = Guard([People()], PSEUDONYMS), Session()
    verdict = guard.check("<PERSON_1> is Anna Berg", stage, names=session)
    assert verdict.text == "(PERSON_1) is <PERSON_1>"
    assert guard.check("<PERSON_1>", stage).text == "<PERSON_1>"
    assert guard.check("<PERSON_1> is well.", "answer", names=session).text == "<PERSON_1> is well."


def test_what_is_allowed_is_no_finding_and_a_broken_list_blocks() -> None:
    def broken(label: str, raw: str) -> bool:
        raise KeyError(label)

    allowing = Guard([People()], PSEUDONYMS, allows=lambda label, raw: raw == "Anna Berg")
    verdict = allowing.check("Anna Berg met Karl Maier", "answer", names=Session())
    assert verdict.text == "Anna Berg met <PERSON_1>"
    verdict = Guard([People()], PSEUDONYMS, allows=broken).check("Anna Berg", "answer")
    assert (verdict.decision, verdict.cause) == (Decision.BLOCK, "filter lists: KeyError")


RULES: dict[tuple[Stage, str], Rule] = {
    ("passage", "PERSON"): Rule("pseudonym", 0.4),
    ("answer", "PERSON"): Rule("redact"),
    ("question", "PERSON"): Rule("keep", 0.7),
    ("question", "PASSWORD"): Rule("keep"),
}


def test_with_to_model_what_has_a_pseudonym_anywhere_has_one_everywhere() -> None:
    plain, strict = Policy(RULES), Policy(RULES, restoring=Restoring(to_model=True))
    assert plain.rule("question", "PERSON").action == "keep"
    assert strict.rule("question", "PERSON") == Rule("pseudonym", 0.4)
    assert strict.rule("answer", "PERSON").action == "redact"
    assert strict.rule("question", "PASSWORD").action == "keep"
    assert strict.uses("pseudonym")
    assert not DEFAULT.uses("pseudonym")
