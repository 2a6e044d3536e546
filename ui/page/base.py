"""The knowledge base page: its documents, what is added to it, a trial search, its health.

It draws what `ingest` returns. Whoever keeps a base sees the documents of their own groups and
those for everyone, and how many more there are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import streamlit as st

from ingest.errors import KnowledgeBaseError
from ingest.records import KnowledgeBaseInfo
from ingest.types import DocumentRecord
from ui.originals import glance
from ui.page import base_cards as draw
from ui.page import base_document, base_health, base_search, cards, intake
from ui.page.base_list import (
    COLUMNS,
    EVERYONE,
    PAGE,
    View,
    chosen,
    groups_of,
    kinds_of,
    page_of,
    row,
)
from ui.page.base_table import table
from ui.page.context import Context
from ui.page.places import by_turns
from ui.page.talk import documents, open_base

_VIEW, _LIST = "base-view", "base-list"


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page is about: the base in figures, and the documents that its reader may see."""

    context: Context
    info: KnowledgeBaseInfo
    seen: tuple[DocumentRecord, ...]

    @property
    def local(self) -> bool:
        return intake.is_local(self.context.reader, self.context.settings.shared)


def page(context: Context) -> None:
    """The page for a keeper."""
    kb, reader = context.kb, context.reader
    if not reader.keeper:
        st.html(cards.state("blocked", "For keepers only", "<p>Ask whoever keeps this base.</p>"))
        return
    with st.container(key="base"):
        try:
            info = open_base(kb).info()
            seen = documents(kb, f"{info.generation} {info.updated}", reader.groups)
        except KnowledgeBaseError as error:
            st.html(cards.trouble_html(str(error), "A check below says more, and may mend it."))
            base_health.check(kb, reader, hidden=0)
            return
        shown = Shown(context, info, seen)
        base_document.receipt(kb)
        record = base_document.opened(seen)
        if record is not None:
            intake.status(kb, reader)
            base_document.show(context, seen, record)
            return
        st.html(draw.head_html(kb.name, info, len(seen)))
        names = list(VIEWS)
        view = st.segmented_control(
            "View",
            names,
            key=_VIEW,
            default=names[0],
            required=True,
            label_visibility="collapsed",
            persist_state="session",
        )
        intake.status(kb, reader)
        VIEWS[view](shown)


def _documents(shown: Shown) -> None:
    if shown.seen:
        _listing(shown)
    else:
        st.html(draw.empty_html(shown.local))


@st.fragment
def _listing(shown: Shown) -> None:
    """The list. Typing in it draws nothing else."""
    if base_document.wanted():
        st.rerun()
    view = _narrowed(shown)
    found = chosen(shown.seen, view)
    number, rows = page_of(found, view.number)
    with by_turns("base-found", (bool(found), len(found) > PAGE)):
        if not found:
            st.html('<p class="sf-quiet">No document like that. Search for fewer words.</p>')
            return
        table(
            COLUMNS,
            [row(item, glance(item)) for item in rows],
            view.sort,
            view.down,
            base_document.open_one,
            lambda key: _keep(view.sorted_by(key)),
        )
        _pager(view, number, len(found))


def _narrowed(shown: Shown) -> View:
    """The view as the fields above the list have it."""
    view: View = st.session_state.setdefault(_LIST, View())
    groups = [EVERYONE, *groups_of(shown.seen, shown.context.reader.groups)]
    with st.container(key="base-filters", horizontal=True):
        words = st.text_input(
            "Find a document",
            key="base-words",
            type="search",
            live=True,
            max_chars=200,
            placeholder="Find a document",
            label_visibility="collapsed",
            persist_state="session",
        )
        group = _choice("Readers", "base-group", groups, "All readers") if groups[1:] else None
        kind = _choice("Kind", "base-kind", kinds_of(shown.seen), "All kinds")
    new = replace(view, words=words or "", group=group, kind=kind)
    if new != view:
        new = replace(new, number=0)
        _keep(new)
    return new


def _choice(label: str, key: str, options: list[str], every: str) -> str | None:
    return st.selectbox(
        label,
        options,
        index=None,
        key=key,
        placeholder=every,
        label_visibility="collapsed",
        persist_state="session",
    )


def _keep(view: View) -> None:
    st.session_state[_LIST] = view


def _pager(view: View, number: int, count: int) -> None:
    last = (count - 1) // PAGE
    if not last:
        return
    with st.container(key="base-pager", horizontal=True, vertical_alignment="center"):
        words = f"{number * PAGE + 1:,} to {min((number + 1) * PAGE, count):,} of {count:,}"
        st.html(f'<p class="sf-quiet">{words}</p>')
        _turn("Back", replace(view, number=number - 1), number > 0)
        _turn("Next", replace(view, number=number + 1), number < last)


def _turn(label: str, view: View, possible: bool) -> None:
    st.button(
        label,
        key=f"base-turn-{label}",
        type="tertiary",
        disabled=not possible,
        on_click=_keep,
        args=(view,),
    )


def _add(shown: Shown) -> None:
    intake.form(shown.context.kb, shown.context.reader, shown.context.settings.shared, shown.seen)


def _search(shown: Shown) -> None:
    base_search.show(shown.context.kb, shown.context.reader)


def _health(shown: Shown) -> None:
    base_health.show(shown.context.kb, shown.context.reader, shown.info, shown.seen)


VIEWS: dict[str, Callable[[Shown], None]] = {
    "Documents": _documents,
    "Add": _add,
    "Search": _search,
    "Health": _health,
}
