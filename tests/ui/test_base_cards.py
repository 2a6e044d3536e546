"""The knowledge base page's pure parts: the list, its words, HTML that nothing can inject into."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.load import content_hash
from ingest.plan import Change, Outcome
from ingest.types import DocumentRecord, Failure, IngestReport, StoredChunk
from ingest.verify import VerifyReport
from rag.types import Passage
from ui.originals import Original, glance, look, look_at_all
from ui.page import base_cards as draw
from ui.page import intake_cards
from ui.page.base_list import EVERYONE, PAGE, View, chosen, page_of, size
from ui.page.job import Standing, Tally
from ui.taking import Taken
from ui.testing import Tags

HOSTILE = st.lists(
    st.sampled_from(["<script>x()</script>", "<img src=x>", '"', "'", "</div>", "&lt;", "\n", "a"])
    | st.text(max_size=6),
    max_size=8,
).map("".join)


def record(
    title: str = "Leave",
    path: str = "/d/leave.md",
    groups: tuple[str, ...] = (),
    count: int = 10,
    at: str = "2026-11-20T09:30:00+00:00",
    sha256: str = "00",
) -> DocumentRecord:
    return DocumentRecord(
        path, path, title, count, frozenset(groups), sha256, count, count, at,
        (path,), (path,), {"author": title},
    )  # fmt: skip


@given(HOSTILE)
def test_nothing_of_a_document_can_inject(text: str) -> None:
    item = record(text, f"/d/{text}", (text,) if text else ())
    chunk = StoredChunk(1, "c", "d", text, text, 0, 9, text, (text, "h"), 3, frozenset())
    passage = Passage(1, 0.5, 0.5, 1.0, "d", text, text, (text, "h"), 3, 0, 9, text, also=(text,))
    failed = (Failure(text, text),)
    report = IngestReport(1, 0, 0, 0, 0, failed, 3, 0.1)
    change = Change(Outcome.ADDED, text, text)
    taken = Taken((report,), failed, (change,), None)
    found = {state: [item] for state in Original}
    html = "".join(
        [
            draw.title_html(item),
            draw.document_html(item, Original.SAME, set()),
            draw.passages_html([chunk]),
            draw.found_html([passage]),
            draw.forgetting_html([text], {text: 1}, 2),
            draw.receipt_html({text: 1}, text),
            draw.verified_html(VerifyReport(1, 1, (text,)), 0),
            draw.mended_html([text], [text], ok=False),
            draw.originals_html(found),
            intake_cards.ended_html(taken, named=True),
            intake_cards.running_html(Standing(text, 1, 2, 3, failed, 4.0, 5.0), False, True),
            intake_cards.hint_html(False, Path(f"/{text}".replace("\0", ""))),
        ]
    )
    assert not Tags(html).seen & {"script", "img", "a", "style", "iframe"}


def test_names_are_kept_from_those_who_may_not_see_them() -> None:
    failed = (Failure("/d/secret.md", "empty"),)
    report = IngestReport(1, 0, 0, 0, 0, failed, 3, 0.1)
    taken = Taken((report,), failed, (Change(Outcome.ADDED, "/d/secret.md", "/d/secret.md"),), None)
    html = intake_cards.ended_html(taken, named=False)
    assert "secret" not in html
    assert "1 failed" in html
    problem = VerifyReport(1, 1, ("document /d/secret.md: its content is missing", "chunk 3: gone"))
    assert "secret" not in draw.verified_html(problem, hidden=1)
    assert "chunk 3: gone" in draw.verified_html(problem, hidden=1)
    assert "secret" in draw.verified_html(problem, hidden=0)


@pytest.mark.parametrize(
    ("view", "found"),
    [
        (View(), ["Alpha", "Beta", "gamma"]),
        (View(down=True), ["gamma", "Beta", "Alpha"]),
        (View(sort="size"), ["gamma", "Alpha", "Beta"]),
        (View(words="bet"), ["Beta"]),
        (View(words="c.pdf"), ["gamma"]),
        (View(kind="PDF"), ["Beta", "gamma"]),
        (View(group="hr"), ["Beta"]),
        (View(group=EVERYONE), ["Alpha", "gamma"]),
    ],
)
def test_the_list_is_narrowed_and_sorted(view: View, found: list[str]) -> None:
    documents = [
        record("Beta", "/d/b.pdf", ("hr",), 30),
        record("gamma", "/d/c.pdf", (), 10),
        record("Alpha", "/d/a.md", (), 20),
    ]
    assert [item.title for item in chosen(documents, view)] == found


def test_a_head_sorts_and_turns_round() -> None:
    view = View(number=3).sorted_by("size")
    assert (view.sort, view.down, view.number) == ("size", True, 0)
    assert view.sorted_by("size").down is False
    assert view.sorted_by("no column") == view


@given(st.integers(0, 500), st.integers(-5, 50))
def test_pages_hold_everything_once(count: int, number: int) -> None:
    documents = [record(f"{place}") for place in range(count)]
    at, rows = page_of(documents, number)
    assert len(rows) <= PAGE
    assert bool(rows) == bool(count)
    assert at >= 0
    pages = [page_of(documents, place)[1] for place in range(max(-(-count // PAGE), 1))]
    assert [item for page in pages for item in page] == documents


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (12_345, "12 kB"), (3_400_000, "3.4 MB"),
     (999_600, "1.0 MB"), (5 * 10**12, "5,000 GB")],
)  # fmt: skip
def test_sizes_are_for_people(count: int, said: str) -> None:
    assert size(count) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "1 s"), (59, "59 s"), (61, "1 min"), (3600, "1 h 0 min"), (7800, "2 h 10 min")],
)
def test_time_is_for_people(seconds: float, said: str) -> None:
    assert intake_cards.span(seconds) == said


def test_originals_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "leave.md"
    path.write_text("one")
    later = "2999-01-01T00:00:00+00:00"
    same = record(path=str(path), sha256=content_hash(path), at=later)
    inside = DocumentRecord(
        "17", str(path), "t", 1, frozenset(), "00", 1, 1, later, (str(path),), ("17",), {}
    )
    gone = record(path=str(tmp_path / "gone.md"), at=later)
    assert [look(item) for item in (same, inside, gone)] == ["same", "within", "gone"]
    assert [glance(item) for item in (same, inside, gone)] == ["same", "within", "gone"]
    path.write_text("two")
    old = record(path=str(path), sha256=same.sha256, at="2001-01-01T00:00:00+00:00")
    assert (look(same), glance(old)) == (Original.CHANGED, Original.CHANGED)
    found = look_at_all([same, inside, gone], Tally())
    assert {state: len(items) for state, items in found.items()} == {
        "same": 0, "changed": 1, "gone": 1, "within": 1,
    }  # fmt: skip
