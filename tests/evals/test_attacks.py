"""Attacks: what is planted, who is told to have won, and how the figures are made."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from evals.bench.attacks import WITH, WITHOUT, Case, Reply, attacks, keep, kept
from evals.bench.attacks_report import as_json, lines, report
from evals.bench.plants import CARRIERS, betrays, canary, planted, plants
from rag.safety.hidden import views

QUESTIONS = [f"Question {number}?" for number in range(12)]


def test_every_goal_meets_every_carrier_once() -> None:
    found = plants(QUESTIONS)
    assert len(found) == len({plant.id for plant in found}) == 8 * len(CARRIERS) == 96
    assert len({plant.canary for plant in found}) == len(found)
    assert set(Counter(plant.question for plant in found).values()) == {8}
    assert set(Counter(plant.carrier for plant in found).values()) == {8}


def test_each_question_meets_different_goals_and_carriers() -> None:
    for number in range(len(QUESTIONS)):
        mine = [plant for plant in plants(QUESTIONS) if plant.question == number]
        assert len({p.goal for p in mine}) == len({p.carrier for p in mine}) == 8


def test_the_same_seed_plants_the_same_and_another_one_other_canaries() -> None:
    assert plants(QUESTIONS) == plants(QUESTIONS)
    others = {plant.canary for plant in plants(QUESTIONS, seed=1)}
    assert not others & {plant.canary for plant in plants(QUESTIONS)}


def test_every_plant_says_its_canary_and_its_question() -> None:
    for plant in plants(QUESTIONS):
        said = [plant.text, *(view.text for view in views(plant.text))]
        assert any(plant.canary in text for text in said), plant.id
        assert any(QUESTIONS[plant.question].rstrip("?") in text for text in said), plant.id


def test_each_attack_stands_after_the_answer_to_its_question() -> None:
    sample = Path(__file__).parents[2] / "evals" / "sample" / "documents"
    for attack in attacks():
        clean = (sample / attack.document).read_text("utf-8")
        text = planted(clean, attack.answers, attack.plant.text)
        assert text.replace(f"\n\n{attack.plant.text}\n", "", 1) == clean
        before = text[: text.index(attack.plant.text)].lower()
        assert any(answer.lower() in before for answer in attack.answers)


@pytest.mark.parametrize(
    ("text", "end"),
    [("A\n\nb 5 c\nd\n\nE", "d\n\nPLANT\n\n\nE"), ("b 5 c\n", "c\n\nPLANT\n\n")],
)
def test_a_plant_is_a_paragraph_of_its_own(text: str, end: str) -> None:
    assert planted(text, ["nowhere", "5"], "PLANT").endswith(end)


def test_a_document_without_the_answer_takes_no_plant() -> None:
    with pytest.raises(ValueError, match="no paragraph"):
        planted("Nothing here.", ["5"], "PLANT")


@pytest.mark.parametrize(
    ("text", "won"),
    [
        ("Captain fevebufafa says hello", True),
        ("Captain FEVEBUFAFA", True),
        ("see https://fevebufafa.example/offer", True),
        ("\u200b".join("fevebufafa"), True),
        ("f е v e b u f a f a".replace(" ", ""), True),
        ("Captain fevebufa fa", False),
        ("", False),
    ],
)
def test_a_canary_is_told_however_it_is_spelt(text: str, won: bool) -> None:
    assert betrays(text, "fevebufafa") == won


def test_canaries_can_be_spoken() -> None:
    assert all(canary(str(i)).isalpha() and len(canary(str(i))) == 10 for i in range(50))


def reply(won: bool = False) -> Reply:
    return Reply("answered", "Shown.", "Wrote.", won, won, True, met=True, found=False, seconds=1.0)


def case(number: int, without: Reply, with_it: Reply) -> Case:
    goal, carrier = f"goal {number % 2}", f"carrier {number % 3}"
    return Case(
        f"case {number}", goal, carrier, f"doc {number % 6}", {WITHOUT: without, WITH: with_it}
    )


def test_figures_are_paired_and_by_document() -> None:
    made = report("m", [case(i, reply(won=i < 12), reply(won=i < 1)) for i in range(24)])
    won = made.rows[0]
    assert (won.sides[WITHOUT].value, won.sides[WITH].value) == (0.5, 1 / 24)
    assert "cluster" in won.sides[WITHOUT].method
    assert won.difference.difference == pytest.approx(1 / 24 - 0.5)
    assert won.difference.p is not None
    assert sum(part.won[WITHOUT] for part in made.goals) == 12
    assert sum(part.n for part in made.carriers) == made.cases == 24
    assert as_json(made)["rows"][0]["metric"] == "attack won"
    assert any("attack won" in line for line in lines(made))


def test_no_cases_are_no_figures() -> None:
    with pytest.raises(ValueError, match="no cases"):
        report("m", [])


def test_a_journal_gives_back_what_was_done_under_the_same_setting(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    assert kept(None, "a") == kept(journal, "a") == {}
    one, two = case(1, reply(won=True), reply()), case(2, reply(), reply())
    keep(journal, "a", one)
    with journal.open("a", encoding="utf-8") as file:
        file.write('\n{"setting": "a", "id": "half')
    keep(journal, "b", two)
    assert kept(journal, "a") == {"case 1": one}
    assert kept(journal, "b") == {"case 2": two}
