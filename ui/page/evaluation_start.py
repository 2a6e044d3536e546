"""Starting an evaluation from the page, and going on with one that was stopped."""

from __future__ import annotations

import hashlib
import re
import shlex
import shutil
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from evals.cases import open_cases
from evals.errors import RunError
from evals.evaluation import GATES
from evals.report.words import suite_words
from evals.rundir import write_file
from evals.sample import CASES
from evals.suites import SUITES, get
from ingest.errors import SurefootError
from ui.evaluation_jobs import Job, Jobs, last_words, read_job
from ui.evaluation_runs import RUNS, RunRow, comparable
from ui.page import cards
from ui.page import evaluation_cards as draw
from ui.page.context import Context

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

UPLOAD, PATH = "Upload a file", "A file on this machine"
KEPT = "cases-"
FIRST = ("qa", "retrieval", "pii", "grounding", "injection", "moderation", "refusal", "perplexity")
assert set(FIRST) == set(SUITES)
_ODD = re.compile(r"[^\w.-]")


def form(context: Context, rows: Sequence[RunRow], jobs: Jobs, go: Callable[..., None]) -> None:
    """What to measure, on which cases, how many, compared with what."""
    st.html("<h1>New evaluation</h1>")
    suite = st.selectbox("What to measure", FIRST, format_func=_suite, key="evaluations-suite")
    ready = ready_cases(suite, context.kb)
    # On a page that others reach, nobody reads the server's files by name.
    own = [] if context.settings.shared else [PATH]
    chosen = st.selectbox("Cases", [*ready, UPLOAD, *own], key=f"evaluations-cases-{suite}")
    uploaded = _upload(suite) if chosen == UPLOAD else None
    typed = _typed_path() if chosen == PATH else ""
    left, right = st.columns(2)
    most = left.number_input(
        "At most so many, drawn by chance",
        min_value=1,
        value=None,
        placeholder="All of them",
        key="evaluations-most",
    )
    with right:
        baseline = _baseline(suite, rows)
    going = any(row.state == "running" for row in rows)
    if going:
        st.html('<p class="sf-quiet">One evaluation runs at a time. Stop it, or wait for it.</p>')
    # While a file is on its way there is none yet: what was pressed then would be forgotten.
    waits = going or (chosen == UPLOAD and uploaded is None)
    if not st.button("Start", type="primary", key="evaluations-start", disabled=waits):
        return
    try:
        with st.spinner("Reading the cases"):
            path = ready.get(chosen) or _cases(suite, uploaded, typed, context.kb)
            open_cases([path], get(suite).check)
            folder = _start(context, jobs, suite, path, most, baseline)
    except SurefootError as error:
        st.html(cards.trouble_html(str(error)) + draw.example_html(suite))
        return
    go(run=folder.name)
    st.rerun()


def unfinished(row: RunRow, jobs: Jobs) -> None:
    """A run that was stopped, or never began: why, and how it goes on."""
    try:
        job = read_job(row.path)
        done = jobs.look(row.path).done if row.state == "stopped" else 0
    except RunError as error:
        st.html(cards.trouble_html(str(error)))
        return
    st.html(draw.unfinished_html(row, done, last_words(row.path)))
    if job is None:
        return
    again = "Go on" if row.state == "stopped" else "Try again"
    if st.button(again, type="primary", key="evaluations-again"):
        try:
            jobs.start(row.path, job)
        except SurefootError as error:
            st.html(cards.trouble_html(str(error)))
            return
        st.rerun()
    st.html(draw.command_html(shlex.join(["surefoot", *job.command(row.path)])))


def ready_cases(suite: str, kb: Path) -> dict[str, Path]:
    """Case files at hand, by what they are called: the sample, promoted reviews, uploads."""
    found: dict[str, Path] = {}
    if suite == "qa" and (promoted := kb.parent / "regression.jsonl").is_file():
        found["Promoted from reviews: regression.jsonl"] = promoted
    if (sample := CASES / f"{suite}.jsonl").is_file():
        found[f"The sample that ships: {sample.name}"] = sample
    for path in sorted((kb / RUNS).glob(f"{KEPT}*/*")):
        found[f"Uploaded before: {path.name} ({path.parent.name.removeprefix(KEPT)})"] = path
    return found


def kept_name(name: str) -> str:
    """An uploaded file's name that is a plain one, and says what is in it."""
    plain = _ODD.sub("_", Path(name).name).lstrip(".")[-80:]
    return plain if plain.endswith((".jsonl", ".jsonl.gz")) else f"{plain or 'cases'}.jsonl"


def limits_file(kb: Path) -> Path | None:
    """The gate's limits: the base's own, else those where the page was started."""
    return next((path for path in (kb / GATES, Path(GATES).resolve()) if path.is_file()), None)


def _suite(name: str) -> str:
    return f"{suite_words(name).title}: {SUITES[name]}"


def _upload(suite: str) -> UploadedFile | None:
    found = st.file_uploader(
        "Case file, JSON lines", type=["jsonl", "gz"], key=f"evaluations-upload-{suite}"
    )
    if found is None:
        st.html(draw.example_html(suite))
    return found


def _typed_path() -> str:
    return st.text_input("Path", placeholder="/home/me/cases.jsonl", key="evaluations-path") or ""


def _baseline(suite: str, rows: Sequence[RunRow]) -> RunRow | None:
    others = comparable(RunRow("", Path(), suite, "", 0.0, None, "finished"), rows)
    if not others:
        return None
    return st.selectbox(
        "Compare with",
        others,
        index=None,
        placeholder="Nothing",
        format_func=draw.run_name,
        key=f"evaluations-baseline-{suite}",
    )


def _cases(suite: str, uploaded: UploadedFile | None, typed: str, kb: Path) -> Path:
    """Raises SurefootError where none was given, and for an upload that is no case file."""
    if uploaded is not None:
        return _keep(suite, kept_name(uploaded.name), uploaded.getvalue(), kb / RUNS)
    if not typed.strip():
        raise SurefootError("choose a case file first")
    return Path(typed.strip()).expanduser().resolve()


def _keep(suite: str, name: str, data: bytes, runs: Path) -> Path:
    """Keep an upload for later runs, too; one that is no case file is not kept."""
    folder = runs / f"{KEPT}{hashlib.sha256(data).hexdigest()[:8]}"
    new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_file(folder / name, data)
        open_cases([folder / name], get(suite).check)
    except OSError as error:
        raise RunError(folder, f"cannot be made: {error.strerror}") from error
    except SurefootError:
        if new:
            shutil.rmtree(folder)
        raise
    return folder / name


def _start(
    context: Context, jobs: Jobs, suite: str, path: Path, most: int | None, base: RunRow | None
) -> Path:
    limits = limits_file(context.kb)
    job = Job(
        suite=suite,
        cases=str(path),
        kb=str(context.kb),
        sample=most,
        baseline=str(base.path) if base else "",
        gates=str(limits) if limits else "",
        model=context.settings.model or "",
        groups=tuple(sorted(context.reader.groups)),
    )
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    folder = context.kb / RUNS / f"{suite}-{stamp}"
    jobs.start(folder, job)
    return folder
