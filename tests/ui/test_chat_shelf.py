from __future__ import annotations

from evals.sample import DOCUMENTS
from ingest.types import DocumentRecord
from ui.page import shelf


def record(title: str, path: str, groups: frozenset[str] = frozenset()) -> DocumentRecord:
    return DocumentRecord(
        path, path, title, len(title), groups, "0", 1, 1, "", (path,), (path,), {}
    )


def test_titles_outside_the_groups_are_not_seen() -> None:
    board, hr = frozenset({"board"}), frozenset({"hr"})
    all_of_them = [record("b", "/b"), record("Secret", "/s", board), record("A", "/a", hr)]
    assert [item.title for item in shelf.visible(all_of_them, frozenset())] == ["b"]
    assert [item.title for item in shelf.visible(all_of_them, hr)] == ["A", "b"]


def test_documents_are_found_by_every_word() -> None:
    two = [record("Annual leave", "/kb/hr-01.pdf"), record("Travel", "/kb/leave-form.md")]
    assert [item.title for item in shelf.matching(two, "LEAVE hr-01")] == ["Annual leave"]
    assert len(shelf.matching(two, " ")) == 2
    assert "1 more" not in shelf.list_html(two)
    assert "and 2 more" in shelf.list_html(two * 21)


def test_examples_are_the_demos_for_the_sample_only() -> None:
    sample = [record(file.stem, str(file)) for file in DOCUMENTS.rglob("*") if file.is_file()]
    assert any("dental plan" in question for question in shelf.examples(sample))
    own = [record("Pumps", "/p"), record("Winches <b>", "/w"), record("x" * 99, "/x")]
    assert shelf.examples(own) == ("What does “Winches <b>” say?", "What does “Pumps” say?")
    assert shelf.examples([]) == ()


def test_times_are_for_people() -> None:
    assert shelf.when("2026-11-20T09:30:00+00:00") == "20 Nov 2026, 09:30"
    assert shelf.when("yesterday") == "yesterday"
    assert (shelf.count([record("A", "/a")]), shelf.count([])) == ("1 document", "0 documents")
