"""Damaged files of every format: none is lost, hangs, or harms another. And what the fuzz found."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evals.bench.fuzz import Outcome, fuzz, problems, status, table
from evals.bench.mutations import mutant
from evals.bench.specimens import specimens
from ingest.corpus import read_corpus
from ingest.errors import UnreadableFile
from ingest.load import Limits, discover
from ingest.readers.border import guarded
from ingest.readers.prose import read_text
from ingest.readers.registry import read
from ingest.types import Failure, IngestReport, ParsedDocument

FILES = 150
SEED = 7
FORMATS = {
    "csv", "docx", "eml", "epub", "gz", "html", "json", "jsonl", "mbox", "md", "ods", "odt", "pdf",
    "pptx", "py", "rst", "tsv", "txt", "xlsx", "yaml", "zip",
}  # fmt: skip


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return fuzz(tmp_path_factory.mktemp("fuzz"), FILES, SEED)


def test_every_format_is_there() -> None:
    assert set(specimens()) == FORMATS


def test_nothing_is_lost_hangs_or_crashes(outcome: Outcome) -> None:
    assert list(problems(outcome)) == []


def test_the_fuzz_reaches_both_sides(outcome: Outcome) -> None:
    damaged = [path for path, one in outcome.files.items() if not one.word]
    assert len(damaged) > FILES / 2
    assert any(path in outcome.read for path in damaged)
    assert any(path in outcome.failures for path in damaged)
    assert "crashed" not in {status(failure.reason) for failure in outcome.first.failed}


def test_the_table_has_a_line_for_each_format(outcome: Outcome) -> None:
    lines = list(table(outcome))
    assert {line.split()[0] for line in lines[1:-1]} == FORMATS
    assert lines[-1].split()[:2] == ["all", str(FILES)]


def test_a_seed_and_a_number_give_the_same_file() -> None:
    numbers = range(60, 90)
    assert [mutant(1, n) for n in numbers] == [mutant(1, n) for n in numbers]
    assert [mutant(1, n).data for n in numbers] != [mutant(2, n).data for n in numbers]


# The check itself finds what it is there to find


def some_read(outcome: Outcome) -> str:
    return next(path for path in sorted(outcome.read) if path not in outcome.failures)


def without_record(outcome: Outcome) -> Outcome:
    lost = some_read(outcome)
    return replace(outcome, records=[r for r in outcome.records if lost not in r.paths])


def without_failure(outcome: Outcome) -> Outcome:
    failed = next(f for f in outcome.first.failed if f.path in outcome.files)
    others = tuple(f for f in outcome.first.failed if f is not failed)
    return replace(outcome, first=replace(outcome.first, failed=others))


def with_first(outcome: Outcome, **changed: Any) -> Outcome:
    return replace(outcome, first=replace(outcome.first, **changed))


def with_again(outcome: Outcome, **changed: Any) -> Outcome:
    return replace(outcome, again=replace(outcome.again, **changed))


def traced(report: IngestReport) -> tuple[Failure, ...]:
    first = report.failed[0]
    return (Failure(first.path, "Traceback (most recent call last)"), *report.failed[1:])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (without_record, "lost without a word"),
        (without_failure, "lost without a word"),
        (lambda o: with_first(o, added=o.first.added + 1), "the base holds"),
        (lambda o: with_first(o, duplicates=0), "duplicates"),
        (lambda o: with_first(o, failed=traced(o.first)), "no reason for people"),
        (lambda o: with_first(o, failed=(Failure("/else", "empty"),)), "failure of no file"),
        (lambda o: with_again(o, updated=1), "the second run changed something"),
        (lambda o: with_again(o, unchanged=0), "documents met"),
        (lambda o: with_again(o, seconds=1e6), "the second run took"),
        (lambda o: replace(o, texts={}), "whole, but not read"),
        (lambda o: replace(o, damage=["a row is gone"]), "verify: a row is gone"),
    ],
)
def test_the_check_finds(outcome: Outcome, spoil: Any, said: str) -> None:
    assert any(said in problem for problem in problems(spoil(outcome)))


# What the fuzz found


def pdf(bodies: Mapping[int, str], trailer: str = "") -> bytes:
    data, offsets = "%PDF-1.4\n", []
    for number, body in bodies.items():
        offsets.append(len(data))
        data += f"{number} 0 obj\n{body}\nendobj\n"
    rows = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(bodies) + 1
    return (
        f"{data}xref\n0 {size}\n0000000000 65535 f \n{rows}"
        f"trailer<</Size {size}/Root 1 0 R{trailer}>>\nstartxref\n{len(data)}\n%%EOF"
    ).encode("latin-1")


PAGES = {2: "<</Type/Pages/Count 1/Kids[3 0 R]>>", 3: "<</Type/Page/Parent 2 0 R>>"}
LOCKED = pdf(
    {1: "<</Type/Catalog/Pages 2 0 R>>", **PAGES},
    "/ID[<00><00>]/Encrypt<</Filter/Standard/V 1/R 2/Length 40/P -4"
    f"/O<{'41' * 32}>/U<{'42' * 32}>>>",
)
DAMAGED = pdf({1: "<</Type/Cata/og/Pages 2 0 R>>", **PAGES})


def test_a_corrupt_pdf_after_an_encrypted_one_is_not_called_encrypted() -> None:
    reasons = [guarded(read, data, "a.pdf") for data in (DAMAGED, LOCKED, DAMAGED, LOCKED)]
    corrupt = Failure("a.pdf", "corrupt PDF: it cannot be opened")
    locked = Failure("a.pdf", "encrypted: needs a password")
    assert reasons == [corrupt, locked, corrupt, locked]


@pytest.mark.parametrize("end", [3, 12, 15])
def test_a_packed_corpus_that_cannot_be_unpacked_is_corrupt(tmp_path: Path, end: int) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"id": "a", "text": "words"}\n' * 9)[:end])
    ((source,), failed) = discover([tmp_path], Limits())
    assert source.is_corpus
    assert failed == []
    (failure,) = read_corpus(path)
    assert isinstance(failure, Failure)
    assert failure.path == f"{path}:1"
    assert status(failure.reason) == "corrupt"


@pytest.mark.parametrize("raised", [UnreadableFile, ValueError])
def test_a_reason_that_quotes_a_document_stays_a_short_line(raised: type[Exception]) -> None:
    quoted = "no \x1b[2J\n\x00" + "words of the document " * 500

    def reader(data: bytes, path: str) -> ParsedDocument:
        raise (
            UnreadableFile(path, "corrupt", quoted) if raised is UnreadableFile else raised(quoted)
        )

    result = guarded(reader, b"x", "a.epub")
    assert isinstance(result, Failure)
    assert "no \ufffd[2J \ufffdwords" in result.reason
    assert result.reason.isprintable()
    assert len(result.reason) < 250


def test_an_id_of_any_length_makes_a_short_reason(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"id": "{"i" * 99999}", "text": "words"}}\n' * 2)
    _, failure = read_corpus(path)
    assert isinstance(failure, Failure)
    assert failure.reason.startswith("duplicate id 'iii")
    assert len(failure.reason) <= 200


def test_binary_data_has_one_status_wherever_it_is_found() -> None:
    for reader in (read, read_text):
        result = guarded(reader, bytes(range(256)) * 4, "a.txt")
        assert isinstance(result, Failure)
        assert status(result.reason) == "unsupported"
