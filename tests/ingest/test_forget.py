"""What was forgotten is nowhere: not in a table, a file, a log, nor in an older generation."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ingest import forget as room
from ingest.build import ingest
from ingest.conditions import Condition
from ingest.errors import KnowledgeBaseBusy, KnowledgeBaseError, KnowledgeBaseMissing
from ingest.forget import forget
from ingest.indexing import IndexSettings
from ingest.lock import writer_lock
from ingest.manifest import read_manifest
from ingest.quotes import Traces, Trail
from ingest.receipt import read_receipt
from ingest.selection import Selection, UnknownDocument
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder

SECRET = "zyxwvu"
TEXT = f"# The {SECRET} file\n\nNobody may ever read again what {SECRET} said about the harbour.\n"
KEPT = "# Harbour\n\nThe harbour opens at seven every morning, and closes late at night.\n"


def files(kb: Path) -> dict[str, bytes]:
    """Every file of a knowledge base."""
    return {str(p.relative_to(kb)): p.read_bytes() for p in kb.rglob("*") if p.is_file()}


def holding(kb: Path, *needles: bytes) -> list[str]:
    """Files that hold one of these, in whatever case."""
    return [
        name
        for name, data in files(kb).items()
        if any(needle in data or needle.lower() in data.lower() for needle in needles)
    ]


def vectors_of(kb: Path, document: Path) -> list[bytes]:
    with sqlite3.connect(kb / "surefoot.db") as rows:
        found = rows.execute(
            "SELECT vectors.vector FROM vectors JOIN chunks ON chunks.vector = vectors.id"
            " JOIN paths ON paths.content = chunks.content WHERE identity = ?",
            (str(document),),
        ).fetchall()
    rows.close()
    return [blob for (blob,) in found]


def trace(kb: Path, name: str, document: str, said: str = "An answer.") -> Path:
    folder = kb / "traces"
    folder.mkdir(exist_ok=True)
    passage = {"document": document, "path": document, "text": said}
    (folder / name).write_text(json.dumps({"answer": {"passages": [passage]}}), encoding="utf-8")
    return folder / name


def selected(*documents: Path | str) -> Selection:
    return Selection(tuple(map(str, documents)))


@pytest.fixture
def root(run: Any, tree: Any) -> Path:
    """Two documents; the secret one has an earlier version, which the base can return to."""
    folder: Path = tree({"secret.md": TEXT + f"An earlier {SECRET}.", "kept.md": KEPT})
    run()
    tree({"secret.md": TEXT})
    run()
    return folder


def test_not_a_byte_is_left(root: Path, kb: Path) -> None:
    secret = root / "secret.md"
    reader = KnowledgeBase.open(kb)
    reader.lexical([SECRET], 5)
    vectors = vectors_of(kb, secret)
    needles = [SECRET.encode(), str(secret).encode(), *vectors]
    trace(kb, "1.json", str(secret))
    kept = trace(kb, "2.json", str(root / "kept.md"), "The harbour opens at seven.")
    assert vectors
    assert len(holding(kb, SECRET.encode())) >= 1
    done = forget(kb, selected(secret), [Traces(kb / "traces")])
    assert holding(kb, *needles) == []
    assert kept.exists()
    assert done.documents == (str(secret),)
    assert dict(done.removed) == {
        "documents": 1, "ids": 1, "texts": 2, "chunks": 2, "vectors": 2, "traces": 1,
    }  # fmt: skip
    assert reader.lexical([SECRET], 5) == []
    assert [record.path for record in reader.documents()] == [str(root / "kept.md")]
    assert reader.verify().problems == ()
    assert reader.lexical(["harbour"], 5)
    with pytest.raises(KnowledgeBaseError, match="no earlier generation"):
        reader.rollback()


def test_the_same_text_goes_under_all_its_names(run: Any, tree: Any, kb: Path) -> None:
    root = tree({"a.md": TEXT, "b.md": TEXT, "kept.md": KEPT, "hr/c.md": TEXT})
    run(root / "a.md", root / "b.md", root / "kept.md")
    run(root / "hr", groups=frozenset({"hr"}))
    done = forget(kb, selected(root / "b.md"))
    assert done.documents == tuple(str(root / name) for name in ("a.md", "b.md", "hr/c.md"))
    assert done.removed["documents"] == 2
    assert holding(kb, SECRET.encode()) == []


def test_an_earlier_version_that_another_document_holds_stays(
    run: Any, tree: Any, kb: Path
) -> None:
    root = tree({"a.md": KEPT, "b.md": KEPT})
    run()
    tree({"a.md": TEXT})
    run()
    forget(kb, selected(root / "a.md"))
    base = KnowledgeBase.open(kb)
    assert [record.path for record in base.documents()] == [str(root / "b.md")]
    assert base.verify().problems == ()


def test_what_was_rolled_back_or_never_committed_goes_too(
    run: Any, tree: Any, kb: Path, monkeypatch: Any
) -> None:
    root = tree({"a.md": KEPT})
    run()
    tree({"a.md": TEXT})
    run()
    KnowledgeBase.open(kb).rollback()
    monkeypatch.setattr("ingest.build.commit", lambda *_, **__: (_ for _ in ()).throw(KeyError))
    tree({"b.md": TEXT + "Never committed."})
    with pytest.raises(KeyError):
        run()
    assert holding(kb, SECRET.encode())
    forget(kb, selected(root / "a.md"))
    assert holding(kb, SECRET.encode()) == []
    assert KnowledgeBase.open(kb).documents() == []
    assert KnowledgeBase.open(kb).verify().problems == ()


def test_a_removed_document_can_still_be_forgotten(
    root: Path, run: Any, tree: Any, kb: Path
) -> None:
    tree({"secret.md": None})
    run(prune=True)
    assert holding(kb, SECRET.encode())
    done = forget(kb, selected(root / "secret.md"))
    assert done.documents == ()
    assert holding(kb, SECRET.encode()) == []


def test_shared_vectors_stay_with_the_other_document(run: Any, tree: Any, kb: Path) -> None:
    root = tree({"a.txt": "Shared words.", "b.txt": "Shared words.\n"})
    run()
    forget(kb, selected(root / "a.txt"))
    assert KnowledgeBase.open(kb).verify().problems == ()


CONDITIONS = [
    (("path={root}/hr",), ("hr/a.md", "hr/b.md")),
    (("group=hr", "title=B"), ("hr/b.md",)),
    (("document={root}/c.md",), ("c.md",)),
]


@pytest.mark.parametrize(("where", "gone"), CONDITIONS)
def test_conditions(run: Any, tree: Any, kb: Path, where: Any, gone: Any) -> None:
    names = ("hr/a.md", "hr/b.md", "c.md")
    root = tree({name: f"# {Path(name).stem.upper()}\n\nText of {name}." for name in names})
    run(root / "hr", groups=frozenset({"hr"}))
    run(root / "c.md")
    conditions = [Condition.parse(item.format(root=root)) for item in where]
    done = forget(kb, Selection((), tuple(c for c in conditions if c)), dry_run=True)
    assert done.documents == tuple(str(root / name) for name in gone)


@pytest.mark.parametrize(
    "selection",
    [
        Selection(("nowhere.md",)),
        Selection((), (Condition("author", "Nobody"),)),
    ],
)
def test_unknown_documents_change_nothing(root: Path, kb: Path, selection: Selection) -> None:
    before = read_manifest(kb)
    with pytest.raises(UnknownDocument) as error:
        forget(kb, selection)
    assert "\n" not in str(error.value)
    assert read_manifest(kb) == before


def test_nothing_named_is_nothing_done(root: Path, kb: Path) -> None:
    with pytest.raises(KnowledgeBaseError, match="name a document"):
        forget(kb, Selection())


def test_a_corpus_line_leaves_alone_what_cites_its_neighbours(tmp_path: Path, kb: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    lines = [{"id": str(n), "text": f"Line {n} tells of harbour number {n}."} for n in range(3)]
    corpus.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    ingest([corpus], kb, HashEmbedder())
    mine, other = trace(kb, "1.json", "1"), trace(kb, "2.json", "2")
    other.write_text(other.read_text().replace('"path": "2"', f'"path": "{corpus}"'))
    forget(kb, selected("1"), [Traces(kb / "traces")])
    assert (mine.exists(), other.exists()) == (False, True)
    forget(kb, selected(corpus), [Traces(kb / "traces")])
    assert not other.exists()
    assert KnowledgeBase.open(kb).documents() == []


def test_a_dry_run_writes_nothing(root: Path, kb: Path) -> None:
    trace(kb, "1.json", str(root / "secret.md"))
    before = files(kb)
    done = forget(kb, selected(root / "secret.md"), [Traces(kb / "traces")], dry_run=True)
    assert (done.receipt, done.removed["traces"]) == (None, 1)
    # SQLite's readers leave an empty log.
    assert {name: data for name, data in files(kb).items() if "db-" not in name} == before


def test_one_writer_at_a_time_and_no_base_is_made(root: Path, kb: Path, tmp_path: Path) -> None:
    with writer_lock(kb), pytest.raises(KnowledgeBaseBusy):
        forget(kb, selected(root / "secret.md"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(KnowledgeBaseMissing):
        forget(tmp_path / "empty", selected("x"))
    assert list((tmp_path / "empty").iterdir()) == []


def test_the_receipt_holds_hashes_and_its_signature_holds(root: Path, kb: Path) -> None:
    done = forget(kb, selected(root / "secret.md"))
    assert done.receipt is not None
    checked = read_receipt(done.receipt)
    assert checked.signed
    assert checked.receipt.generation_after == checked.receipt.generation_before + 1
    assert len(checked.receipt.documents) == 2
    assert (kb / "receipt.key").stat().st_mode & 0o777 == 0o600
    forged = done.receipt.read_text().replace('"documents": 1', '"documents": 2')
    done.receipt.write_text(forged)
    assert not read_receipt(done.receipt).signed


class Stop(BaseException):
    """Stands for whatever ends a job."""


STEPS = ["publish", "erase", "scrub", "sweep", "write_receipt", "finish", "truncate_log"]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("between", ["nothing", "ingest"])
def test_killed_anywhere_the_same_again_finishes(
    root: Path, run: Any, tree: Any, kb: Path, monkeypatch: Any, step: str, late: bool, between: str
) -> None:
    secret, places = selected(root / "secret.md"), [Traces(kb / "traces")]
    trace(kb, "1.json", str(root / "secret.md"))
    work = getattr(room, step)

    def stop(*values: Any, **options: Any) -> None:
        if late:
            work(*values, **options)
        raise Stop

    monkeypatch.setattr(room, step, stop)
    with pytest.raises(Stop):
        forget(kb, secret, places)
    monkeypatch.undo()
    if (step, late) != ("publish", False):
        assert KnowledgeBase.open(kb).lexical([SECRET], 5) == []
    if between == "ingest":
        (root / "secret.md").unlink()
        tree({"new.md": "# New\n\nSomething else."})
        run()
    unfinished = (step, late) not in {
        ("finish", True),
        ("truncate_log", False),
        ("truncate_log", True),
    }
    problems = KnowledgeBase.open(kb).verify().problems
    assert any("not finished" in problem for problem in problems) == unfinished
    if unfinished:
        done = forget(kb, secret, places)
        assert done.receipt is not None
        assert done.removed["traces"] == 1
        assert read_receipt(done.receipt).signed
    assert holding(kb, SECRET.encode(), str(root / "secret.md").encode()) == []
    base = KnowledgeBase.open(kb)
    assert base.verify().problems == ()
    assert len(base.documents()) == (2 if between == "ingest" else 1)
    assert len(list((kb / "receipts").iterdir())) == 1


def test_a_killed_one_is_finished_without_names_or_with_others(
    root: Path, kb: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(room, "scrub", lambda *_: (_ for _ in ()).throw(Stop))
    with pytest.raises(Stop):
        forget(kb, selected(root / "secret.md"))
    monkeypatch.undo()
    with pytest.raises(UnknownDocument, match="other"):
        forget(kb, selected(root / "secret.md", "other"))
    assert holding(kb, SECRET.encode()) == []
    monkeypatch.setattr(room, "erase", lambda *_: (_ for _ in ()).throw(Stop))
    with pytest.raises(Stop):
        forget(kb, Selection((), (Condition("title", "Harbour"),)))
    monkeypatch.undo()
    done = forget(kb, Selection())
    assert done.documents == (str(root / "kept.md"),)
    assert done.removed["documents"] == 1
    assert KnowledgeBase.open(kb).documents() == []


KILL = """
import os, signal, sys
from pathlib import Path
from ingest import forget as room
from ingest.selection import Selection
work = getattr(room, sys.argv[3])
def die(*values, **options):
    if sys.argv[4] == "late":
        work(*values, **options)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(room, sys.argv[3], die)
room.forget(Path(sys.argv[1]), Selection((sys.argv[2],)))
"""


@pytest.mark.parametrize(("step", "when"), [("publish", "late"), ("erase", "late")])
def test_a_killed_process(root: Path, kb: Path, step: str, when: str) -> None:
    secret = root / "secret.md"
    words = [sys.executable, "-c", KILL, str(kb), str(secret), step, when]
    assert subprocess.run(words, check=False, env=os.environ).returncode == -signal.SIGKILL
    assert KnowledgeBase.open(kb).lexical([SECRET], 5) == []
    forget(kb, selected(secret))
    assert holding(kb, SECRET.encode()) == []
    assert KnowledgeBase.open(kb).verify().problems == ()


def test_readers_keep_reading(run: Any, tree: Any, kb: Path) -> None:
    root = tree({f"{n}.md": f"# Number {n}\n\nText of harbour number {n}." for n in range(8)})
    run()
    base, embedder = KnowledgeBase.open(kb), HashEmbedder()
    vector = embedder.embed(["number 7 harbour"])[0]
    stop, answers = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            answers.append(len(base.chunks([base.dense(vector, 1)[0].row])))
            answers.append(len(base.lexical(["harbour"], 9)))

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        try:
            for n in range(4):
                forget(kb, selected(root / f"{n}.md"))
        finally:
            stop.set()
        for reader in readers:
            reader.result()
    assert answers
    assert len(base.documents()) == 4


def test_a_reader_that_holds_on_to_old_pages_is_named(
    root: Path, kb: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("ingest.schema.BUSY_SECONDS", 0.2)
    reader = sqlite3.connect(kb / "surefoot.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM chunks").fetchall()
    with pytest.raises(KnowledgeBaseError, match="a reader keeps old pages"):
        forget(kb, selected(root / "secret.md"))
    reader.close()
    assert KnowledgeBase.open(kb).lexical([SECRET], 5) == []
    forget(kb, selected(root / "secret.md"))
    assert holding(kb, SECRET.encode()) == []


LONG = " ".join(f"word{n}" for n in range(60))
QUOTES = [
    ({"text": " ".join(f"word{n}" for n in range(17, 29))}, True),
    ({"a": [{"b": "Word20,  WORD21 word22\nword23 word24 word25 word26 word27 word28 word29"
                  " word30 word31"}]}, True),
    ({"text": "word1 word2 word3 and other words"}, False),
    ({"document": "17"}, True),
    ({"document": "170"}, False),
    ({"text": "see 17"}, False),
    ({"note": "/docs/a.md"}, True),
]  # fmt: skip


@pytest.mark.parametrize(("value", "found"), QUOTES)
def test_what_leads_to_a_document(tmp_path: Path, value: Any, found: bool) -> None:
    trail = Trail(["17", "/docs/a.md"], [LONG])
    path = tmp_path / "trace.json"
    path.write_text(json.dumps(value))
    assert trail.leads_to(path) == found
    half = tmp_path / ".trace.json.12.tmp"
    half.write_text(json.dumps(value)[:-1])
    assert trail.leads_to(half) == (found and value != {"document": "17"})


def test_pages_are_read_as_their_readers_see_them(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    quote = "</b> &nbsp;<i>".join(f"word{n}" for n in range(3, 16))
    page.write_text(f"<p>{quote}</p>")
    assert Trail([], [LONG]).leads_to(page)
    page.write_text("<p>&#47;docs/a.md</p>")
    assert Trail(["/docs/a.md"], []).leads_to(page, own=False)


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
def test_a_graph_forgets_too(run: Any, tree: Any, kb: Path, kind: Any) -> None:
    root = tree({f"{n}.md": f"# Number {n}\n\nText of harbour number {n}." for n in range(40)})
    run(index=IndexSettings(choice=kind))
    tree({"secret.md": TEXT})
    run()
    vectors = vectors_of(kb, root / "secret.md")
    assert holding(kb, *vectors)
    forget(kb, selected(root / "secret.md"))
    assert holding(kb, SECRET.encode(), *vectors) == []
    base = KnowledgeBase.open(kb)
    assert base.info().index.kind == kind
    assert base.info().index.tombstones == 0
    assert len(base.dense(HashEmbedder().embed(["harbour"])[0], 50)) == 40
    assert base.verify().problems == ()


def test_every_table_is_thought_of(root: Path, kb: Path) -> None:
    """A table that is added must be cleared by `erase`, or hold nothing of documents."""
    forget(kb, selected(root / "secret.md", root / "kept.md"))
    rows = sqlite3.connect(kb / "surefoot.db")
    found = rows.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    full = {
        name for (name,) in found if rows.execute(f"SELECT count(*) FROM {name}").fetchone() != (0,)
    }
    rows.close()
    # Numbers, the embedder's name, and the word index's own bookkeeping.
    assert full <= {"sqlite_sequence", "meta", "lexical_config", "lexical_data"}


def test_a_member_of_an_archive(tmp_path: Path, kb: Path) -> None:
    with zipfile.ZipFile(tmp_path / "letters.zip", "w") as archive:
        archive.writestr("zebra.md", TEXT)
        archive.writestr("kept.md", KEPT)
    ingest([tmp_path / "letters.zip"], kb, HashEmbedder())
    (secret,) = (d.document for d in KnowledgeBase.open(kb).documents() if "zebra" in d.document)
    kept = trace(kb, "1.json", "letters.zip", KEPT)
    done = forget(kb, selected(secret), [Traces(kb / "traces")])
    assert done.documents == (secret,)
    assert holding(kb, SECRET.encode(), b"zebra") == []
    assert kept.exists()
    assert len(KnowledgeBase.open(kb).documents()) == 1
