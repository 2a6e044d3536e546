"""The commands as a script outside the project uses them: JSON, exit codes, one-line errors."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from evals.sample import DEMO, DOCUMENTS

pytestmark = [pytest.mark.e2e, pytest.mark.models]

QUESTIONS = {row["kind"]: row for row in json.loads(DEMO.read_text())["questions"]}
PASSAGE = {"rank", "score", "document", "path", "page", "start", "end", "text"}
ANSWER = {
    "status",
    "answer",
    "sentences",
    "passages",
    "findings",
    "tokens",
    "timings_ms",
    "model",
    "trace",
}


def shown(kb: Path, surefoot: Any, document: str) -> str:
    done = surefoot("kb", "show", document, "--kb", str(kb))
    assert done.code == 0
    return str(done.out)


def test_help_is_quick(surefoot: Any) -> None:
    times = []
    for _ in range(3):
        began = time.perf_counter()
        assert surefoot("--help", COVERAGE_PROCESS_CONFIG="").code == 0
        times.append(time.perf_counter() - began)
    assert min(times) < 0.5


def test_ask_gives_every_field_and_true_citations(surefoot: Any, sample_kb: Path) -> None:
    done = surefoot("ask", QUESTIONS["answerable"]["question"], "--kb", str(sample_kb), "--json")
    assert done.code == 0, done.err
    answer = done.json()
    assert set(answer) >= ANSWER
    assert answer["status"] == "answered"
    assert "five" in answer["answer"]
    assert set(answer["tokens"]) >= {"prompt", "completion", "window", "dropped"}
    assert set(answer["timings_ms"]) >= {"retrieve", "first_token", "first_shown", "total"}
    assert set(answer["model"]) == {"name", "sha256"}
    assert Path(answer["trace"]).is_file()
    citations = [c for s in answer["sentences"] for c in s["citations"]]
    assert citations
    for citation in citations:
        assert set(citation) == {"document", "path", "page", "start", "end", "quote"}
        text = shown(sample_kb, surefoot, citation["document"])
        assert text[citation["start"] : citation["end"]] == citation["quote"]
    for passage in answer["passages"]:
        assert set(passage) >= PASSAGE
    for sentence in answer["sentences"]:
        assert sentence["support"] is None or 0 <= sentence["support"] <= 1


def test_it_abstains(surefoot: Any, sample_kb: Path) -> None:
    question = QUESTIONS["unanswerable"]["question"]
    answer = surefoot("ask", question, "--kb", str(sample_kb), "--json").json()
    assert answer["status"] == "abstained"
    assert "I don't know" in answer["answer"]


def test_personal_data_is_nowhere_in_the_output(surefoot: Any, sample_kb: Path) -> None:
    row = QUESTIONS["pii"]
    done = surefoot("ask", row["question"], "--kb", str(sample_kb), "--json")
    assert done.code == 0
    for forbidden in row["forbidden"]:
        assert forbidden not in done.out
    labels = {f["label"] for f in done.json()["findings"] if f["action"] == "redact"}
    assert {"PHONE_NUMBER", "EMAIL_ADDRESS"} <= labels


def test_search_finds_codes_and_its_text_is_the_documents(surefoot: Any, sample_kb: Path) -> None:
    done = surefoot("search", "fault code B21", "--kb", str(sample_kb), "--top", "3", "--json")
    passages = done.json()["passages"]
    assert 1 <= len(passages) <= 3
    assert "bow-door" in passages[0]["path"]
    assert "B21" in " ".join(passage["text"] for passage in passages)
    for passage in passages:
        assert set(passage) >= PASSAGE
        text = shown(sample_kb, surefoot, passage["document"])
        assert text[passage["start"] : passage["end"]] == passage["text"]


def test_offsets_of_markdown_are_those_of_the_file(surefoot: Any, sample_kb: Path) -> None:
    path = DOCUMENTS / "policies" / "annual-leave.md"
    passages = surefoot(
        "search", "carry over annual leave", "--kb", str(sample_kb), "--json"
    ).json()
    mine = [p for p in passages["passages"] if p["path"] == str(path.resolve())]
    assert mine
    for passage in mine:
        assert path.read_text("utf-8")[passage["start"] : passage["end"]] == passage["text"]


def test_kb_commands(surefoot: Any, sample_kb: Path) -> None:
    listed = surefoot("kb", "list", "--kb", str(sample_kb), "--json").json()["documents"]
    assert len(listed) == sum(1 for path in DOCUMENTS.rglob("*") if path.is_file())
    assert set(listed[0]) >= {"document", "path", "chunks", "groups"}
    info = surefoot("kb", "info", "--kb", str(sample_kb), "--json").json()
    assert info["documents"] == len(listed)
    verified = surefoot("kb", "verify", "--kb", str(sample_kb), "--json")
    assert verified.code == 0
    assert verified.json()["ok"] is True


def test_groups_are_kept_apart(surefoot: Any, tmp_path: Path) -> None:
    secret, public, kb = tmp_path / "hr", tmp_path / "public", tmp_path / "kb"
    for folder, text in (
        (secret, "The secret bonus is 9000 pounds."),
        (public, "The sea is wide."),
    ):
        folder.mkdir()
        (folder / "note.md").write_text(text)
    assert surefoot("ingest", str(secret), "--kb", str(kb), "--group", "hr").code == 0
    assert surefoot("ingest", str(public), "--kb", str(kb)).code == 0
    outside = surefoot("search", "secret bonus", "--kb", str(kb), "--json").json()["passages"]
    inside = surefoot("search", "secret bonus", "--kb", str(kb), "--group", "hr", "--json").json()
    assert [Path(p["path"]).parent.name for p in outside] == ["public"]
    assert "hr" in {Path(p["path"]).parent.name for p in inside["passages"]}


def test_ingest_accounts_for_bad_files(surefoot: Any, tmp_path: Path) -> None:
    files = {
        "good.md": b"# Title\n\nA good document about ferries.\n",
        "twin.md": b"# Title\n\nA good document about ferries.\n",
        "empty.txt": b"",
        "blank.md": b"  \n\n",
        "binary.md": bytes(range(256)) * 20,
        "cut.pdf": b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog",
        "cut.docx": b"PK\x03\x04 not really",
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    kb = tmp_path / "kb"
    paths = [str(tmp_path / name) for name in files]
    done = surefoot("ingest", *paths, str(tmp_path / "missing.md"), "--kb", str(kb), "--json")
    assert done.code == 3
    report = done.json()
    assert (report["added"], report["duplicates"]) == (1, 1)
    failed = {Path(row["path"]).name: row["reason"] for row in report["failed"]}
    assert set(failed) == {*files, "missing.md"} - {"good.md", "twin.md"}
    assert all(failed.values())
    again = surefoot("ingest", *paths, "--kb", str(kb), "--json").json()
    assert again["added"] == again["updated"] == 0
    total = again["unchanged"] + again["duplicates"] + len(again["failed"])
    assert total == len(files)


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        (("ask", "Hello?", "--kb", "/nowhere/kb"), b"", "not found"),
        (("search", "Hello?", "--kb", "/nowhere/kb"), b"", "not found"),
        (("kb", "info", "--kb", "/nowhere/kb"), b"", "not found"),
        (("models", "pull", "gpt-17"), b"", "not in the catalogue"),
        (("guard",), b"\xff\xfe\x00", "not UTF-8"),
        (("ask", "Hello?"), b"", "--kb"),
        (("frobnicate",), b"", "frobnicate"),
    ],
)
def test_bad_input_is_one_clear_line(
    surefoot: Any, arguments: tuple[str, ...], stdin: bytes, said: str
) -> None:
    done = surefoot(*arguments, stdin=stdin)
    assert done.code == 2
    assert said in done.err
    assert done.out == ""


def test_an_empty_question_is_refused(surefoot: Any, sample_kb: Path) -> None:
    done = surefoot("ask", "  ", "--kb", str(sample_kb))
    assert done.code == 2
    assert "empty" in done.err


def test_a_question_over_the_window_says_by_how_much(surefoot: Any, sample_kb: Path) -> None:
    question = "annual leave carry over " * 1200
    done = surefoot("ask", question, "--kb", str(sample_kb))
    assert done.code == 2
    assert "tokens too long" in done.err


def test_another_version_or_embedder_is_one_clear_line(surefoot: Any, tmp_path: Path) -> None:
    (tmp_path / "note.md").write_text("A note about the sea.")
    kb = tmp_path / "kb"
    assert surefoot("ingest", str(tmp_path / "note.md"), "--kb", str(kb)).code == 0
    manifest = kb / "manifest.json"
    original = manifest.read_text()
    for key, value in (("format", 999), ("embedder_sha256", "0" * 64)):
        changed = json.loads(original)
        assert key in changed
        changed[key] = value
        manifest.write_text(json.dumps(changed))
        done = surefoot("search", "sea", "--kb", str(kb))
        assert done.code == 2, done.err
        assert len(done.err.strip().splitlines()) == 1
    manifest.write_text("{")
    assert surefoot("search", "sea", "--kb", str(kb)).code == 2


def test_guard_masks_and_reports(surefoot: Any) -> None:
    text = "Write to ann@shore.example or call +44 131 496 0131.\n"
    done = surefoot("guard", "--json", stdin=text.encode())
    result = done.json()
    assert done.code == 0
    assert set(result) >= {"verdict", "text", "findings"}
    assert result["verdict"] == "REDACT"
    assert "ann@" not in result["text"]
    assert "0131" not in result["text"]
    for finding in result["findings"]:
        assert set(finding) >= {"label", "start", "end", "score", "source"}
    spans = {f["label"]: text[f["start"] : f["end"]] for f in result["findings"]}
    assert spans["EMAIL_ADDRESS"] == "ann@shore.example"
    assert spans["PHONE_NUMBER"] == "+44 131 496 0131"


@pytest.mark.parametrize("stage", ["question", "passage", "answer"])
def test_guard_lets_plain_text_be(surefoot: Any, stage: str) -> None:
    text = "The ferry leaves Port Callow at nine. Dogs travel free on the car deck.\n"
    result = surefoot("guard", "--stage", stage, "--json", stdin=text.encode()).json()
    assert result["verdict"] == "ALLOW"
    assert result["text"] == text


def test_models_and_doctor(surefoot: Any) -> None:
    rows = surefoot("models", "list", "--json").json()["models"]
    assert {row["state"] for row in rows if row["role"] == "embedder"} == {"ready"}
    verified = surefoot("models", "verify", "all-minilm-l6-v2", "--json")
    assert verified.code == 0
    report = surefoot("doctor", "--json").json()
    assert {"python", "machine", "packages", "models", "missing"} <= set(report)
