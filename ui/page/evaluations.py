"""The evaluations page: the runs of a knowledge base, those under way, and the way to each.

What is looked at stands in the address (`run`, `new`), so that a run can be linked to.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import streamlit as st

from ui.evaluation_jobs import Jobs
from ui.evaluation_runs import JOB, RunRow, listed, places
from ui.page import evaluation_cards as draw
from ui.page import evaluation_run, evaluation_start
from ui.page.context import Context

TICK_S = 1.0


@st.cache_resource(show_spinner=False)
def jobs() -> Jobs:
    """The evaluations that were started here; one a process."""
    return Jobs()


def page(context: Context) -> None:
    """The list, or what the address names."""
    rows = listed(places(context.kb, os.environ), jobs().alive)
    with st.container(key="evaluations"):
        row = next((row for row in rows if row.key == st.query_params.get("run")), None)
        if row is not None:
            _back()
            _run(context, row, rows)
        elif "new" in st.query_params:
            _back()
            evaluation_start.form(context, rows, jobs(), go)
        else:
            _list(context, rows)


def go(**view: str) -> None:
    """Turn to a run, to the form, or with nothing to the list."""
    st.query_params.from_dict(view)


def _back() -> None:
    st.button(
        "All evaluations",
        icon=":material/arrow_back:",
        type="tertiary",
        key="evaluations-back",
        on_click=go,
    )


def _list(context: Context, rows: Sequence[RunRow]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="evaluations-head"):
        st.html("<h1>Evaluations</h1>")
        st.button(
            "New evaluation", type="primary", key="evaluations-new", on_click=go, kwargs={"new": ""}
        )
    if not rows:
        st.html(draw.empty_html())
    for row in rows:
        if row.state == "running":
            _going(row)
    with st.container(key="evaluations-list"):
        for number, row in enumerate(row for row in rows if row.state != "running"):
            _row(row, number)
    st.html(draw.places_html([str(folder) for folder in places(context.kb, os.environ)]))


def _row(row: RunRow, number: int) -> None:
    """The whole row is a button, which is told its name and its time."""
    with st.container(key=f"evaluations-row-{number}"):
        st.html(draw.row_html(row))
        name = f"Open {row.title or row.cases}, {row.key}"
        st.button(name, key=f"evaluations-open-{row.key}", on_click=go, kwargs={"run": row.key})


def _run(context: Context, row: RunRow, rows: Sequence[RunRow]) -> None:
    if row.state == "running":
        _going(row)
    elif row.state == "finished":
        evaluation_run.show(context, row, rows)
    else:
        evaluation_start.unfinished(row, jobs())


@st.fragment(run_every=TICK_S)
def _going(row: RunRow) -> None:
    """A run under way. Nothing else of the page is drawn again until it ends."""
    if not jobs().alive(row.path):
        st.rerun()
    with st.container(key=f"evaluations-going-{row.key}"):
        st.html(draw.progress_html(row, jobs().look(row.path)))
        if (row.path / JOB).is_file():
            st.button(
                "Stop", key=f"evaluations-stop-{row.key}", on_click=jobs().stop, args=(row.path,)
            )
