"""A trial search: which passages a question finds, for whom, and how their scores come about."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ingest.errors import SurefootError
from rag.config import load as load_config
from rag.retrieve import Retriever
from ui.options import conditions
from ui.page import base_cards as draw
from ui.page.cards import trouble_html
from ui.page.context import Reader

MOST = 50


@st.cache_resource(show_spinner=False)
def open_retriever(kb: Path) -> Retriever:
    """What finds passages, one a process."""
    from rag import assemble

    return assemble.open_retriever(kb, load_config(), assemble.open_embedder())


@st.fragment
def show(kb: Path, reader: Reader) -> None:
    """The question, for whom it is asked, and what it finds."""
    mine = sorted(reader.groups)
    question = st.text_input(
        "Question or words",
        key="base-question",
        max_chars=1000,
        placeholder="What would somebody ask?",
        persist_state="session",
    ).strip()
    with st.container(key="base-search-fields", horizontal=True, vertical_alignment="bottom"):
        groups = _groups(mine)
        where = st.text_input(
            "Only where",
            key="base-where",
            max_chars=500,
            placeholder="author=Ng",
            help="KEY=VALUE, or KEY>=VALUE with a date or number: "
            "author, date, path, heading, page and other metadata.",
        ).strip()
        top = st.number_input("Passages", 1, MOST, 10, key="base-top", width=110)
    if not question:
        st.html(
            '<p class="sf-quiet">This shows what the chat would be given to answer from: no '
            "language model is asked.</p>"
        )
        return
    try:
        with st.spinner("Searching"):
            chosen = conditions([where] if where else None)
            found = open_retriever(kb).retrieve(question, frozenset(groups), int(top), chosen)
    except SurefootError as error:
        st.html(trouble_html(str(error)))
        return
    st.html(draw.found_html(found))


def _groups(mine: list[str]) -> list[str]:
    if not mine:
        return []
    return st.multiselect(
        "As a reader in",
        mine,
        default=mine,
        key="base-search-groups",
        placeholder="No group",
    )
