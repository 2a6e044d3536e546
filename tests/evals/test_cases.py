"""Reading cases, and saying which line is none."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from evals.bench.sample import judge, report
from evals.cases import read_qa
from evals.sample import CASES
from ingest.errors import SurefootError
from rag.types import Answer, Citation, Message, ModelRef, Sentence, TokenUse

ROW = {"id": 1, "query": "When?", "answers": ["nine"], "relevant": ["a.md"], "kind": "answerable"}


def test_the_sample_is_readable() -> None:
    assert len(read_qa(CASES / "qa.jsonl")) == 60


def test_plain_and_gzipped_are_the_same(tmp_path: Path) -> None:
    row = {**ROW, "history": [{"role": "user", "content": "Hello"}]}
    plain, packed = tmp_path / "a.jsonl", tmp_path / "a.jsonl.gz"
    plain.write_text(json.dumps(row) + "\n\n")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_qa(plain) == read_qa(packed)
    assert read_qa(plain)[0].history == (Message("user", "Hello"),)


@pytest.mark.parametrize("line", ["{", "[]", '{"id": 1}'])
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps(ROW) + "\n" + line)
    with pytest.raises(SurefootError, match=r"bad\.jsonl:2"):
        read_qa(path)


def test_a_missing_file_is_one_line() -> None:
    with pytest.raises(SurefootError, match="cannot read"):
        read_qa(Path("/nowhere.jsonl"))


def test_judging(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({**ROW, "forbidden": ["secret"]}))
    citation = Citation("/d/a.md", "/d/a.md", None, 0, 4, "nine")
    answer = Answer(
        "answered",
        "At nine.",
        (Sentence("At nine.", 0.9, (citation,)),),
        (),
        (),
        TokenUse(10, 2, 100),
        {"total": 5.0, "first_shown": 4.0},
        ModelRef("m", "0"),
        "",
    )
    outcome = judge(read_qa(path)[0], answer)
    assert (outcome.right, outcome.cited, outcome.leaked) == (True, True, False)
    assert any("right" in line for line in report([outcome]))
