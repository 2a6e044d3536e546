"""JSON-lines corpora: every line ends as a document or as a named failure."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.corpus import CorpusDocument, is_corpus, read_corpus
from ingest.types import Failure

GOOD = {"id": "a", "text": "hello"}


def write(path: Path, *lines: object) -> Path:
    whole = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    data = whole.encode("utf-8")
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def documents(path: Path) -> list[CorpusDocument]:
    return [item for item in read_corpus(path) if isinstance(item, CorpusDocument)]


def failures(path: Path) -> list[Failure]:
    return [item for item in read_corpus(path) if isinstance(item, Failure)]


@pytest.mark.parametrize(
    ("name", "lines", "expected"),
    [
        ("a.jsonl", [GOOD], True),
        ("a.JSONL", [GOOD], True),
        ("a.ndjson", ["", "  ", GOOD], True),
        ("a.jsonl.gz", [GOOD], True),
        ("a.jsonl", ["\ufeff" + json.dumps(GOOD)], True),
        ("a.jsonl", [{"id": 7, "text": "x"}], True),
        ("a.jsonl", ["{ damaged", GOOD], True),
        ("a.jsonl", [{"id": "a", "text": "x" * (5 << 20)}], True),
        ("a.jsonl", [{"id": "a", "body": "x"}], False),
        ("a.jsonl", [{"text": "x"}], False),
        ("a.jsonl", ["[1, 2]", "words"], False),
        ("a.jsonl", [], False),
        ("a.json", [GOOD], False),
        ("a.txt", [GOOD], False),
    ],
)
def test_is_corpus(tmp_path: Path, name: str, lines: list[object], expected: bool) -> None:
    assert is_corpus(write(tmp_path / name, *lines)) is expected


def test_packing_is_told_by_content(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(gzip.compress(json.dumps(GOOD).encode()))
    assert is_corpus(path)
    assert documents(path)[0].id == "a"


def test_a_line_is_a_document(tmp_path: Path) -> None:
    line = {"id": 12, "text": "one\r\ntwo ", "title": "T", "year": 1999, "ok": True, "x": [1]}
    (document,) = documents(write(tmp_path / "a.jsonl.gz", "", line))
    assert (document.id, document.line) == ("12", 2)
    assert document.parsed.text == "one\r\ntwo "
    assert document.parsed.title == "T"
    assert document.parsed.metadata == {"year": "1999", "ok": "true"}
    (section,) = document.parsed.sections
    assert (section.start, section.end, section.headings) == (0, 9, ())


def test_without_a_title_the_id_serves(tmp_path: Path) -> None:
    assert documents(write(tmp_path / "a.jsonl", GOOD))[0].parsed.title == "a"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{ damaged", "not JSON"),
        ("[]", "not an object"),
        ("[" * 100_000, "not JSON"),
        ({"text": "x"}, "no id"),
        ({"id": " ", "text": "x"}, "no id"),
        ({"id": None, "text": "x"}, "no id"),
        ({"id": True, "text": "x"}, "id is neither"),
        ({"id": ["a"], "text": "x"}, "id is neither"),
        ({"id": "b"}, "no text"),
        ({"id": "b", "text": 3}, "text is not a string"),
        ({"id": "b", "text": " \n"}, "empty"),
        ({"id": "a", "text": "other"}, "duplicate id"),
    ],
)
def test_a_bad_line_is_a_failure_with_its_number(tmp_path: Path, line: object, reason: str) -> None:
    path = write(tmp_path / "a.jsonl", GOOD, "", line, {"id": "z", "text": "after"})
    (failure,) = failures(path)
    assert failure.path == f"{path}:3"
    assert failure.reason.startswith(reason)
    assert [document.id for document in documents(path)] == ["a", "z"]


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(json.dumps(GOOD).encode() + b'\n{"id": "b", "text": "\xe9"}\n')
    assert failures(path) == [Failure(f"{path}:2", "not UTF-8")]


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.95])
def test_a_truncated_gzip_keeps_what_came_before(tmp_path: Path, cut: float) -> None:
    lines = [{"id": str(number), "text": f"text {number * 7919}"} for number in range(5000)]
    path = write(tmp_path / "a.jsonl.gz", *lines)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * cut)])
    assert is_corpus(path)
    items = list(read_corpus(path))
    assert all(isinstance(item, CorpusDocument) for item in items[:-1])
    assert len(items) > 1000
    last = items[-1]
    assert isinstance(last, Failure)
    assert last.path == f"{path}:{len(items)}"
    assert last.reason.startswith("corrupt")


def test_unstorable_characters_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "a\\u0000", "text": "x\\ud800y\\u0000", "title": "t\\udfff"}')
    (document,) = documents(path)
    assert document.id == "a\ufffd"
    assert document.parsed.text == "x\ufffdy\ufffd"
    assert document.parsed.title == "t\ufffd"


def test_the_hash_follows_title_text_and_metadata_only(tmp_path: Path) -> None:
    same = {"id": "a", "text": "x", "title": "t", "k": "v", "l": 1}
    variants = [same, {"l": 1, "k": "v", "title": "t", "text": "x", "id": "b"}]
    variants += [{**same, "id": key, key: "new"} for key in ("text", "title", "k")]
    first, shuffled, *changed = documents(write(tmp_path / "a.jsonl", *variants))
    assert first.sha256 == shuffled.sha256
    assert len({first.sha256, *(document.sha256 for document in changed)}) == 4


def test_a_missing_file_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(read_corpus(tmp_path / "none.jsonl"))


def test_memory_stays_flat(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    with gzip.open(path, "wt") as file:
        file.writelines(json.dumps({"id": n, "text": "x" * 20_000}) + "\n" for n in range(1500))
    tracemalloc.start()
    try:
        count = sum(1 for _ in read_corpus(path))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 1500
    assert peak < 3_000_000


@given(st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=8))
def test_every_line_ends_as_document_or_failure(
    tmp_path_factory: pytest.TempPathFactory, fields: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("corpus") / "a.jsonl"
    write(path, *({"id": identity, "text": text} for identity, text in fields))
    items = list(read_corpus(path))
    assert len(items) == len(fields)
    kept = [item for item in items if isinstance(item, CorpusDocument)]
    assert len({item.id for item in kept}) == len(kept)
    for item in kept:
        text = fields[item.line - 1][1]
        assert item.parsed.text == text.replace("\x00", "\ufffd")
