"""One document: what is known of it, its passages, its file, and the ways to renew or forget it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import streamlit as st

from ingest.errors import SurefootError
from ingest.passages import passages_of
from ingest.receipt import read_receipt
from ingest.types import DocumentRecord
from ui.forgetting import forget_for, preview
from ui.originals import Original, is_whole, look
from ui.page import base_cards as draw
from ui.page import cards, intake, pdf, talk
from ui.page.context import Context
from ui.taking import Batch, Order

PASSAGES = 20
_OPEN, _NUMBER, _RECEIPT = "base-document", "base-passages", "base-receipt"


def open_one(document: str | None) -> None:
    """Turn to a document, or back to all of them."""
    st.session_state[_OPEN] = document
    st.session_state[_NUMBER] = 0


def wanted() -> bool:
    """Whether a document is to be shown in place of the list."""
    return st.session_state.get(_OPEN) is not None


def opened(seen: Iterable[DocumentRecord]) -> DocumentRecord | None:
    """The document that is open, if the reader may see it and it is there."""
    name = st.session_state.get(_OPEN)
    if name is None:
        return None
    record = next((item for item in seen if item.document == name), None)
    if record is None:
        open_one(None)
    return record


def show(context: Context, seen: Sequence[DocumentRecord], record: DocumentRecord) -> None:
    """The page of one document."""
    original = look(record)
    with st.container(key="base-one"):
        st.button(
            "All documents",
            icon=":material/arrow_back:",
            type="tertiary",
            key="base-back",
            on_click=open_one,
            args=(None,),
        )
        st.html(draw.title_html(record))
        _actions(context, seen, record, original)
        st.html(draw.document_html(record, original, {item.document for item in seen}))
        _passages(context.kb, record)


def receipt(kb: Path) -> None:
    """What was forgotten last from this page, until it is put away."""
    path: Path | None = st.session_state.get(_RECEIPT)
    if path is None:
        return
    with st.container(key="base-receipt-card"):
        try:
            found = read_receipt(path)
            st.html(draw.receipt_html(found.receipt.removed, path.name))
            text = path.read_bytes()
        except (SurefootError, OSError) as error:
            st.html(cards.trouble_html(str(error), f"Receipts are kept in {kb / 'receipts'}."))
            text = b""
        with st.container(horizontal=True):
            if text:
                st.download_button(
                    "Download receipt", text, path.name, "application/json", on_click="ignore"
                )
            st.button("Dismiss", type="tertiary", key="base-receipt-clear", on_click=_put_away)


def _put_away() -> None:
    st.session_state.pop(_RECEIPT, None)


def _actions(
    context: Context, seen: Sequence[DocumentRecord], record: DocumentRecord, original: Original
) -> None:
    path = Path(record.path)
    with st.container(key="base-actions", horizontal=True):
        renewable = is_whole(record) and original is not Original.GONE
        st.button(
            "Read again",
            key="base-renew",
            disabled=not renewable,
            help=None if renewable else "Only a file of its own that is still there.",
            on_click=_renew,
            args=(context, record),
        )
        if original is Original.SAME:
            st.download_button(
                "Original",
                lambda: path.read_bytes(),
                path.name,
                key="base-original",
                on_click="ignore",
                icon=":material/download:",
            )
        st.download_button(
            "Text as read",
            lambda: talk.open_base(context.kb).document_text(record.document),
            f"{path.stem}.txt",
            "text/plain",
            key="base-text",
            on_click="ignore",
            icon=":material/download:",
        )
        if st.button("Forget", key="base-forget", type="tertiary"):
            _forget(context, seen, record)
    if problem := st.session_state.pop("base-problem", ""):
        st.html(cards.trouble_html(problem))


def _renew(context: Context, record: DocumentRecord) -> None:
    batch = Batch((Path(record.path),), record.groups)
    try:
        intake.jobs().start(Order(context.kb, batches=(batch,)), context.reader)
    except SurefootError as error:
        st.session_state["base-problem"] = str(error)


@st.dialog("Forget this document?", width="medium")
def _forget(context: Context, seen: Sequence[DocumentRecord], record: DocumentRecord) -> None:
    kb, groups = context.kb, context.reader.groups
    try:
        with st.spinner("Looking for what quotes it"):
            meant = preview(kb, seen, groups, record.document)
        mine = {item.document for item in seen}
        similar = sum(name in mine for name in meant.similar)
        st.html(draw.forgetting_html(meant.documents, meant.removed, similar))
        with st.container(horizontal=True):
            sure = st.button("Forget it for good", type="primary", key="base-forget-sure")
            if st.button("Keep it", type="tertiary", key="base-forget-not"):
                st.rerun()
        if not sure:
            return
        with st.spinner("Forgetting"):
            done = forget_for(kb, seen, groups, record.document)
    except SurefootError as error:
        st.html(cards.trouble_html(str(error)))
        return
    # What the pages still hold of it goes with it.
    talk.documents.clear()
    pdf.drawn.clear()
    intake.jobs().clear(kb)
    st.session_state.pop("base-files", None)
    st.session_state[_RECEIPT] = done.receipt
    open_one(None)
    st.rerun()


@st.fragment
def _passages(kb: Path, record: DocumentRecord) -> None:
    found = passages_of(kb, record.document)
    number = min(st.session_state.setdefault(_NUMBER, 0), max((len(found) - 1) // PASSAGES, 0))
    st.html('<div class="sf-kicker">Passages</div>')
    st.html(draw.passages_html(found[number * PASSAGES : (number + 1) * PASSAGES]))
    if len(found) <= PASSAGES:
        return
    with st.container(key="base-passage-pager", horizontal=True, vertical_alignment="center"):
        last = min((number + 1) * PASSAGES, len(found))
        st.html(f'<p class="sf-quiet">{number * PASSAGES + 1:,} to {last:,} of {len(found):,}</p>')
        for label, step in (("Back", -1), ("Next", 1)):
            st.button(
                label,
                key=f"base-passages-{label}",
                type="tertiary",
                disabled=not 0 <= (number + step) * PASSAGES < len(found),
                on_click=_turn,
                args=(number + step,),
            )


def _turn(number: int) -> None:
    st.session_state[_NUMBER] = number
