"""What stands in a document that the policy calls public is no leak."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ingest.build import ingest
from ingest.forget import forget
from ingest.selection import Selection
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder
from rag.answers import index_stamp
from rag.errors import ConfigError
from rag.safety import public
from rag.safety.public import Base, PublicData
from rag.types import Finding, Stage

PHONE = re.compile(r"\+44[\d ]+\d")
OURS, THEIRS, STAFF = "+44 131 496 0100", "+44 131 496 0131", "+44 131 496 0199"


def find(text: str, stage: Stage) -> list[Finding]:
    return [Finding(stage, "PHONE_NUMBER", *m.span(), 0.9, "t") for m in PHONE.finditer(text)]


@pytest.fixture
def kb(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    (docs / "about").mkdir(parents=True)
    (docs / "contact.md").write_text(f"# Contact\n\nCall us on {OURS}, day and night.\n")
    (docs / "about" / "history.md").write_text(
        "# History\n\nFounded on +44 131 496 0777 in 1900.\n"
    )
    (docs / "people.md").write_text(f"# People\n\nFiona can be reached on {THEIRS} at home.\n")
    (docs / "staff").mkdir()
    (docs / "staff" / "contact.md").write_text(f"# Staff\n\nThe night line is {STAFF} only.\n")
    ingest([docs / "staff"], tmp_path / "kb", HashEmbedder(), groups=frozenset({"staff"}))
    ingest(
        [docs / "contact.md", docs / "about", docs / "people.md"], tmp_path / "kb", HashEmbedder()
    )
    return tmp_path / "kb"


def opened(kb: Path, *globs: str) -> PublicData:
    base = KnowledgeBase.open(kb)
    return PublicData(Base(base, lambda: index_stamp(kb)), globs, find)


@pytest.mark.parametrize(
    ("globs", "raw", "allowed"),
    [
        (["contact.md"], "0131 4960100", True),
        (["contact.md"], THEIRS, False),
        (["contact.md"], STAFF, False),
        (["staff/contact.md"], STAFF, False),
        (["about/*"], "+44 131 496 0777", True),
        (["about/*"], OURS, False),
        (["*.txt"], OURS, False),
        (["tact.md"], OURS, False),
        ([], OURS, False),
    ],
)
def test_what_everyone_may_read_there_is_public(
    kb: Path, globs: list[str], raw: str, allowed: bool
) -> None:
    data = opened(kb, *globs)
    assert data.allows("PHONE_NUMBER", raw) is allowed
    assert not data.allows("BANK_ACCOUNT", raw)


def test_it_follows_the_base(kb: Path) -> None:
    data = opened(kb, "contact.md", "people.md")
    assert data.allows("PHONE_NUMBER", THEIRS)
    before = data.epoch()
    people = next(
        d.document for d in KnowledgeBase.open(kb).documents() if d.path.endswith("people.md")
    )
    forget(kb, Selection((people,)))
    assert data.epoch() != before
    assert not data.allows("PHONE_NUMBER", THEIRS)
    assert data.allows("PHONE_NUMBER", OURS)


def test_only_new_documents_are_searched_again(kb: Path, tmp_path: Path) -> None:
    searched: list[str] = []

    def counting(text: str, stage: Stage) -> list[Finding]:
        searched.append(text)
        return find(text, stage)

    base = KnowledgeBase.open(kb)
    data = PublicData(Base(base, lambda: index_stamp(kb)), ["*.md"], counting)
    before = len(searched)
    (tmp_path / "docs" / "new.md").write_text("# New\n\nOur fax is +44 131 496 0555 by now.\n")
    ingest([tmp_path / "docs" / "new.md"], kb, HashEmbedder())
    assert data.allows("PHONE_NUMBER", "+44 131 496 0555")
    assert len(searched) == before + 1
    assert not data.allows("PHONE_NUMBER", STAFF)


def test_a_base_that_is_gone_is_another_epoch_and_fails(kb: Path) -> None:
    data = opened(kb, "contact.md")
    (kb / "manifest.json").rename(kb / "away.json")
    assert data.epoch() == "gone"
    with pytest.raises(Exception, match="knowledge base"):
        data.allows("PHONE_NUMBER", OURS)


def test_too_much_to_read_is_said(kb: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public, "MOST_CHARACTERS", 50)
    with pytest.raises(ConfigError, match=r"names 3 documents with [\d,]+ characters; 50 are"):
        opened(kb, "*.md")


def test_long_documents_are_read_in_pieces() -> None:
    text = "\n\n".join(f"Paragraph {i} on +44 131 496 {i:04} and more words." for i in range(400))
    pieces = list(public._pieces(text))
    assert "".join(pieces).rstrip() == text
    assert max(map(len, pieces)) < 5000
