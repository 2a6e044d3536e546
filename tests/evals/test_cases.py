"""Case files: any of them sound or said to be wrong, by file and line; samples that repeat."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from evals.cases import CaseFiles, open_cases
from evals.errors import CaseError
from evals.sample import CASES
from evals.suites import SUITES, get
from ingest.errors import SurefootError

LINE = {"id": "a", "text": "hello"}


def anything(row: Any) -> None:
    if "text" not in row:
        raise ValueError("field 'text' is missing")


def write(path: Path, *rows: Any) -> Path:
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def ids(files: CaseFiles) -> list[str]:
    return [case.id for case in files.read()]


def test_plain_and_packed_are_the_same(tmp_path: Path) -> None:
    rows = [{"id": str(n), "text": "ü", "cluster": "c"} for n in range(3)]
    plain = open_cases([write(tmp_path / "a.jsonl", *rows)], anything)
    packed = open_cases([write(tmp_path / "a.jsonl.gz", *rows)], anything)
    misnamed = tmp_path / "packed.jsonl"
    misnamed.write_bytes((tmp_path / "a.jsonl.gz").read_bytes())
    assert list(plain.read()) == list(packed.read())
    assert list(open_cases([misnamed], anything).read()) == list(plain.read())
    assert {case.cluster for case in plain.read()} == {"c"}


def test_ids_are_unique_over_all_files(tmp_path: Path) -> None:
    paths = [write(tmp_path / name, LINE, {**LINE, "id": 7}) for name in ("a.jsonl", "b.jsonl")]
    assert ids(open_cases(paths, anything)) == ["a", "7", "a#2", "7#2"]


def test_a_numbered_id_takes_no_one_elses(tmp_path: Path) -> None:
    given = ["a", "a#2", "a", "a", "a#2"]
    path = write(tmp_path / "a.jsonl", *({**LINE, "id": name} for name in given))
    found = ids(open_cases([path], anything))
    assert found == ["a", "a#2", "a#3", "a#4", "a#2#2"]


def test_a_case_is_its_content(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", LINE, {"text": "hello", "id": "a"}, {**LINE, "x": 1})
    first, same, other = open_cases([path], anything).read()
    assert first.sha256 == same.sha256 != other.sha256


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"{", "a.jsonl:2: is not JSON"),
        (b"[1]", "a.jsonl:2: is not a JSON object"),
        (b'{"text": "x"}', "a.jsonl:2: has no id"),
        (b'{"id": "", "text": "x"}', "a.jsonl:2: has no id"),
        (b'{"id": true, "text": "x"}', "a.jsonl:2: has an id that is no text"),
        (b'{"id": 1.5, "text": "x"}', "a.jsonl:2: has an id that is no text"),
        (b'{"id": "b"}', "a.jsonl:2: field 'text' is missing"),
        (b"\xff\xfe{}", "a.jsonl:2: is not JSON"),
        (b"[" * 100_000, "a.jsonl:2: is not JSON"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: bytes, problem: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(json.dumps(LINE).encode() + b"\n" + line + b"\n")
    with pytest.raises(CaseError) as caught:
        open_cases([path], anything)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["missing", "folder", "empty", "truncated"])
def test_unreadable_files_say_so(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.jsonl.gz"
    if kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.write_bytes(b"\n\n")
    elif kind == "truncated":
        path.write_bytes(gzip.compress(json.dumps(LINE).encode() * 99)[:-20])
    with pytest.raises(SurefootError, match=str(path)):
        open_cases([path], anything)


def test_a_sample_is_random_ordered_and_the_same_again(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", *({**LINE, "id": n} for n in range(100)))
    chosen = ids(open_cases([path], anything, sample=10, seed=1))
    assert chosen == ids(open_cases([path], anything, sample=10, seed=1))
    assert chosen != ids(open_cases([path], anything, sample=10, seed=2))
    assert chosen == sorted(chosen, key=int)
    assert len(set(chosen)) == 10
    assert open_cases([path], anything, sample=1000).n == 100


BAD_ROWS = [
    ("retrieval", {"query": "q"}, "relevant"),
    ("retrieval", {"query": "q", "relevant": "doc"}, "list of texts"),
    ("retrieval", {"query": "q", "relevant": [], "history": [{"role": "x"}]}, "history"),
    ("qa", {"query": 1, "answers": []}, "query"),
    ("qa", {"query": "q", "answers": [1]}, "'answers' holds 1, which is not a text"),
    ("grounding", {"source": "s", "answer": "a"}, "hallucinated"),
    ("grounding", {"source": "s", "answer": "a", "hallucinated": "no"}, "hallucinated"),
    ("grounding", {"source": "s", "answer": "a", "hallucinated": 1, "spans": [[0, 9]]}, "outside"),
    ("pii", {"text": "abc", "spans": [[0, 2]]}, "label"),
    ("pii", {"text": "abc", "spans": [[2, 1, "X"]]}, "outside"),
    ("pii", {"text": "abc", "spans": [[True, 2, "X"]]}, "start, end, label"),
    ("moderation", {"text": "abc", "labels": {}}, "labels"),
    ("moderation", {"text": "abc", "labels": {"hate": 2}}, "hate"),
    ("injection", {"text": "abc"}, "injection"),
    ("refusal", {"text": None, "safe": True}, "'text' is missing"),
    ("refusal", {"text": {}, "safe": True}, "'text' is a table, not a text"),
    ("perplexity", {"text": 3}, "text"),
]


@pytest.mark.parametrize(("suite", "row", "problem"), BAD_ROWS)
def test_suites_check_their_fields(suite: str, row: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        get(suite).check({"id": "a", **row})


def test_the_sample_cases_are_sound() -> None:
    for name in ("qa", "retrieval"):
        assert open_cases([CASES / f"{name}.jsonl"], get(name).check).n > 40
    assert set(SUITES) >= {"qa", "retrieval"}
