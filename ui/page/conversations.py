"""The conversations at the side: begun, found, opened; and the one that is open, looked after."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import streamlit as st

from ingest.files import status_of
from rag.config import load as load_config
from rag.conversations import LONGEST_NAME, Conversation, Conversations
from rag.restored import may_restore, restored_turns
from rag.safety.policy import policy_of
from rag.safety.vault_opening import LateSessions
from rag.turns import ConversationError
from ui.conversation_view import markdown, whole_json
from ui.page import conversation as session
from ui.page.context import Context
from ui.page.keeping import Past, Record
from ui.page.marks import escape, escape_markdown
from ui.page.places import by_turns
from ui.view import short

LISTED = 30
FRESH_S = 30
"""Groups of documents may change without the file of conversations changing."""
_HELD = "talk-conversation"


def store_of(context: Context) -> Conversations:
    """The reader's own conversations; without sign-in, those of the command line."""
    return Conversations.beside(context.kb, context.reader.name)


@st.cache_resource(show_spinner=False)
def sessions_of(kb: Path) -> LateSessions:
    """The pseudonyms of all conversations, one a process."""
    return LateSessions(kb)


def current(context: Context) -> session.Conversation:
    """The conversation that is open on this page."""
    if _HELD not in st.session_state:
        st.session_state[_HELD] = session.Conversation(_record(context))
    held: session.Conversation = st.session_state[_HELD]
    return held


def opened(context: Context, key: str) -> None:
    """Put a kept conversation on the page. Raises ConversationError, VaultError."""
    store, groups = store_of(context), context.reader.groups
    kept = store.get(key, groups)
    current(context).stop()
    record = _record(context)
    record.id, record.name = kept.id, kept.name
    record.resume()
    turns = [session.Turn.held(Past.of(turn)) for turn in kept.turns]
    st.session_state[_HELD] = session.Conversation(record, turns, kept.hidden)


def matching(found: Iterable[Conversation], wanted: str) -> list[Conversation]:
    """Those whose name, questions and answers hold every word of `wanted`. Pure."""
    words = wanted.casefold().split()
    return [item for item in found if not words or _holds(item, words)]


@st.fragment
def side(context: Context) -> None:
    """What is drawn at the side. Typing in it draws nothing else."""
    talk = current(context)
    if st.button("New conversation", icon=":material/edit_square:", width="stretch"):
        talk.clear()
        st.rerun()
    try:
        kept = _all(context)
    except ConversationError as error:
        st.html(f'<p class="sf-note">{escape(str(error))}</p>')
        return
    if not kept:
        st.html('<p class="sf-quiet">What you ask is kept here, for you alone.</p>')
        return
    wanted = st.text_input(
        "Search conversations",
        key="talk-search",
        type="search",
        live=True,
        max_chars=200,
        placeholder="Search conversations",
        label_visibility="collapsed",
    )
    _list(context, matching(kept, wanted or ""), talk.record.id)


def head(context: Context) -> None:
    """The name of the open conversation, and what can be done with it."""
    talk = current(context)
    if not talk.record.name:
        return
    with st.container(key="talk-head", horizontal=True, vertical_alignment="center"):
        st.html(f'<h1 class="sf-title">{escape(talk.record.name)}</h1>')
        with st.popover(
            "Conversation", icon=":material/more_horiz:", type="tertiary", key="talk-menu"
        ):
            _menu(context, talk)


def foot(talk: session.Conversation) -> None:
    """What is to be said below the turns: why they are not kept, and how many are not seen."""
    said = []
    if talk.hidden:
        said.append(f"{talk.hidden} more rest on documents that you may not see.")
    if talk.record.problem:
        said.append(f"This conversation is not kept: {talk.record.problem}")
    if said:
        st.html(f'<p class="sf-note">{escape(" ".join(said))}</p>')


def _menu(context: Context, talk: session.Conversation) -> None:
    """Rename, export, delete. Ids are part of the keys: another conversation has fresh fields."""
    record = talk.record
    with st.form(f"talk-rename-{record.id}", border=False):
        name = st.text_input("Name", value=record.name, max_chars=LONGEST_NAME)
        if st.form_submit_button("Rename"):
            _rename(context, record, name or "")
    _exports(context, record)
    sure = st.checkbox("Delete it for good", key=f"talk-sure-{record.id}")
    if st.button("Delete", key=f"talk-delete-{record.id}", disabled=not sure):
        _delete(context, talk)


def _rename(context: Context, record: Record, name: str) -> None:
    try:
        store_of(context).rename(record.id, name, context.reader.groups)
    except ConversationError as error:
        st.html(f'<p class="sf-refused" role="alert">{escape(error.problem)}</p>')
        return
    record.name = " ".join(name.split())
    st.rerun()


def _exports(context: Context, record: Record) -> None:
    """Two files, made when they are asked for."""

    def whole() -> Conversation:
        found = store_of(context).get(record.id, context.reader.groups)
        if not may_restore(policy_of(load_config().guard), context.reader.groups):
            return found
        return replace(found, turns=restored_turns(found.turns, record.session.value))

    def as_json() -> str:
        return json.dumps(whole_json(whole()), ensure_ascii=False, indent=2)

    with st.container(horizontal=True, gap="small"):
        for label, make, end, mime in (
            ("Markdown", lambda: markdown(whole()), "md", "text/markdown"),
            ("JSON", as_json, "json", "application/json"),
        ):
            st.download_button(
                label,
                make,
                file_name=f"{record.id}.{end}",
                mime=mime,
                key=f"talk-export-{end}-{record.id}",
                icon=":material/download:",
                on_click="ignore",
            )


def _delete(context: Context, talk: session.Conversation) -> None:
    try:
        talk.stop()
        store_of(context).delete(talk.record.id, context.reader.groups)
    except ConversationError as error:
        st.html(f'<p class="sf-refused" role="alert">{escape(error.problem)}</p>')
        return
    talk.clear()
    st.rerun()


def _list(context: Context, found: Sequence[Conversation], open_id: str) -> None:
    shown = found[:LISTED]
    with by_turns("talk-list", [item.id for item in shown]):
        for item in shown:
            _row(context, item, item.id == open_id)
    if not found:
        st.html('<p class="sf-quiet">None holds these words.</p>')
    elif rest := len(found) - len(shown):
        st.html(f'<p class="sf-quiet">and {rest:,} more; search to find them</p>')
    else:
        st.empty()


def _row(context: Context, item: Conversation, here: bool) -> None:
    label = escape_markdown(short(item.name, 48))
    key = f"talk-open-{item.id}{'-here' if here else ''}"
    if st.button(label, key=key, type="tertiary", width="stretch") and not here:
        try:
            opened(context, item.id)
        except ConversationError as error:
            st.html(f'<p class="sf-refused" role="alert">{escape(error.problem)}</p>')
            return
        st.rerun()


def _all(context: Context) -> tuple[Conversation, ...]:
    store = store_of(context)
    return _kept(store.path, _stamp(store.path), context.reader.name, context.reader.groups, store)


@st.cache_resource(show_spinner=False, max_entries=64, ttl=FRESH_S)
def _kept(
    path: Path, stamp: tuple[int, ...], owner: str, groups: frozenset[str], _store: Conversations
) -> tuple[Conversation, ...]:
    """Read once for each state of the file."""
    del path, stamp, owner  # parts of the cache's key only
    return _store.all(groups)


def _stamp(path: Path) -> tuple[int, ...]:
    """What changes when the file or its write-ahead log does."""
    files = (path, path.with_name(f"{path.name}-wal"))
    found = (status for file in files if (status := status_of(file)))
    return tuple(number for status in found for number in (status.st_mtime_ns, status.st_size))


def _record(context: Context) -> Record:
    sessions = sessions_of(context.kb)
    uses = policy_of(load_config().guard).uses("pseudonym")
    return Record(store_of(context), context.reader.groups, sessions if uses else None)


def _holds(item: Conversation, words: Sequence[str]) -> bool:
    texts = [item.name, *(text for turn in item.turns for text in (turn.question, turn.text))]
    whole = "\n".join(texts).casefold()
    return all(word in whole for word in words)
