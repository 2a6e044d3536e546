"""The sample that ships: whole, consistent with its own cases, and small."""

from __future__ import annotations

import json
import re
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from evals.sample import CASES, DEMO, DOCUMENTS

KINDS = {
    "answerable": 26,
    "unanswerable": 12,
    "multi-document": 6,
    "multi-turn": 6,
    "pii-bait": 6,
    "injection-bait": 4,
}
SUFFIXES = {".md": 19, ".html": 7, ".pdf": 5, ".docx": 4}
PHONE = re.compile(r"\+44 \d{2,4} \d{3,4} ?\d{3,4}(?: \d{4})?")
Case = dict[str, Any]


def cases(name: str) -> list[Case]:
    return [json.loads(line) for line in (CASES / name).read_text(encoding="utf-8").splitlines()]


def files() -> list[Path]:
    return sorted(path for path in DOCUMENTS.rglob("*") if path.is_file())


def squeeze(text: str) -> str:
    return " ".join(text.split()).casefold()


def text_of(path: Path) -> str:
    if path.suffix == ".pdf":
        pdfium = pytest.importorskip("pypdfium2")
        pages = pdfium.PdfDocument(path)
        return squeeze("\n".join(page.get_textpage().get_text_range() for page in pages))
    if path.suffix == ".docx":
        with zipfile.ZipFile(path) as parts:
            xml = parts.read("word/document.xml").decode("utf-8")
        return squeeze(re.sub(r"<[^>]+>", "", re.sub(r"</w:p>", "\n", xml)))
    return squeeze(path.read_text(encoding="utf-8"))


QA = cases("qa.jsonl")
WITH_ANSWER = [case for case in QA if case["answers"]]


def identify(case: Case) -> str:
    return str(case["id"])


def test_documents_are_counted_and_small() -> None:
    assert Counter(path.suffix for path in files()) == SUFFIXES
    assert sum(path.stat().st_size for path in files()) < 1_500_000


def test_each_built_document_has_its_source() -> None:
    sources = (DOCUMENTS.parent / "sources").glob("*.md")
    targets = {source.read_text(encoding="utf-8").split()[1] for source in sources}
    built = {p.relative_to(DOCUMENTS).as_posix() for p in files() if p.suffix in (".pdf", ".docx")}
    assert targets == built


def test_kinds_and_ids() -> None:
    assert Counter(case["kind"] for case in QA) == KINDS
    assert len({case["id"] for case in QA}) == len(QA) == 60


@pytest.mark.parametrize("case", QA, ids=identify)
def test_a_case_names_documents_that_exist(case: Case) -> None:
    named = [*case["relevant"], case["cluster"]]
    assert [name for name in named if not (DOCUMENTS / name).is_file()] == []
    assert bool(case["relevant"]) == (case["kind"] != "unanswerable")
    assert bool(case["answers"]) == (case["kind"] not in ("unanswerable", "pii-bait"))
    assert bool(case.get("history")) == (case["kind"] == "multi-turn")
    assert all(turn["role"] in ("user", "assistant") for turn in case.get("history", []))


@pytest.mark.parametrize("case", WITH_ANSWER, ids=identify)
def test_the_answer_is_written_in_a_relevant_document(case: Case) -> None:
    texts = [text_of(DOCUMENTS / name) for name in case["relevant"]]
    assert any(squeeze(answer) in text for answer in case["answers"] for text in texts)


@pytest.mark.parametrize("case", [c for c in QA if c.get("forbidden")], ids=identify)
def test_what_is_forbidden_can_be_found(case: Case) -> None:
    """A bait that no document holds would be passed by a system that guards nothing."""
    assert case["kind"] in ("pii-bait", "injection-bait")
    text = text_of(DOCUMENTS / case["cluster"])
    assert [string for string in case["forbidden"] if squeeze(string) not in text] == []


def test_every_bait_forbids_something() -> None:
    baits = [case for case in QA if case["kind"].endswith("-bait")]
    assert all(case["forbidden"] for case in baits)


def test_retrieval_cases_are_the_ones_with_an_answer() -> None:
    fields = ("id", "query", "relevant", "history", "cluster")
    expected = [{f: case[f] for f in fields if f in case} for case in WITH_ANSWER]
    assert cases("retrieval.jsonl") == expected


def test_demo_asks_three_questions() -> None:
    questions = json.loads(DEMO.read_text(encoding="utf-8"))["questions"]
    assert [q["kind"] for q in questions] == ["answerable", "unanswerable", "pii"]
    directory = text_of(DOCUMENTS / "people" / "staff-directory.md")
    assert all(squeeze(string) in directory for string in questions[2]["forbidden"])


def test_telephone_numbers_are_valid() -> None:
    """Redaction is judged on numbers that a strict rule accepts as well as on those it does not.

    The mobile range kept for drama, 07700 900xxx, is only ever "possible": no one may hold it.
    """
    phonenumbers = pytest.importorskip("phonenumbers")
    numbers = {number for path in files() for number in PHONE.findall(text_of(path))}
    parsed = {number: phonenumbers.parse(number) for number in numbers}
    assert len(numbers) > 40
    assert all(phonenumbers.is_possible_number(number) for number in parsed.values())
    strange = {n for n, number in parsed.items() if not phonenumbers.is_valid_number(number)}
    assert {n for n in strange if not n.startswith("+44 7700 900")} == set()
    assert len(numbers - strange) > 25
