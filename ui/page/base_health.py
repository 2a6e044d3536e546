"""The health of a base: is everything what it should be, does it match its files, what was before.

What takes long runs in a thread of its own and goes on when the page is left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import streamlit as st

from ingest.errors import SurefootError
from ingest.manifest import read_manifest
from ingest.records import KnowledgeBaseInfo
from ingest.repair import RepairReport, repair
from ingest.store import KnowledgeBase
from ingest.types import DocumentRecord
from ingest.verify import VerifyReport, verify
from ui.originals import Original, look_at_all
from ui.page import base_cards as draw
from ui.page import intake, talk
from ui.page.cards import status_html, trouble_html
from ui.page.context import Reader
from ui.page.intake_cards import running_html
from ui.page.job import Job, Tally
from ui.taking import Batch, Order

T = TypeVar("T")
TICK_S = 0.4
Found = Mapping[Original, Sequence[DocumentRecord]]


def show(kb: Path, reader: Reader, info: KnowledgeBaseInfo, seen: Sequence[DocumentRecord]) -> None:
    """All of it, a part below the other."""
    check(kb, reader, info.documents - len(seen))
    _files(kb, reader, seen)
    _part("Index")
    st.html(draw.index_html(info.index))
    _part("Generations")
    st.html(draw.generation_html(info))
    if info.previous is not None and st.button("Go back", key="base-rollback"):
        _roll_back(kb, info.generation, info.previous)
    _part("In figures")
    st.html(draw.base_html(info))


def check(kb: Path, reader: Reader, hidden: int) -> None:
    """Verify the base, and mend it where something is wrong. It need not open for that."""
    _part("Check", "Reads every text, chunk, vector and word, and compares their hashes.")
    # Not through a KnowledgeBase: one whose vector file is gone cannot be opened.
    _begin("base-verify", "Check now", lambda _: verify(kb, read_manifest(kb)), reader)
    job: Job[VerifyReport] | None = _followed("base-verify", "Checking")
    report = job.result if job is not None else None
    if report is not None:
        st.html(draw.verified_html(report, hidden))
        if not report.ok:
            _begin("base-repair", "Mend what can be mended", lambda _: repair(kb), reader)
    mending: Job[RepairReport] | None = _followed("base-repair", "Mending")
    if mending is not None and mending.result is not None:
        done = mending.result
        # Nobody can tell any more for whom the lost ones were.
        lost = done.lost if not hidden else ()
        st.html(draw.mended_html(done.done, lost, done.ok))


def _files(kb: Path, reader: Reader, seen: Sequence[DocumentRecord]) -> None:
    """Compare the documents with the files that they were read from."""
    _part("Files", "Compares your documents with the files that they were read from.")

    def work(tally: Tally) -> Found:
        return look_at_all(seen, tally)

    _begin("base-files", "Compare now", work, reader)
    job: Job[Found] | None = _followed("base-files", "")
    found = job.result if job is not None else None
    if found is None:
        return
    st.html(draw.originals_html(found))
    changed = found[Original.CHANGED]
    if changed and st.button("Read the changed ones again", key="base-renew-all"):
        order = Order(kb, batches=_batches(changed))
        try:
            intake.jobs().start(order, reader)
        except SurefootError as error:
            st.html(trouble_html(str(error)))
            return
        del st.session_state["base-files"]
        st.rerun()


def _batches(records: Sequence[DocumentRecord]) -> tuple[Batch, ...]:
    """Files with the same readers together. Pure."""
    paths: dict[frozenset[str], list[Path]] = {}
    for record in records:
        paths.setdefault(record.groups, []).append(Path(record.path))
    return tuple(Batch(tuple(found), groups) for groups, found in paths.items())


@st.dialog("Go back to an earlier generation?")
def _roll_back(kb: Path, now: int, before: int) -> None:
    st.html(
        f"<p>Generation {now} is what the last change made. Going back to {before} undoes that "
        "change for everyone; adding the same files again brings it back.</p>"
    )
    with st.container(horizontal=True):
        sure = st.button(f"Go back to {before}", type="primary", key="base-rollback-sure")
        if st.button("Stay", type="tertiary", key="base-rollback-not"):
            st.rerun()
    if sure:
        try:
            KnowledgeBase.open(kb).rollback()
        except SurefootError as error:
            st.html(trouble_html(str(error)))
            return
        talk.documents.clear()
        st.rerun()


def _begin(key: str, label: str, work: Callable[[Tally], T], reader: Reader) -> None:
    job: Job[T] | None = st.session_state.get(key)
    busy = job is not None and job.running
    if st.button(label, key=f"{key}-go", disabled=busy):
        st.session_state[key] = Job(work, reader)
        st.rerun()


def _followed(key: str, words: str) -> Job[T] | None:
    """The job of this key, if there is one; drawn while it runs, and where it failed."""
    job: Job[T] | None = st.session_state.get(key)
    if job is None:
        return None
    if job.running:
        st.fragment(run_every=TICK_S)(_watch)(job, key, words)
    elif job.problem:
        st.html(trouble_html(job.problem))
    return job


def _watch(job: Job[T], key: str, words: str) -> None:
    if not job.running:
        st.rerun()
    standing = job.tally.read()
    if words:
        st.html(status_html(words, standing.seconds))
        return
    st.html(running_html(standing, job.stopping, named=True))
    st.button("Stop", key=f"{key}-stop", on_click=job.stop, disabled=job.stopping)


def _part(title: str, words: str = "") -> None:
    more = f'<p class="sf-quiet">{words}</p>' if words else ""
    st.html(f'<div class="sf-part"><h2>{title}</h2>{more}</div>')
