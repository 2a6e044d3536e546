"""Conversations on disk: kept, many at once, seen by the right people, and forgotten."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ingest.build import ingest
from ingest.forget import forget
from ingest.quotes import Trail
from ingest.selection import Selection
from ingest.testing import HashEmbedder
from rag.conversations import Conversations
from rag.turns import WITHHELD, ConversationError, UnknownConversation, history_of
from rag.types import (
    Answer,
    Citation,
    Fact,
    Finding,
    ModelRef,
    Passage,
    Recalled,
    Sentence,
    TokenUse,
)

HR = frozenset({"hr"})


def passage(document: str, *groups: str) -> Passage:
    text = "Five days."
    at = f"/docs/{document}.md"
    return Passage(
        1, 0.9, 0.7, 3.0, document, at, f"About {document}", (), 3, 0, 10, text, frozenset(groups)
    )


def sentence(text: str, *documents: str, support: float | None = 0.9) -> Sentence:
    cited = (Citation(d, f"/docs/{d}.md", 3, 0, 10, "Five days.") for d in documents)
    return Sentence(text, support, tuple(cited))


def answer(
    *sentences: Sentence,
    passages: Sequence[Passage] = (),
    findings: Sequence[Finding] = (),
    status: Any = "answered",
) -> Answer:
    return Answer(
        status=status,
        text="".join(item.text for item in sentences).strip(),
        sentences=tuple(sentences),
        passages=tuple(passages),
        findings=tuple(findings),
        tokens=TokenUse(10, 3, 100),
        timings_ms={},
        model=ModelRef("tiny", "ab" * 32),
        trace="",
    )


LEAVE = answer(sentence("Five days. ", "leave"), passages=[passage("leave"), passage("pay", "hr")])
PAY = answer(sentence("It is £4.", "pay"), passages=[passage("pay", "hr")])
UNKNOWN = answer(
    sentence("I don't know. Nearest: About pay.", support=None),
    passages=[passage("pay", "hr")],
    status="abstained",
)


@pytest.fixture
def now() -> dict[str, frozenset[str]]:
    return {}


@pytest.fixture
def talks(tmp_path: Path, now: Any) -> Conversations:
    return Conversations(tmp_path / "conversations.db", lambda _: now)


def test_it_survives_a_restart_and_goes_on(talks: Conversations) -> None:
    assert talks.turns("leave") == ()
    assert not talks.path.exists()
    first = talks.add("leave", "How many days?", LEAVE)
    again = Conversations(talks.path, lambda _: {})
    earlier = again.turns(first.id)
    assert history_of(earlier) == (
        Recalled("user", "How many days?", 1),
        Recalled("assistant", "Five days.", 1, (Fact("Five days.", "About leave"),)),
    )
    second = again.add(first.id, "And in May?", LEAVE, earlier=earlier)
    assert (second.id, second.name, second.turn) == (first.id, "leave", 2)
    source = talks.get("leave").turns[0].said[0].sources[0]
    assert (source.document, source.path, source.page) == ("leave", "/docs/leave.md", 3)
    assert (source.start, source.end) == (0, 10)
    assert talks.path.stat().st_mode & 0o777 == 0o600


def test_the_latest_comes_first(talks: Conversations) -> None:
    for key in ("a", "b", "a", "c", "b"):
        talks.add(key, "How many?", LEAVE)
    assert [item.name for item in talks.all()] == ["b", "c", "a"]


def test_rename_and_delete(talks: Conversations) -> None:
    kept = talks.add("leave", "How many days?", LEAVE)
    talks.add("other", "How much?", LEAVE)
    talks.rename("leave", "  annual   leave ")
    assert talks.get("annual leave").id == kept.id
    for name, problem in (("other", "another"), ("", "printable"), ("c-0123abcd", "looks like")):
        with pytest.raises(ConversationError, match=problem):
            talks.rename(kept.id, name)
    talks.delete("annual leave")
    assert [item.name for item in talks.all()] == ["other"]
    assert b"How many days" not in everything(talks.path.parent)
    for call in (talks.get, talks.delete, lambda key: talks.rename(key, "x")):
        with pytest.raises(UnknownConversation):
            call("annual leave")
    with pytest.raises(UnknownConversation):
        talks.turns(kept.id)
    with pytest.raises(UnknownConversation):
        talks.add(kept.id, "Gone?", LEAVE)


def test_fewer_groups_see_fewer_turns(talks: Conversations) -> None:
    for question, given in (("Leave?", LEAVE), ("Pay?", PAY), ("Who?", UNKNOWN)):
        talks.add("mixed", question, given, HR)
    talks.add("pay", "Pay?", PAY, HR)
    assert [turn.question for turn in talks.turns("mixed")] == ["Leave?"]
    assert talks.get("mixed").hidden == 2
    assert len(talks.turns("mixed", HR)) == 3
    assert [item.name for item in talks.all()] == ["mixed"]
    assert talks.turns("pay") == ()
    with pytest.raises(UnknownConversation):
        talks.get("pay")
    with pytest.raises(ConversationError, match="may not see"):
        talks.delete("mixed")
    talks.delete("mixed", HR)


def test_groups_that_a_document_has_now_count_too(talks: Conversations, now: Any) -> None:
    talks.add("leave", "Leave?", LEAVE)
    now["leave"] = HR
    assert (talks.turns("leave"), len(talks.turns("leave", HR))) == ((), 1)


def test_everyone_has_their_own(talks: Conversations) -> None:
    mine = talks.add("leave", "Mine?", LEAVE)
    ada = Conversations(talks.path, lambda _: {}, owner="ada")
    hers = ada.add("leave", "Hers?", LEAVE)
    assert (ada.get("leave").id, talks.get("leave").id) == (hers.id, mine.id)
    assert [item.turns[0].question for item in ada.all()] == ["Hers?"]
    for call in (ada.get, ada.turns, ada.delete, lambda key: ada.rename(key, "x")):
        with pytest.raises(UnknownConversation):
            call(mine.id)


def test_a_new_one_never_goes_on_with_another(talks: Conversations) -> None:
    first, second = talks.begin_new("Leave"), talks.begin_new("Leave")
    assert (first.name, second.name) == ("Leave", "Leave 2")
    assert talks.title(second.id, "Pay") == "Pay"
    assert talks.title(first.id, "Pay") == "Pay 2"
    assert len(talks.begin_new("x" * 100).name) == len(talks.begin_new("x" * 100).name) == 100
    assert talks.all() == ()


def test_a_turn_gives_its_place_to_another(talks: Conversations) -> None:
    kept = [talks.add("leave", f"{n}?", LEAVE) for n in range(3)]
    talks.withdraw(kept[2].id, 2)
    assert [turn.number for turn in talks.turns("leave")] == [1, 3]


def test_quotes_and_support_are_kept(talks: Conversations) -> None:
    talks.add("leave", "How many?", LEAVE)
    (said,) = talks.turns("leave")[0].said
    assert (said.support, said.sources[0].quote) == (0.9, "Five days.")


FORMAT_1 = """
PRAGMA user_version = 1;
CREATE TABLE conversations (
  id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE,
  created TEXT NOT NULL, updated TEXT NOT NULL, turns INTEGER NOT NULL DEFAULT 0,
  touched INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
CREATE TABLE turns (
  conversation TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE,
  number INTEGER NOT NULL, at TEXT NOT NULL, question TEXT NOT NULL, status TEXT NOT NULL,
  said TEXT NOT NULL, needs TEXT NOT NULL, groups TEXT NOT NULL,
  PRIMARY KEY (conversation, number)) STRICT, WITHOUT ROWID;
INSERT INTO conversations VALUES ('c-01234567', 'leave', '2026', '2026', 1, 4);
INSERT INTO turns VALUES ('c-01234567', 1, '2026', 'How many?', 'answered',
  '[{"text": "Five.", "sources": [{"document": "d", "path": "/d", "title": "D", "page": null,
     "start": 0, "end": 5}]}]', '[["d", []]]', '[]');
"""


def test_a_file_of_before_is_brought_up_to_date(talks: Conversations) -> None:
    with sqlite3.connect(talks.path) as db:
        db.executescript(FORMAT_1)
    db.close()
    with ThreadPoolExecutor(4) as pool:
        found = [job.result() for job in [pool.submit(talks.turns, "leave") for _ in range(8)]]
    assert {turns[0].text for turns in found} == {"Five."}
    assert Conversations(talks.path, lambda _: {}, owner="ada").all() == ()
    talks.delete("leave")
    with sqlite3.connect(talks.path) as db:
        assert db.execute("SELECT count(*) FROM turns").fetchone() == (0,)
    db.close()


def test_what_rests_on_nothing_is_for_its_askers_groups(talks: Conversations) -> None:
    talks.add("x", "Is Bob leaving?", answer(sentence("I don't know.", support=None)), HR)
    assert (talks.turns("x"), len(talks.turns("x", HR))) == ((), 1)


def test_a_weak_claim_rests_on_all_that_came_before(talks: Conversations) -> None:
    talks.add("x", "Pay?", PAY, HR)
    weak = answer(sentence("It is so.", "leave", support=0.1), passages=[passage("leave")])
    talks.add("x", "And?", weak, HR, talks.turns("x", HR))
    assert talks.turns("x", HR)[1].documents == {"pay", "leave"}
    assert talks.turns("x") == ()


BLOCK = Finding("question", "VIOLENCE", 0, 4, 0.9, "f", "block")
MASK = Finding("question", "SECRET", 7, 13, 0.9, "f", "redact")
ASKED = [
    (answer(sentence("No.", support=None), findings=[BLOCK], status="blocked"), WITHHELD),
    (answer(sentence("No.", support=None), status="blocked"), WITHHELD),
    (answer(sentence("Five.", "leave"), findings=[MASK]), "What's <SECRET>?"),
]


@pytest.mark.parametrize(("given", "kept"), ASKED)
def test_what_the_guard_withheld_is_not_kept(
    talks: Conversations, given: Answer, kept: str
) -> None:
    talks.add("x", "What's hunter?", given)
    (turn,) = talks.turns("x")
    assert turn.question == kept
    assert b"hunter" not in everything(talks.path.parent)
    assert bool(history_of([turn])) == (given.status != "blocked")


def test_half_characters_are_no_obstacle(talks: Conversations) -> None:
    talks.add("x\ud800", "Why \ud800?", answer(sentence("So \udfff.", "leave")))
    (turn,) = talks.turns("x\ud800")
    assert (turn.question, turn.text) == ("Why ??", "So ?.")


def test_many_threads_at_once(talks: Conversations) -> None:
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(talks.add, f"talk {n % 3}", f"{n}?", LEAVE) for n in range(48)]
        assert {job.result().name for job in jobs} == {"talk 0", "talk 1", "talk 2"}
    for item in talks.all():
        assert [turn.number for turn in item.turns] == list(range(1, 17))


MANY = """
import sys
sys.path.insert(0, sys.argv[2])
from test_conversations import LEAVE, Conversations, Path
talks = Conversations(Path(sys.argv[1]), lambda _: {})
for n in range(10):
    talks.add("shared", f"{n}?", LEAVE)
"""


def test_many_processes_at_once(talks: Conversations) -> None:
    words = [sys.executable, "-c", MANY, str(talks.path), str(Path(__file__).parent)]
    jobs = [subprocess.Popen(words) for _ in range(3)]
    assert [job.wait() for job in jobs] == [0, 0, 0]
    assert [turn.number for turn in talks.turns("shared")] == list(range(1, 31))


def test_a_file_of_something_else_is_one_line(talks: Conversations) -> None:
    talks.add("x", "Why?", LEAVE)
    with sqlite3.connect(talks.path) as db:
        db.execute("PRAGMA user_version = 9")
    db.close()
    with pytest.raises(ConversationError, match="has format 9, this program needs 2"):
        talks.all()
    talks.path.write_bytes(b"no database" * 100)
    with pytest.raises(ConversationError, match="not a database"):
        talks.all()


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


SECRET = "zyxwvu"
TEXT = f"# The {SECRET} file\n\nNobody may ever read again what {SECRET} said about the harbour.\n"
KEPT = "# Harbour\n\nThe harbour opens at seven every morning, and closes late at night.\n"


def test_forgetting_takes_the_turns_that_cite_or_quote(tmp_path: Path) -> None:
    docs, kb = tmp_path / "docs", tmp_path / "kb"
    docs.mkdir()
    (docs / "secret.md").write_text(TEXT)
    (docs / "kept.md").write_text(KEPT)
    ingest([docs], kb, HashEmbedder())
    talks = Conversations.beside(kb)
    secret, kept = str(docs / "secret.md"), str(docs / "kept.md")
    cites = answer(sentence(f"{SECRET} said it.", secret), passages=[passage(secret)])
    quotes = answer(sentence(TEXT.splitlines()[2], kept), passages=[passage(kept)])
    fine = answer(sentence("It opens at seven.", kept), passages=[passage(kept)])
    for given in (cites, fine, quotes):
        talks.add("mixed", "And?", given)
    talks.add("gone", f"What of {SECRET}?", cites)
    talks.add(secret, "When?", fine)
    selection = Selection((secret,))
    planned = forget(kb, selection, [talks], dry_run=True)
    assert planned.removed["turns of conversations"] == 3
    assert SECRET.encode() in everything(kb)
    done = forget(kb, selection, [talks])
    assert done.removed == planned.removed
    found = everything(kb)
    assert SECRET.encode() not in found
    assert secret.encode() not in found
    assert [turn.number for turn in talks.turns("mixed")] == [2]
    assert {item.name == item.id for item in talks.all()} == {True, False}
    assert talks.add("mixed", "Again?", fine).turn == 4


def test_a_forgetting_that_was_killed_empties_the_log_the_next_time(talks: Conversations) -> None:
    talks.add("x", f"What of {SECRET}?", LEAVE)
    reader = sqlite3.connect(talks.path)
    reader.execute("SELECT count(*) FROM turns").fetchall()
    with sqlite3.connect(talks.path) as db:
        db.execute("PRAGMA secure_delete = ON")
        db.execute("DELETE FROM turns")
    db.close()
    assert SECRET.encode() in everything(talks.path.parent)
    assert talks.clear(Trail(["none"], []), dry_run=False) == 0
    assert SECRET.encode() not in everything(talks.path.parent)
    reader.close()


def test_nothing_is_made_where_nothing_was(talks: Conversations) -> None:
    assert talks.clear(Trail(["leave"], []), dry_run=False) == 0
    assert talks.all() == ()
    assert not talks.path.exists()
