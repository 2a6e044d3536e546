"""The first page of all: without a knowledge base, it helps to make one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from shlex import quote

import streamlit as st

from ingest.errors import SurefootError
from ui.page.cards import state, trouble_html
from ui.page.context import Reader
from ui.page.marks import escape
from ui.page.settings import Settings
from ui.page.signin import OPEN

USUAL = "~/surefoot-kb"
_FOLDER = "first-folder"
_HEAD = (
    '<div class="sf-welcome"><h1>Make a knowledge base</h1><p>Surefoot answers from documents that '
    "you give it, each sentence with the words that support it. They stay on this machine.</p>"
    "</div>"
)
_SAMPLE = (
    '<h2>No documents at hand?</h2><p class="sf-quiet">35 papers of a small ferry '
    "company, which is made up: policies, manuals, prices, minutes.</p>"
)


@dataclass
class Made:
    """The base that was made from the page; one for all sessions of the process.

    `making` is the folder of the last one that was begun.
    """

    kb: Path | None = None
    making: Path | None = None


@st.cache_resource(show_spinner=False)
def made() -> Made:
    return Made()


def page(reader: Reader, settings: Settings) -> None:
    """Where it shall lie, what it shall hold; then on to the chat."""
    from ui.page.intake import is_local

    st.html(_HEAD)
    if not reader.keeper:
        ask = "<p>Ask whoever keeps this page to add documents.</p>"
        st.html(state("empty", "Nothing to ask yet", ask))
        return
    chosen = is_local(reader, settings.shared)
    body, place = st.container(), st.container(key="first-place")
    with place:
        kb = _folder() if chosen else Path(USUAL).expanduser()
    with body:
        try:
            _make(kb, reader, settings.shared)
        except SurefootError as error:
            st.html(trouble_html(str(error), "Choose another folder." if chosen else ""))
    if chosen:
        st.html(f'<p class="sf-quiet">{OPEN}</p>')


def _folder() -> Path:
    """The folder that is typed; while a base is being made, its own."""
    st.session_state.setdefault(_FOLDER, str(made().making or USUAL))
    typed = st.text_input(
        "Keep the knowledge base in",
        key=_FOLDER,
        max_chars=4096,
        disabled=_running(made().making),
    )
    kb = Path(typed.strip() or USUAL).expanduser().absolute()
    if kb != Path(USUAL).expanduser():
        said = f"<code>surefoot chat --kb {escape(quote(str(kb)))}</code> opens it the next time."
        st.html(f'<p class="sf-quiet">{said}</p>')
    return kb


def _running(kb: Path | None) -> bool:
    from ui.page.intake import jobs

    last = jobs().last(kb) if kb else None
    return last is not None and last.running


def _make(kb: Path, reader: Reader, shared: bool) -> None:
    """Raises SurefootError for a folder that can't be a base."""
    from ui.page import intake

    intake.status(kb, reader)
    last = intake.jobs().last(kb)
    if last is not None:
        made().making = kb
    if last is not None and last.running:
        return
    if not intake.is_base(kb):
        intake.form(kb, reader, shared)
        _sample(kb, reader)
    elif last is not None and last.result is not None and not last.result.failed:
        _open(kb)
        st.rerun()
    else:
        _there(kb, new=last is not None)


def _there(kb: Path, new: bool) -> None:
    """There is a base: what became of its files has been said."""
    if not new:
        st.html(state("empty", "A knowledge base is here already", ""))
    label = "Go on to the chat" if new else "Open it"
    st.button(label, type="primary", on_click=_open, args=(kb,))


def _sample(kb: Path, reader: Reader) -> None:
    with st.container(key="first-sample"):
        st.html(_SAMPLE)
        if st.button("Try it with the sample documents"):
            _begin(kb, reader)
            st.rerun()


def _begin(kb: Path, reader: Reader) -> None:
    from evals.sample import DOCUMENTS
    from ui.page.intake import jobs
    from ui.taking import Batch, Order

    jobs().start(Order(kb, batches=(Batch((DOCUMENTS,), frozenset()),)), reader)


def _open(kb: Path) -> None:
    made().kb = kb
