"""The page of a PDF that a citation is from, as a picture with the quoted words marked.

Whatever the guard hides in answers is covered in the picture too; a page that it can't read, or
does not let pass, is not shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Protocol, TypeVar, runtime_checkable

import streamlit as st

from ingest.isolation import TaskFailed, Workers
from ingest.load import content_hash
from ingest.readers.pdf_picture import PagePicture, page_picture, page_text
from ingest.types import DocumentRecord
from rag.safety.redact import masks
from rag.safety.rules import MASKED
from rag.types import Answer, Citation, Decision, Stage, Verdict
from ui.page.cards import state
from ui.page.marks import escape
from ui.page.settings import Loader
from ui.view import short

T = TypeVar("T")
OFFERED = 4
SECONDS, MEMORY = 20.0, 2_000_000_000
_LEAST_TEXT = 10
SCAN = "It is a scan: what it shows can’t be checked for personal data, so it is not shown here."
BARRED = "The guard does not let this page pass, so it is not shown here."
GONE = "The original file is no longer at {}."
CHANGED = "The original file has changed since it was read. Ingest it again to see its pages."


class Checks(Protocol):
    """The part of a guard that a page goes through."""

    def check(self, text: str, stage: Stage) -> Verdict: ...


@runtime_checkable
class Guarded(Protocol):
    """An assistant with a guard."""

    @property
    def guard(self) -> Checks: ...


class Untold(Exception):
    """A page that can't be shown. `args[0]` says why, in a sentence."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A page, with the words on it that are cited."""

    document: str
    path: str
    title: str
    page: int
    quotes: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"Page {self.page} · {short(self.title or PurePath(self.path).name, 40)}"


def pages(answer: Answer) -> list[Wanted]:
    """The pages of PDFs that an answer cites, in the order of its citations; at most four. Pure."""
    titles = {passage.document: passage.title for passage in answer.passages}
    quotes: dict[tuple[str, str, int], dict[str, None]] = {}
    for citation in (item for sentence in answer.sentences for item in sentence.citations):
        if citation.page is not None and _is_pdf(citation):
            key = (citation.document, citation.path, citation.page)
            quotes.setdefault(key, {})[citation.quote] = None
    return [
        Wanted(document, path, titles.get(document, ""), page, tuple(said))
        for (document, path, page), said in list(quotes.items())[:OFFERED]
    ]


@st.dialog("Source page", width="medium")
def show(wanted: Wanted, seen: Iterable[DocumentRecord], loader: Loader) -> None:
    """The page in a dialog; `seen` are the documents that the reader may see."""
    st.html(
        f'<div class="sf-where"><b>{escape(wanted.title or wanted.path)}</b>'
        f"<span>page {wanted.page} · {escape(PurePath(wanted.path).name)}</span></div>"
    )
    try:
        with st.spinner("Drawing the page"):
            picture = _picture(wanted, _sha256(wanted, seen), loader)
    except Untold as problem:
        st.html(state("unknown", "This page can’t be shown", f"<p>{escape(str(problem))}</p>"))
        return
    said = (
        "The quoted words are marked."
        if picture.marked
        else (
            "The quoted words could not be found on the page; the text beside the number has them."
        )
    )
    st.image(picture.png, width="stretch", caption=said, output_format="PNG")


def _picture(wanted: Wanted, sha256: str, loader: Loader) -> PagePicture:
    """Raises Untold."""
    path = Path(wanted.path)
    try:
        if content_hash(path) != sha256:
            raise Untold(CHANGED)
    except OSError as error:
        raise Untold(GONE.format(path)) from error
    return drawn(wanted, sha256, loader)


@st.cache_resource(show_spinner=False, max_entries=64, ttl=3600)
def drawn(wanted: Wanted, sha256: str, _loader: Loader) -> PagePicture:
    """A page, made once for all who may see it, in a process of its own. Raises Untold."""
    del sha256  # part of the cache's key only
    with closing(Workers(1, SECONDS, MEMORY)) as workers:
        text = _run(workers, page_text, wanted.path, wanted.page)
        if len(text.split()) < _LEAST_TEXT:
            raise Untold(SCAN)
        hidden = _hidden(text, _loader)
        return _run(workers, page_picture, wanted.path, wanted.page, wanted.quotes, hidden)


def _run(workers: Workers, function: Callable[..., T], *arguments: object) -> T:
    """Raises Untold."""
    try:
        return workers.collect(workers.submit(function, *arguments), function, *arguments)
    except TaskFailed as error:
        raise Untold(f"It could not be drawn ({short(error.reason, 120)}).") from error


def _hidden(text: str, loader: Loader) -> tuple[tuple[int, int], ...]:
    """What is to be covered. Raises Untold where nothing may be seen."""
    assistant = loader.get()
    if not isinstance(assistant, Guarded):
        raise Untold(BARRED)
    verdict = assistant.guard.check(text, "passage")
    if verdict.decision is Decision.BLOCK or verdict.status == "error":
        raise Untold(BARRED)
    acted = (finding for finding in verdict.findings if finding.action in MASKED)
    return tuple((mask.start, mask.end) for mask in masks(text, acted))


def _sha256(wanted: Wanted, seen: Iterable[DocumentRecord]) -> str:
    """The hash of the document, if the reader may see it and it is there. Raises Untold."""
    for record in seen:
        if record.document == wanted.document or wanted.document in record.identities:
            return record.sha256
    raise Untold("The document is no longer in the knowledge base.")


def _is_pdf(citation: Citation) -> bool:
    return PurePath(citation.path).suffix.lower() == ".pdf"
