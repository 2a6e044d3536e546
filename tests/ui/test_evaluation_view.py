"""The evaluations page: cases by kind, words, and pieces as HTML."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.diff import Counts, RunDiff, Side, Turned
from evals.report.facts import GateWords, Head
from evals.suites import SUITES, get
from evals.types import Score, ScoredCase
from ui.evaluation_jobs import Stand
from ui.evaluation_runs import Figure, RunRow
from ui.evaluation_view import (
    EXAMPLES,
    STATES,
    CaseLine,
    case_lines,
    counts,
    left_words,
    neighbours,
    of_kind,
    progress_words,
)
from ui.page import evaluation_cards as draw
from ui.page.evaluation_start import FIRST, kept_name, ready_cases
from ui.testing import Tags

ROW = RunRow("qa-1", Path("/kb/runs/qa-1"), "qa", "c.jsonl", 1e9, 9, "finished")
HOSTILE = st.lists(
    st.sampled_from(["<script>x()</script>", "<img src=x>", '"', "'", "</div>", "&lt;", "\n", "a"])
    | st.text(max_size=6),
    max_size=8,
).map("".join)


def scored(name: str, status: Any = "scored", **values: float) -> ScoredCase:
    return ScoredCase(Score(name, name, status, values), "s", {})


@pytest.mark.parametrize(
    ("suite", "case", "kinds"),
    [
        ("qa", scored("a", answerable=1, answered=1, right=1), set()),
        ("qa", scored("a", answerable=1, answered=1, right=0), {"wrong"}),
        ("qa", scored("a", answerable=1, abstained=1), {"wrong", "abstained"}),
        ("qa", scored("a", answerable=0, abstained=1), {"abstained"}),
        ("qa", scored("a", "unscored"), {"failed"}),
        ("pii", scored("a", gold=1, hits_gold=1, predicted=1, hits_predicted=1), {"flagged"}),
        ("pii", scored("a", gold=1), {"wrong"}),
        ("injection", scored("a", score=0.9, truth=1, said=1), {"flagged"}),
        ("refusal", scored("a", safe=1, blocked=1), {"wrong", "flagged"}),
        ("perplexity", scored("a", nll=4, tokens=2), set()),
    ],
)
def test_kinds_of_cases(suite: str, case: ScoredCase, kinds: set[str]) -> None:
    (line,) = case_lines(suite, [case], {"a": "text"})
    assert line.kinds == kinds
    assert line.gist == "text"


def test_cases_come_worst_first_and_are_found_by_their_words() -> None:
    cases = case_lines(
        "qa",
        [
            scored("good", answerable=1, answered=1, right=1),
            scored("bad", answerable=1, answered=1, right=0),
            scored("none", "unscored"),
        ],
        {"good": "Leave in May?", "bad": "Leave in June?"},
    )
    assert [case.id for case in cases] == ["none", "bad", "good"]
    assert counts(cases) == {"": 3, "wrong": 1, "failed": 1}
    assert [case.id for case in of_kind(cases, "", "june leave")] == ["bad"]
    assert of_kind(cases, "wrong", "may") == ()


@given(st.lists(st.text(max_size=3), unique=True, max_size=6), st.text(max_size=3))
def test_going_on_from_any_case_meets_each_once(names: list[str], start: str) -> None:
    cases = [CaseLine(name, "", "", frozenset(), (0, 0)) for name in names]
    seen, at = [], names[0] if names else None
    while at is not None:
        seen.append(at)
        at = neighbours(cases, at)[1]
    assert seen == names
    before, after = neighbours(cases, start)
    assert {before, after} <= {*names, None}


@pytest.mark.parametrize(
    ("stand", "words"),
    [
        (Stand(0, 0, None, None), "Reading the cases"),
        (Stand(0, 0, 60, None), "Loading what 60 cases are asked of"),
        (Stand(3, 0, 60, None), "3 of 60 cases"),
        (Stand(9, 0, 9, 0.0), "All 9 cases are done; working out the figures"),
        (Stand(3, 1, 60, 130.0), "3 of 60 cases, 1 failed · about 2 min left"),
    ],
)
def test_progress_in_words(stand: Stand, words: str) -> None:
    assert progress_words(stand) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "a few seconds"), (31, "about 30 s"), (3000, "about 50 min"), (8000, "about 2 h")],
)
def test_the_time_left_is_no_finer_than_it_is_known(seconds: float, words: str) -> None:
    assert left_words(seconds) == f"{words} left"


def test_every_suite_has_an_example_that_is_a_case() -> None:
    import json

    assert set(EXAMPLES) == set(SUITES) == set(FIRST)
    for suite, line in EXAMPLES.items():
        get(suite).check(json.loads(line))


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("cases.jsonl", "cases.jsonl"),
        ("a b.jsonl.gz", "a_b.jsonl.gz"),
        ("../../run.json", "run.json.jsonl"),
        ("..", "cases.jsonl"),
        ("", "cases.jsonl"),
    ],
)
def test_an_uploaded_file_gets_a_plain_name(name: str, kept: str) -> None:
    assert kept_name(name) == kept


def test_case_files_at_hand(tmp_path: Path) -> None:
    kb = tmp_path / "kb"
    kept = kb / "runs" / "cases-0a1b" / "mine.jsonl"
    kept.parent.mkdir(parents=True)
    kept.write_text("", encoding="utf-8")
    (tmp_path / "regression.jsonl").write_text("", encoding="utf-8")
    names = [path.name for path in ready_cases("qa", kb).values()]
    assert names == ["regression.jsonl", "qa.jsonl", "mine.jsonl"]
    assert list(ready_cases("pii", kb).values()) == [kept]


def diff_of(worse: int, better: int, *turned: Turned) -> RunDiff:
    return RunDiff("qa", "a", "b", Counts(better, worse, 5, 0, 0, 0, 0), (), turned)


def test_turned_cases_by_kind() -> None:
    side = Side("word", 0.5, ())
    lost, gained = (
        Turned("l", "Lost one", -1.0, side, side),
        Turned("g", "Got one", 1.0, side, side),
    )
    both = draw.turned_html(diff_of(3, 1, lost, gained), 0)
    assert "Lost one" in both
    assert "Got one" in both
    assert "2 more" in both
    assert "2 more" in draw.turned_html(diff_of(3, 1, lost, gained), -1)
    assert "more:" not in draw.turned_html(diff_of(3, 1, lost, gained), 1)
    assert "No case turned this way" in draw.turned_html(diff_of(1, 0, lost), 1)
    assert "No case stands otherwise" in draw.turned_html(diff_of(0, 0), 1)


ATTRIBUTES = {
    "class", "role", "aria-label", "aria-hidden", "aria-valuemin", "aria-valuemax",
    "aria-valuenow", "aria-valuetext", "style",
}  # fmt: skip


@given(HOSTILE, HOSTILE, st.sampled_from([*STATES]))
def test_nothing_in_a_run_can_inject(text: str, other: str, state: Any) -> None:
    figure = Figure(text, 0.5, 0.25, 0.75, 3, True)
    row = replace(ROW, key=other, suite=text, cases=other, state=state, headline=figure, failed=2)
    side = Side(text, 0.5, (other, text))
    turned = Turned(text, other, -1.0, side, side)
    diff = RunDiff(text, other, text, Counts(1, 1, 1, 1, 0, 0, 0), (text, other), (turned,))
    gate = GateWords("fail", "fail", "x", text, (other,), "", (), ())
    html = draw.row_html(row) + draw.progress_html(row, Stand(1, 1, 3, None))
    html += draw.unfinished_html(replace(row, problem=text), 1, other) + draw.alone_html(row)
    html += draw.head_html(Head(text, other, (text,), other), gate) + draw.counts_html(diff)
    html += draw.turned_html(diff, -1) + draw.turned_html(diff, 1)
    html += draw.places_html([text, other]) + draw.command_html(text)
    html += draw.hidden_html(frozenset([text, other])) + draw.limits_html(None, Path(text or "x"))
    tags = Tags(html)
    assert tags.attributes <= ATTRIBUTES
    assert tags.seen <= {
        "div", "span", "b", "i", "small", "details", "summary", "section", "p", "h1", "h4", "pre",
        "code", "ul", "li",
    }  # fmt: skip


def test_a_bar_lies_where_its_interval_does() -> None:
    html = draw.bar_html(Figure("f1", 0.5, 0.25, 0.75, 3, True))
    assert "left:25.00%;width:50.00%" in html
    assert "left:50.00%" in html
    assert draw.bar_html(Figure("perplexity", 9.0, 8.0, 10.0, 3, False)) == ""
    assert draw.bar_html(Figure("f1", 0.5, None, None, 3, True)) == ""
