"""The audit log: one line a question, and no edit, gap or cut that is not found."""

from __future__ import annotations

import json
import multiprocessing
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rag.audit import AuditLog, checked
from rag.audit_chain import HEAD, AuditReport, canonical, log_files, read_lines, seal, verify
from rag.draft import STOPPED
from rag.types import Answer, Finding, ModelRef, Sentence, TokenUse

ANSWER = Answer(
    status="answered",
    text="Jean Marsh lives in Skarra.",
    sentences=(Sentence("Jean Marsh lives in Skarra.", 0.9),),
    passages=(),
    findings=(Finding("answer", "PERSON", 0, 10, 0.9, "ner", "redact"),) * 2,
    tokens=TokenUse(415, 53, 4096, (), 87),
    timings_ms={"first_shown": 2.0, "total": 5.0},
    model=ModelRef("small", "a" * 64),
    trace="",
    cause="from Jean Marsh",
)


def written(folder: Path, lines: int = 6, file_bytes: int = 10**6, key: bytes = b"") -> AuditLog:
    log = AuditLog(folder, key, file_bytes)
    for number in range(lines):
        log.note("refused", f"k{number}", status=429, why="rate")
    return log


def rewritten(folder: Path, data: bytes, place: int = -1) -> AuditReport:
    log_files(folder)[place].write_bytes(data)
    return verify(folder)


def test_a_log_that_nobody_touched_is_well(tmp_path: Path) -> None:
    written(tmp_path)
    report = verify(tmp_path)
    assert (report.ok, report.lines, report.files, report.kinds) == (True, 6, 1, {"refused": 6})
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_answer_leaves_numbers_and_no_words(tmp_path: Path) -> None:
    trace = tmp_path / "t1.json"
    trace.write_text(json.dumps({"template": "w" * 64, "kb": {"generation": 3}, "q": "Jean?"}))
    log = AuditLog(tmp_path / "audit", b"")
    log.answered(replace(ANSWER, trace=str(trace)), 0, "k1")
    (line,) = read_lines(tmp_path / "audit")
    assert "Jean" not in json.dumps(line)
    assert "Skarra" not in json.dumps(line)
    expected = {
        "kind": "answered", "by": "k1", "cause": "other", "model": "small", "generation": 3,
        "prompt_tokens": 415, "cached_tokens": 87, "completion_tokens": 53, "trace": "t1",
        "findings": {"answer/PERSON/redact": 2}, "template": "w" * 64, "sentences": 1,
        "supported": 1, "unsupported": 0, "withheld": 0, "first_shown_ms": 2.0, "token_ms": None,
    }  # fmt: skip
    assert {name: line[name] for name in expected} == expected
    assert len(line["trace_sha256"]) == 64


@pytest.mark.parametrize(
    ("answer", "kind", "cause"),
    [
        (replace(ANSWER, status="abstained", cause=STOPPED), "left", "stopped"),
        (replace(ANSWER, status="blocked", cause="filter ner: OSError"), "blocked", "filter"),
        (replace(ANSWER, status="blocked", cause="VIOLENCE"), "blocked", "policy"),
        (replace(ANSWER, cause=None), "answered", ""),
    ],
)
def test_every_end_has_its_kind_and_class(
    tmp_path: Path, answer: Answer, kind: str, cause: str
) -> None:
    AuditLog(tmp_path, b"").answered(answer, 0, "")
    (line,) = read_lines(tmp_path)
    assert (line["kind"], line["cause"]) == (kind, cause)


def test_a_log_that_is_being_written_is_whole(tmp_path: Path) -> None:
    log, done = written(tmp_path), Event()

    def write() -> None:
        while not done.is_set():
            log.note("refused", "k")

    writer = Thread(target=write)
    writer.start()
    try:
        assert all(checked(tmp_path, b"").ok for _ in range(20))
    finally:
        done.set()
        writer.join()


def test_failures_are_told_by_their_class_alone(tmp_path: Path) -> None:
    log = AuditLog(tmp_path, b"")
    log.failed(ValueError("Jean Marsh"), 0, "k1")
    log.failed(GeneratorExit(), 0, "k1")
    kinds = [(line["kind"], line["cause"]) for line in read_lines(tmp_path)]
    assert kinds == [("failed", "ValueError"), ("left", "GeneratorExit")]


@pytest.fixture(scope="module")
def whole() -> Iterator[dict[str, bytes]]:
    """The files of a log of seven lines, over more than one file."""
    with TemporaryDirectory() as folder:
        written(Path(folder), 7, file_bytes=700)
        yield {path.name: path.read_bytes() for path in Path(folder).glob("[ah]*")}


def laid(files: dict[str, bytes], folder: str) -> Path:
    for name, data in files.items():
        (Path(folder) / name).write_bytes(data)
    return Path(folder)


@settings(max_examples=300)
@given(st.data())
def test_every_single_edit_of_bytes_is_found(whole: dict[str, bytes], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(whole)))
    old = whole[name]
    start = data.draw(st.integers(0, len(old)))
    end = data.draw(st.integers(start, min(len(old), start + 400)))
    new = old[:start] + data.draw(st.binary(max_size=40)) + old[end:]
    assume(new != old)
    with TemporaryDirectory() as folder:
        assert not verify(laid({**whole, name: new}, folder)).ok


@settings(max_examples=100)
@given(st.data())
def test_every_line_taken_added_or_moved_is_found(
    whole: dict[str, bytes], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(set(whole) - {HEAD})))
    lines = whole[name].splitlines(keepends=True)
    place = data.draw(st.integers(0, len(lines) - 1))
    every = [line for n in sorted(set(whole) - {HEAD}) for line in whole[n].splitlines(True)]
    match data.draw(st.sampled_from(["take", "add", "move"])):
        case "take":
            new = lines[:place] + lines[place + 1 :]
        case "add":
            new = [*lines[:place], data.draw(st.sampled_from(every)), *lines[place:]]
        case _:
            other = data.draw(st.integers(0, len(lines) - 1))
            new = list(lines)
            new[place], new[other] = new[other], new[place]
    assume(new != lines)
    with TemporaryDirectory() as folder:
        assert not verify(laid({**whole, name: b"".join(new)}, folder)).ok


def test_every_file_that_is_missing_is_found(whole: dict[str, bytes], tmp_path: Path) -> None:
    assert len(whole) > 3
    for number, name in enumerate(whole):
        folder = tmp_path / str(number)
        folder.mkdir()
        laid({key: data for key, data in whole.items() if key != name}, str(folder))
        assert not verify(folder).ok, name


@pytest.mark.parametrize("lines", [1, 3])
def test_lines_cut_off_at_the_end_stay_missing_when_it_goes_on(tmp_path: Path, lines: int) -> None:
    log = written(tmp_path)
    (path,) = log_files(tmp_path)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-lines]))
    log.note("refused", "k", status=503)
    report = verify(tmp_path)
    assert "7 was expected" not in (report.problem or "")
    assert "has number 7" in (report.problem or "")


def test_a_lost_head_is_never_forgotten(tmp_path: Path) -> None:
    log = written(tmp_path)
    (tmp_path / HEAD).unlink()
    assert "missing" in (verify(tmp_path).problem or "")
    log.note("refused", "k")
    log.note("refused", "k")
    assert "had been lost" in (verify(tmp_path).problem or "")


def test_a_torn_line_is_told_by_the_next_one(tmp_path: Path) -> None:
    log = written(tmp_path)
    (path,) = log_files(tmp_path)
    path.write_bytes(path.read_bytes() + b'{"by":"k","kind":"ans')
    assert "cut off" in (verify(tmp_path).problem or "")
    log.note("refused", "k")
    report = verify(tmp_path)
    assert (report.ok, report.torn, report.lines) == (True, 1, 7)
    assert not rewritten(tmp_path, path.read_bytes().replace(b'"ans', b'"bns')).ok


def test_a_writer_killed_before_the_head_left_a_whole_line(tmp_path: Path) -> None:
    log = written(tmp_path, 2)
    before = (tmp_path / HEAD).read_bytes()
    log.note("refused", "k")
    (tmp_path / HEAD).write_bytes(before)
    assert verify(tmp_path).ok
    log.note("refused", "k")
    report = verify(tmp_path)
    assert (report.ok, report.lines) == (True, 4)


def test_a_full_disk_costs_a_counted_gap_and_never_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = written(tmp_path, 2)
    real = os.write

    def short(descriptor: int, data: bytes) -> int:
        return real(descriptor, data[:9])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", short)
        log.answered(ANSWER, 0, "k")
        log.note("refused", "k")
    assert "could not be written" in caplog.text
    log.note("refused", "k")
    report = verify(tmp_path)
    assert (report.ok, report.lines, report.lost) == (True, 3, 2)


def test_a_key_makes_forging_impossible_without_it(tmp_path: Path) -> None:
    written(tmp_path, 3, key=b"secret")
    assert verify(tmp_path, b"secret").ok
    assert "SUREFOOT_AUDIT_KEY" in (verify(tmp_path).problem or "")
    assert "was changed" in (verify(tmp_path, b"other").problem or "")
    forged = tmp_path / "forged"
    written(forged, 3)
    assert verify(forged).ok
    assert not verify(forged, b"secret").ok


def test_a_key_may_come_later_and_never_goes(tmp_path: Path) -> None:
    written(tmp_path, 2)
    written(tmp_path, 2, key=b"secret")
    assert verify(tmp_path, b"secret").ok
    written(tmp_path, 1)
    assert "not sealed" in (verify(tmp_path, b"secret").problem or "")


def test_threads_and_processes_write_one_chain(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=written, args=(tmp_path, 40, 4000)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    report = verify(tmp_path)
    assert (report.ok, report.lines) == (True, 120)
    assert report.files > 5


@pytest.mark.parametrize("place", [0, 2, 5])
def test_the_first_bad_line_is_named(tmp_path: Path, place: int) -> None:
    for old, new in ((b'"why"', b'"Why"'), (b'"rate"', b'"rite"'), (b"{", b"")):
        folder = tmp_path / f"x{new.hex()}"
        written(folder)
        lines = log_files(folder)[0].read_bytes().splitlines(keepends=True)
        lines[place] = lines[place].replace(old, new)
        assert f"line {place + 1}: " in (rewritten(folder, b"".join(lines)).problem or "")


def test_seals_cover_all_but_themselves() -> None:
    line = {"seq": 1, "by": "k"}
    assert seal(line, b"") == seal({**line, "hash": "x"}, b"") != seal({**line, "seq": 2}, b"")
    assert canonical(line) == b'{"by":"k","seq":1}'
