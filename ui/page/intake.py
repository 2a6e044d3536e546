"""Documents taken into a knowledge base from a page: one job at a time for each base.

`add` draws all of it: what to take in, how far it is, what became of it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from ingest.errors import KnowledgeBaseMissing, SurefootError
from ingest.manifest import read_manifest
from ingest.types import DocumentRecord
from ui.page import intake_cards as draw
from ui.page.cards import trouble_html
from ui.page.context import Reader
from ui.page.job import Job
from ui.taking import MOST_MB, Batch, Order, Taken, earlier_uploads, take_in
from ui.uploads import Sent

TICK_S = 0.4
MOST_FILES = 200


class Jobs:
    """The last job of each base; one a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[Path, Job[Taken]] = {}

    def start(self, order: Order, by: Reader) -> Job[Taken]:
        """Raises SurefootError while another one runs."""
        key = order.kb.resolve()
        with self._lock:
            last = self._jobs.get(key)
            if last is not None and last.running:
                raise SurefootError("documents are being added already; wait for that to end")
            self._jobs[key] = Job(lambda tally: take_in(order, tally), by, order.readers)
            return self._jobs[key]

    def last(self, kb: Path) -> Job[Taken] | None:
        with self._lock:
            return self._jobs.get(kb.resolve())

    def clear(self, kb: Path) -> None:
        """Put away what the last one said; one that runs stays."""
        with self._lock:
            last = self._jobs.get(kb.resolve())
            if last is not None and not last.running:
                del self._jobs[kb.resolve()]


@st.cache_resource(show_spinner=False)
def jobs() -> Jobs:
    return Jobs()


def add(kb: Path, reader: Reader, shared: bool, documents: Sequence[DocumentRecord] = ()) -> bool:
    """The job that runs, or what the last one did and the form for another.

    `documents` are those that the reader may see, `shared` says that other machines reach the page.
    True once a job has made a base.
    """
    status(kb, reader)
    form(kb, reader, shared, documents)
    last = jobs().last(kb)
    return last is not None and not last.running and is_base(kb)


def status(kb: Path, reader: Reader) -> None:
    """The job that runs, with its progress; or what the last one did, until that is put away."""
    last = jobs().last(kb)
    if last is None:
        return
    if last.running:
        with st.container(key="intake-job"):
            st.fragment(run_every=TICK_S)(_running)(last, reader)
    else:
        _ended(kb, last, reader)


def is_local(reader: Reader, shared: bool) -> bool:
    """Whether the reader may name folders of this machine: who signs in may sit at another."""
    return not reader.name and not shared


def is_base(kb: Path) -> bool:
    """Whether there is a knowledge base. Raises KnowledgeBaseError for a damaged one."""
    try:
        read_manifest(kb)
    except KnowledgeBaseMissing:
        return False
    return True


def form(kb: Path, reader: Reader, shared: bool, documents: Sequence[DocumentRecord] = ()) -> None:
    """What to take in, and for whom; nothing while something is being taken in."""
    last = jobs().last(kb)
    if last is not None and last.running:
        return
    local = is_local(reader, shared)
    number = st.session_state.setdefault("intake-number", 0)
    with st.container(key="intake-form"):
        files = st.file_uploader(
            "Drop files here, or choose them",
            accept_multiple_files=True,
            key=f"intake-files-{number}",
            max_upload_size=MOST_MB,
        )
        folder = ""
        if local:
            folder = st.text_input(
                "Or a folder or file on this machine",
                key=f"intake-folder-{number}",
                placeholder="~/Documents",
                max_chars=4096,
            ).strip()
        groups = frozenset(_groups(reader, number))
        if st.button("Add to the knowledge base", type="primary", disabled=not (files or folder)):
            sent = tuple(Sent(file.name, file) for file in files[:MOST_FILES])
            batches = (Batch((Path(folder).expanduser(),), groups),) if folder else ()
            earlier = earlier_uploads(kb, documents, groups)
            order = Order(kb, sent, groups, earlier, batches)
            _start(order, reader, len(files) - len(sent))
        st.html(draw.hint_html(local, kb))


def _groups(reader: Reader, number: int) -> list[str]:
    """Who may see the new documents: groups that the reader is in, or everyone."""
    mine = sorted(reader.groups)
    if not mine:
        return []
    return st.multiselect(
        "Who may see them",
        mine,
        default=mine,
        key=f"intake-groups-{number}",
        placeholder="Everyone",
        help="Readers with any of these groups. Without a group, everyone.",
    )


def _start(order: Order, reader: Reader, too_many: int) -> None:
    if too_many > 0:
        st.html(trouble_html(f"{MOST_FILES} files at once are the most.", "Add the rest next."))
        return
    try:
        jobs().start(order, reader)
    except SurefootError as error:
        st.html(trouble_html(str(error)))
        return
    # Fresh fields for the next time.
    st.session_state["intake-number"] += 1
    st.rerun()


def _running(job: Job[Taken], reader: Reader) -> None:
    if not job.running:
        st.rerun()
    named = job.names_for(reader)
    st.html(draw.running_html(job.tally.read(), job.stopping, named))
    st.button("Stop", key="intake-stop", on_click=job.stop, disabled=job.stopping)


def _ended(kb: Path, job: Job[Taken], reader: Reader) -> None:
    with st.container(key="intake-ended"):
        if job.problem:
            st.html(trouble_html(job.problem, "What was there before is unchanged."))
        elif job.result is None:
            st.html(draw.stopped_html(job.tally.read()))
        else:
            st.html(draw.ended_html(job.result, job.names_for(reader)))
        st.button("Dismiss", key="intake-clear", type="tertiary", on_click=jobs().clear, args=(kb,))
