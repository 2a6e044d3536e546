"""`surefoot kb`: forget, receipt, verify, repair and rollback, as they are typed."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evals.review.queue import ReviewQueue
from evals.review.types import beside
from ingest.build import ingest
from ingest.testing import HashEmbedder
from rag.calibrated import Calibration, basis_of, write_calibration
from rag.config import load

SECRET = "zyxwvu"
FILES = {
    "secret.md": f"# Secret\n\nNobody may read what {SECRET} said about the harbour at night.",
    "kept.md": "# Kept\n\nThe harbour opens at seven in the morning.",
}


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def kb(tmp_path: Path, docs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SUREFOOT_HOME", str(tmp_path / "home"))
    ingest([docs], tmp_path / "kb", HashEmbedder())
    return tmp_path / "kb"


def everything(kb: Path) -> bytes:
    return b"".join(path.read_bytes() for path in kb.rglob("*") if path.is_file())


def test_forget_and_its_receipt(surefoot: Any, kb: Path, docs: Path, tmp_path: Path) -> None:
    secret = docs / "secret.md"
    run = tmp_path / "home" / "runs" / "qa-1"
    run.mkdir(parents=True)
    (run / "rows.jsonl").write_text(json.dumps({"data": {"documents": [str(secret)]}}) + "\n")
    ReviewQueue(beside(kb)).thumbs_up()
    code, out, _ = surefoot("kb", "forget", secret, "--kb", kb, "--json", "--dry-run")
    planned = json.loads(out)
    assert (code, planned["dry_run"], planned["receipt"]) == (0, True, None)
    assert SECRET.encode() in everything(kb)
    code, out, _ = surefoot("kb", "forget", secret, "--kb", kb, "--json")
    done = json.loads(out)
    assert code == 0
    assert done["documents"] == planned["documents"] == [str(secret)]
    assert done["removed"] == planned["removed"]
    assert done["removed"]["runs"] == 1
    assert not run.exists()
    assert SECRET.encode() not in everything(kb)
    assert str(secret).encode() not in everything(kb)
    code, out, _ = surefoot("kb", "receipt", done["receipt"], "--json")
    assert (code, json.loads(out)["signed"]) == (0, True)
    assert surefoot("kb", "verify", "--kb", kb)[:2] == (0, "All is well.\n")


def test_what_people_read(surefoot: Any, kb: Path, docs: Path) -> None:
    words = ("kb", "forget", "--where", f"path={docs}", "--where", "title=Secret", "--kb", kb)
    code, out, _ = surefoot(*words, "--dry-run")
    assert code == 0
    assert out.startswith("Would forget: 1 documents")
    assert str(docs / "kept.md") not in out
    code, out, _ = surefoot(*words)
    assert code == 0
    assert "nothing to roll back to" in out
    receipt = next((kb / "receipts").iterdir())
    assert "The signature holds" in surefoot("kb", "receipt", receipt)[1]
    receipt.write_text(receipt.read_text().replace('"chunks": 1', '"chunks": 2'))
    code, out, _ = surefoot("kb", "receipt", receipt)
    assert (code, "does not hold" in out) == (3, True)


MISTAKES = [
    (("forget", "nowhere.md", "--kb", "{kb}"), "holds no document 'nowhere.md'"),
    (("forget", "--where", "author=Nobody", "--kb", "{kb}"), "holds no document with author"),
    (("forget", "--kb", "{kb}"), "name a document"),
    (("forget", "x", "--kb", "/nowhere/kb"), "not found"),
    (("forget", "--where", "author", "--kb", "{kb}"), "'author' is neither KEY=VALUE nor"),
    (("forget", "--where", "date>=soon", "--kb", "{kb}"), "with a date or number"),
    (("forget", "--where", "path>=2", "--kb", "{kb}"), "'path>=2' is neither"),
    (("verify", "--kb", "/nowhere/kb"), "not found"),
    (("verify", "--repair", "--kb", "/nowhere/kb"), "not found"),
    (("list", "--where", "nothing=x", "--kb", "{kb}"), "knows no 'nothing'; known are document,"),
    (("list", "--where", "page=1", "--kb", "{kb}"), "knows no 'page'"),
    (("list", "--where", "date>=soon", "--kb", "{kb}"), "with a date or number"),
    (("list", "--where", "author", "--kb", "{kb}"), "'author' is neither KEY=VALUE nor"),
    (("rollback", "--kb", "{kb}"), "no earlier generation"),
    (("receipt", "{kb}/manifest.json"), "is no receipt"),
    (("receipt", "/nowhere/receipt.json"), "no such file"),
]


@pytest.mark.parametrize(("words", "said"), MISTAKES)
def test_mistakes_are_told_in_a_line(surefoot: Any, kb: Path, words: Any, said: str) -> None:
    code, out, err = surefoot("kb", *(word.format(kb=kb) for word in words))
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


@pytest.fixture
def described(kb: Path, docs: Path) -> Path:
    """With two documents more, which say by whom and when."""
    for name, author, day in (("x.md", "Ng", "2024-03-01"), ("y.md", "Li, Ng", "2023-03-01")):
        front = f"---\nauthor: {author}\ndate: {day}\n---\n"
        (docs / name).write_text(f"{front}The harbour of {name}.")
    ingest([docs], kb, HashEmbedder())
    return kb


LISTED = [
    ((), {"kept.md", "secret.md", "x.md", "y.md"}),
    (("author=Ng",), {"x.md", "y.md"}),
    (("author=Ng", "date>=2024"), {"x.md"}),
    (("date<=2023-12-31",), {"y.md"}),
    (("author=Nobody",), set()),
]


@pytest.mark.parametrize(("where", "names"), LISTED)
def test_list_and_search_by_condition(
    surefoot: Any, described: Path, monkeypatch: Any, where: Any, names: set[str]
) -> None:
    monkeypatch.setattr("rag.assemble.open_embedder", HashEmbedder)
    options = [word for item in where for word in ("--where", item)]
    code, out, _ = surefoot("kb", "list", "--kb", described, "--json", *options)
    assert code == 0
    assert {Path(row["path"]).name for row in json.loads(out)["documents"]} == names
    code, out, _ = surefoot("search", "the harbour", "--kb", described, "--json", *options)
    assert code == 0
    assert {Path(row["path"]).name for row in json.loads(out)["passages"]} == names


WOULD_GO = [
    (("author=Ng",), {"x.md": "author: Ng", "y.md": "author: Li, Ng"}),
    (("author=Li, Ng",), {"y.md": "author: Li, Ng"}),
    (("author=Ng", "date<=2023"), {"y.md": "author: Li, Ng; date: 2023-03-01"}),
    (("title=x",), {"x.md": "title: x", "copy.md": "the same text"}),
]


@pytest.mark.parametrize(("where", "why"), WOULD_GO)
def test_a_dry_run_says_what_would_go_and_why(
    surefoot: Any, described: Path, docs: Path, where: Any, why: dict[str, str]
) -> None:
    if "copy.md" in why:
        (docs / "copy.md").write_bytes((docs / "x.md").read_bytes())
        ingest([docs / "copy.md"], described, HashEmbedder(), groups=frozenset({"hr"}))
    options = [word for item in where for word in ("--where", item)]
    words = ("kb", "forget", *options, "--kb", described, "--dry-run")
    code, out, _ = surefoot(*words)
    assert code == 0
    lines = {f"  {docs / name}  ({reason})" for name, reason in why.items()}
    assert set(out.splitlines()[1:]) == lines
    planned = json.loads(surefoot(*words, "--json")[1])
    assert planned["why"] == {str(docs / name): reason for name, reason in why.items()}
    assert planned["documents"] == sorted(planned["why"])


@pytest.mark.parametrize("command", ["search", "ask"])
@pytest.mark.parametrize(
    ("where", "said"), [("date>=soon", "with a date or number"), ("x", "is neither KEY=VALUE")]
)
def test_conditions_are_read_before_models(
    surefoot: Any, kb: Path, command: str, where: str, said: str
) -> None:
    code, out, err = surefoot(command, "the harbour?", "--kb", kb, "--where", where)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_an_unknown_key_in_a_search(surefoot: Any, described: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("rag.assemble.open_embedder", HashEmbedder)
    code, out, err = surefoot("search", "harbour", "--kb", described, "--where", "autor=Ng")
    assert (code, out) == (2, "")
    assert "knows no 'autor'; known are document, path, title, group, page, heading, author" in err


def test_info_names_what_can_be_asked_for(surefoot: Any, described: Path) -> None:
    code, out, _ = surefoot("kb", "info", "--kb", described, "--json")
    assert code == 0
    assert json.loads(out)["metadata"] == [
        {"key": "author", "documents": 2},
        {"key": "date", "documents": 2},
    ]
    assert "metadata         author 2, date 2" in surefoot("kb", "info", "--kb", described)[1]


def test_verify_and_repair(surefoot: Any, kb: Path) -> None:
    next(kb.glob("vectors-*")).unlink()
    code, out, _ = surefoot("kb", "verify", "--kb", kb, "--json")
    assert (code, json.loads(out)["ok"]) == (3, False)
    code, out, _ = surefoot("kb", "verify", "--repair", "--kb", kb, "--json")
    report = json.loads(out)
    assert (code, report["ok"], report["lost"]) == (0, True, [])
    assert "vector file" in report["done"][0]
    assert "repaired" not in surefoot("kb", "verify", "--kb", kb)[1]


def test_a_repair_that_loses_a_document_says_so(surefoot: Any, kb: Path, docs: Path) -> None:
    rows = sqlite3.connect(kb / "surefoot.db")
    rows.execute("UPDATE texts SET text = 'other' WHERE content = 1")
    rows.commit()
    rows.close()
    code, out, _ = surefoot("kb", "verify", "--repair", "--kb", kb)
    assert code == 3
    assert f"taken out, ingest it again: {docs / 'kept.md'}" in out
    assert surefoot("kb", "verify", "--kb", kb)[0] == 0


def test_rollback(surefoot: Any, kb: Path, docs: Path) -> None:
    (docs / "kept.md").write_text("# Kept\n\nSomething else.")
    ingest([docs], kb, HashEmbedder())
    code, out, _ = surefoot("kb", "rollback", "--kb", kb, "--json")
    assert (code, json.loads(out)) == (0, {"generation": 1})
    assert surefoot("kb", "show", docs / "kept.md", "--kb", kb)[1] == FILES["kept.md"]
    assert surefoot("kb", "verify", "--kb", kb)[0] == 0
    ingest([docs], kb, HashEmbedder())
    assert "Something else" in surefoot("kb", "show", docs / "kept.md", "--kb", kb)[1]


def test_info_tells_the_calibration_and_whether_it_is_used(surefoot: Any, kb: Path) -> None:
    assert "--calibrate" in surefoot("kb", "info", "--kb", kb)[1]
    assert json.loads(surefoot("kb", "info", "--kb", kb, "--json")[1])["calibration"] is None
    config = load(env={})
    basis = basis_of(kb, config)
    found = Calibration(0.71, 0.05, 0.6, 0.04, 0.09, 120, "2026-01-02T03:04:05Z", basis)
    write_calibration(kb, found)
    code, out, _ = surefoot("kb", "info", "--kb", kb)
    assert code == 0
    assert "trust 0.710 for a risk of at most 5.0%: answered 60% of 120 cases" in out
    assert "not used" not in out
    write_calibration(kb, replace(found, basis=replace(basis, model="other")))
    assert "not used: another model" in surefoot("kb", "info", "--kb", kb)[1]
    (kb / "calibration.json").write_text("{")
    code, _, err = surefoot("kb", "info", "--kb", kb)
    assert code == 2
    assert "calibration.json" in err
