"""One finished evaluation: its figures, curves, slices and cases, and itself against another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from evals.diff import RunDiff, diff_runs
from evals.gate import gate_json, judge, read_limits
from evals.metrics import Metric, table
from evals.report import HTML
from evals.report.cards import Card, card
from evals.report.facts import GateWords, gate_words
from evals.report.outline import gist
from evals.report.page import Report, build_report
from evals.report.standing import standing
from evals.rundir import RESULTS, Run
from evals.suites import get
from evals.types import ScoredCase
from ingest.errors import SurefootError
from ingest.files import status_of
from ui.evaluation_runs import RunRow, comparable, may_see_cases
from ui.evaluation_view import CaseLine, case_lines, counts, neighbours, of_kind
from ui.page import cards
from ui.page import evaluation_cards as draw
from ui.page.context import Context
from ui.page.drawings import drawings
from ui.page.evaluation_start import limits_file

TURNED = 200
TURNS = {"Lost and gained": 0, "Lost": -1, "Gained": 1}
Stamp = float


@st.cache_resource(show_spinner="Drawing the report", max_entries=8)
def report_of(path: Path, stamp: Stamp) -> Report:
    """A run's report. `stamp`, the time of its results, is part of the key only."""
    del stamp
    run = Run.load(path)
    return build_report(run, _metrics(run, run.scores()))


@st.cache_resource(show_spinner="Reading the cases", max_entries=8)
def cases_of(path: Path, stamp: Stamp) -> tuple[CaseLine, ...]:
    del stamp
    run = Run.load(path)
    suite = run.info.pins.suite
    gists = {case.id: gist(suite, case.row) for case, _ in run.rows()}
    return case_lines(suite, run.scores(), gists)


@st.cache_resource(show_spinner=False, max_entries=64)
def card_of(path: Path, stamp: Stamp, name: str) -> Card | None:
    """All there is to see of one case; None if the run's files do not have it."""
    del stamp
    run = Run.load(path)
    suite = run.info.pins.suite
    item = next((item for item in run.scores() if item.score.id == name), None)
    row = next(((case, outcome) for case, outcome in run.rows() if case.id == name), None)
    if item is None or row is None:
        return None
    return card(suite, standing(suite, item.score), item, *row)


@st.cache_resource(show_spinner="Comparing, case by case", max_entries=8)
def compared(
    before: Path, after: Path, stamps: tuple[Stamp, ...], limits: Path | None
) -> tuple[GateWords, RunDiff]:
    """The gate's verdict on `after`, and which cases turned."""
    del stamps
    first, then = Run.load(before), Run.load(after)
    held = read_limits(limits, then.info.pins.suite) if limits else ()
    verdict = judge(then, _metrics(then, then.scores()), held, first)
    return gate_words(gate_json(verdict)), diff_runs(first, then, TURNED)


def show(context: Context, row: RunRow, rows: Sequence[RunRow]) -> None:
    """The run's sentences, then a part of it at a time."""
    try:
        report = report_of(row.path, _stamp(row.path))
    except SurefootError as error:
        st.html(cards.trouble_html(str(error), "Give the run's command again."))
        return
    st.html(draw.head_html(report.head, report.gate))
    names = ["Figures", "Cases", "Compare", "Provenance"]
    names[1:1] = (["Curves"] if report.pictures else []) + (["Slices"] if report.slices else [])
    tabs = st.tabs(names, key="evaluations-tab", on_change="rerun")
    shown = dict(zip(names, tabs, strict=True))
    name, tab = next(((name, tab) for name, tab in shown.items() if tab.open), ("Figures", tabs[0]))
    with tab:
        _part(name, context, row, rows, report)


def _part(name: str, context: Context, row: RunRow, rows: Sequence[RunRow], report: Report) -> None:
    if name == "Figures":
        st.html(draw.figures_html(report))
    elif name == "Curves":
        drawings(draw.pictures_html(report.pictures), "evaluations-pictures")
    elif name == "Slices":
        st.html(draw.slices_html(report))
    elif name == "Provenance":
        st.html(draw.provenance_html(report, str(row.path)))
        _download(row)
    elif not may_see_cases(row, context.reader.groups):
        st.html(draw.hidden_html(row.groups))
    elif name == "Cases":
        _cases(row)
    else:
        _compare(context, row, rows)


def _download(row: RunRow) -> None:
    path = row.path / HTML
    if path.is_file():
        st.download_button(
            "Download the report",
            path.read_bytes(),
            f"{row.key}.html",
            "text/html",
            key="evaluations-report",
            on_click="ignore",
        )


@st.fragment
def _cases(row: RunRow) -> None:
    """One case at a time, of a kind, or with some words."""
    cases = cases_of(row.path, _stamp(row.path))
    found = counts(cases)
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    kind = left.segmented_control(
        "Which cases",
        list(found),
        default="wrong" if found.get("wrong") else "",
        required=True,
        format_func=lambda name: f"{name.capitalize() or 'All'} · {found[name]:,}",
        key=f"evaluations-kind-{row.key}",
    )
    words = right.text_input("Find", placeholder="Words of a case", key="evaluations-find")
    chosen = of_kind(cases, kind or "", words or "")
    if not chosen:
        st.html('<p class="sf-quiet">No case of this kind has these words.</p>')
        return
    _case(row, _at(row, chosen), chosen)


def _at(row: RunRow, cases: Sequence[CaseLine]) -> str:
    """The case that is looked at: the first, until another is turned to."""
    key = f"evaluations-case-{row.key}"
    if st.session_state.get(key) not in {case.id for case in cases}:
        st.session_state[key] = cases[0].id
    return str(st.session_state[key])


def _case(row: RunRow, name: str, cases: Sequence[CaseLine]) -> None:
    key = f"evaluations-case-{row.key}"
    lines = {case.id: case for case in cases}
    before, after = neighbours(cases, name)
    with st.container(horizontal=True, vertical_alignment="bottom", key="evaluations-turn"):
        st.selectbox(
            f"Case {list(lines).index(name) + 1:,} of {len(cases):,}, the worst first",
            list(lines),
            format_func=lambda one: f"{lines[one].word}: {lines[one].gist[:80]}",
            key=key,
        )
        for label, letter, other in (("Back", "K", before), ("Next", "J", after)):
            st.button(
                label,
                type="tertiary",
                shortcut=letter,
                disabled=other is None,
                key=f"evaluations-{label}",
                on_click=st.session_state.__setitem__,
                args=(key, other),
            )
    shown = card_of(row.path, _stamp(row.path), name)
    if shown is not None:
        st.html(draw.case_html(shown))


def _compare(context: Context, row: RunRow, rows: Sequence[RunRow]) -> None:
    """Against another run of the suite: the verdict, then which cases turned."""
    groups = context.reader.groups
    others = [other for other in comparable(row, rows) if may_see_cases(other, groups)]
    if not others:
        st.html(draw.alone_html(row))
        return
    earlier = next((n for n, other in enumerate(others) if other.changed < row.changed), 0)
    other = st.selectbox(
        "Compare with",
        others,
        index=earlier,
        format_func=draw.run_name,
        key=f"evaluations-with-{row.key}",
    )
    limits = limits_file(context.kb)
    stamps = (_stamp(other.path), _stamp(row.path), _stamp(limits) if limits else 0.0)
    try:
        gate, diff = compared(other.path, row.path, stamps, limits)
    except SurefootError as error:
        st.html(cards.trouble_html(str(error), "Choose another run."))
        return
    st.html(draw.verdict_html(gate) + draw.limits_html(limits, context.kb))
    st.html(draw.counts_html(diff))
    with st.expander("Figure by figure", key="evaluations-lines"):
        st.html(draw.gate_html(gate))
    _turned(diff)


@st.fragment
def _turned(diff: RunDiff) -> None:
    side = st.segmented_control(
        "Which cases turned", list(TURNS), default="Lost and gained", required=True,
        key="evaluations-turns", label_visibility="collapsed",
    )  # fmt: skip
    st.html(draw.turned_html(diff, TURNS[side or "Lost and gained"]))


def _metrics(run: Run, scores: Sequence[ScoredCase]) -> Sequence[Metric]:
    return get(run.info.pins.suite).metrics(table([item.score for item in scores]))


def _stamp(path: Path) -> Stamp:
    """When a run's results, or a file, were written; 0 for what is gone."""
    status = status_of(path / RESULTS) or status_of(path)
    return status.st_mtime if status else 0.0
