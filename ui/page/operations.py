"""The operations page: what was asked and how it went, the guard, cost, releases, the audit log.

It is drawn from what is on disk, so that a restart loses nothing, and never holds a word of what
was asked or said.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from ingest.errors import SurefootError
from rag.audit import audit_key, checked
from rag.audit_chain import AuditReport
from rag.config import load as load_config
from rag.releases.registry import Registry
from rag.releases.rows import Event
from rag.telemetry.memory import memories
from ui.operations import server
from ui.operations.alerts import firing
from ui.operations.budgets import Standing, standings
from ui.operations.ledger import Ledger
from ui.operations.rows import Row
from ui.operations_view import SPANS, clock, days, findings, inside, reasons, slots, summary
from ui.page import cards
from ui.page import operations_cards as draw
from ui.page import operations_state as tell
from ui.page.context import Context

EVERY_S = 5.0
JUDGE_S = 30


@dataclass(frozen=True, slots=True)
class Release:
    """What happened to the variants, and how it is drawn."""

    events: tuple[Event, ...]
    html: str


@st.cache_resource(show_spinner=False, max_entries=8)
def ledger(kb: Path) -> Ledger:
    """The log of one knowledge base, read once a process."""
    return Ledger(kb / "audit")


@st.cache_resource(show_spinner=False, ttl=EVERY_S, max_entries=4)
def asked_server(place: server.Where) -> server.Facts | server.NoServer:
    """What the server says, to all sessions at once."""
    try:
        return server.facts(place)
    except server.NoServer as error:
        return error


@st.cache_resource(show_spinner=False, max_entries=4)
def promised(kb: Path, turn: int) -> tuple[Standing, ...]:
    """The objectives, judged once in JUDGE_S: what a month holds takes a while to add up."""
    del turn  # part of the cache's key only
    now = time.time()
    return standings(ledger(kb).rows(now), now)


def page(context: Context) -> None:
    """The page for a keeper."""
    with st.container(key="operations"):
        st.html("<h1>Operations</h1>")
        with st.container(horizontal=True, vertical_alignment="center", key="operations-bar"):
            names = [span.name for span in SPANS]
            chosen = st.segmented_control(
                "The last",
                names,
                default="Day",
                required=True,
                key="operations-span",
                label_visibility="collapsed",
            )
            live = st.toggle("Live", value=True, key="operations-live")
        # A fragment: a tick draws these figures and nothing else of the page.
        st.fragment(_figures, run_every=EVERY_S if live else None)(context, chosen)
        _audit(context.kb)


def _figures(context: Context, chosen: str) -> None:
    """All but the audit. A tick of the clock has no border but this one."""
    try:
        _draw(context.kb, chosen, time.time())
    except OSError as error:
        problem = f"The audit log cannot be read: {error.strerror}."
        st.html(cards.trouble_html(problem, "Look at who may read the folder audit/."))
    except SurefootError as error:
        st.html(cards.trouble_html(str(error)))


def _draw(kb: Path, chosen: str, now: float) -> None:
    log = ledger(kb)
    rows, kept = log.rows(now), promised(kb, int(now // JUDGE_S))
    release, memory = _release(kb), tuple(memories())
    if alerts := firing(kept, memory, release.events, now):
        st.html(draw.alerts_html(alerts))
    if log.exists():
        _counted(rows, chosen, now)
        about = "How much may go wrong in 30 days, and what is left of it."
        goals = draw.objectives_html(kept, quiet=not alerts)
        st.html(draw.section_html("Objectives", about) + goals + tell.memory_html(memory))
    else:
        st.html(draw.nothing_html(str(kb)))
    if log.full:
        st.html(draw.full_html(len(rows)))
    st.html(draw.section_html("Release") + release.html)
    _server(kb, now)


def _counted(rows: Sequence[Row], chosen: str, now: float) -> None:
    """What the log tells, of the chosen span and of the month."""
    prices, offset = load_config().telemetry, _offset()
    span = next(span for span in SPANS if span.name == chosen)
    found = slots(rows, span, now, offset)
    these = inside(found)
    total = summary(these, prices)
    st.html(draw.figures_html(total) + draw.traffic_html(found, span, offset))
    st.html(draw.reasons_html(reasons(these)))
    about = "What it found and what it did, by label; never the words themselves."
    st.html(
        draw.section_html("Guard", about)
        + draw.guard_html(found, findings(these), span, offset)
        + draw.section_html("Cost")
        + draw.cost_html(total.spent, days(rows, prices, now, offset), prices, offset)
    )


def _release(kb: Path) -> Release:
    """A damaged file of releases costs its section, not the page."""
    registry = Registry.beside(kb)
    try:
        events = registry.events()
        html = tell.release_html(registry.state(), events, str(kb), _offset())
    except SurefootError as error:
        return Release((), cards.trouble_html(str(error)))
    return Release(events, html)


def _server(kb: Path, now: float) -> None:
    place = server.where(os.environ, load_config().serve)
    found = asked_server(place)
    if isinstance(found, server.NoServer):
        body = tell.no_server_html(found, place.named, str(kb))
    else:
        body = tell.server_html(found, place.url, now)
    st.html(draw.section_html("Server") + body)


def _audit(kb: Path) -> None:
    """The check of the log. Its outcome stays until the next."""
    about = "Each line is sealed to the one before it, so that no edit, gap or cut goes unseen."
    st.html(draw.section_html("Audit log", about))
    if not ledger(kb).exists():
        st.html('<p class="sf-quiet">It begins with the first question.</p>')
        return
    if st.button("Check the log", key="operations-check"):
        with st.spinner("Checking every line", show_time=True):
            st.session_state["operations-audit"] = _checked(kb), time.time()
    if "operations-audit" not in st.session_state:
        return
    report, at = st.session_state["operations-audit"]
    if isinstance(report, str):
        st.html(cards.trouble_html(report))
    else:
        st.html(tell.audit_html(report, clock(at, "%H:%M:%S", _offset())))


def _checked(kb: Path) -> AuditReport | str:
    """The report, or why there is none."""
    try:
        return checked(kb / "audit", audit_key())
    except OSError as error:
        return f"The audit log cannot be read: {error.strerror}"


def _offset() -> int:
    """Seconds from UTC to the reader's clock."""
    return -60 * (st.context.timezone_offset or 0)
