"""Mail: a message is a document, each attachment another, and nothing of either is lost."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.pages import Page, Reach
from ingest.readers.border import guarded
from ingest.readers.mail import read_mail
from ingest.readers.members import read_page
from ingest.store import KnowledgeBase
from ingest.types import Failure, IngestReport, ParsedDocument

HEAD = "From: Ada Lovelace <ada@example.org>\nTo: Charles <c@example.org>\n"
COLUMNS = ("added", "updated", "unchanged", "removed", "duplicates")


def counts(report: IngestReport) -> dict[str, int]:
    found = {name: getattr(report, name) for name in COLUMNS if getattr(report, name)}
    return found | ({"failed": len(report.failed)} if report.failed else {})


def message(
    text: str = "Dear Charles,\n\nthe engine works.\n",
    subject: str = "The engine",
    html: str = "",
    files: Sequence[tuple[str, bytes]] = (),
    number: str = "1@example.org",
) -> bytes:
    mail = EmailMessage()
    mail["From"] = "Ada Lovelace <ada@example.org>"
    mail["To"] = "Charles <c@example.org>"
    mail["Subject"] = subject
    mail["Date"] = "Tue, 05 Mar 2024 10:00:00 +0100"
    if number:
        mail["Message-ID"] = f"<{number}>"
    if text:
        mail.set_content(text)
    if html and text:
        mail.add_alternative(html, subtype="html")
    elif html:
        mail.set_content(html, subtype="html")
    for name, data in files:
        mail.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return mail.as_bytes()


def parse(data: bytes) -> ParsedDocument:
    parsed = guarded(read_mail, data, "x/a.eml")
    assert isinstance(parsed, ParsedDocument), parsed
    position = 0
    for section in parsed.sections:
        assert position <= section.start < section.end <= len(parsed.text)
        position = section.end
    return parsed


def page(path: Path, reach: Reach | None = None) -> Page:
    found = read_page(str(path), 0, reach or Reach())
    assert found is not None
    return found


def told(found: Page, path: Path) -> dict[str, str]:
    return {
        member.identity[len(str(path)) :]: member.result.text.rpartition("\n\n")[2].strip()
        if isinstance(member.result, ParsedDocument)
        else f"! {member.result.reason}"
        for member in found.members
    }


def zipped(name: str, text: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, text)
    return packed.getvalue()


def test_a_message() -> None:
    parsed = parse(message(subject="Über die Maschine"))
    assert parsed.title == "Über die Maschine"
    assert parsed.text.startswith("From: Ada Lovelace <ada@example.org>\nTo: Charles")
    assert parsed.text.endswith("Dear Charles,\n\nthe engine works.")
    assert parsed.metadata == {
        "author": "Ada Lovelace",
        "from": "Ada Lovelace <ada@example.org>",
        "to": "Charles <c@example.org>",
        "date": "2024-03-05T10:00:00+01:00",
        "message_id": "1@example.org",
    }


@pytest.mark.parametrize(
    ("text", "html", "expected", "absent"),
    [
        ("plain words here", "<p>page words here", "plain words here", "page"),
        ("", "<h1>Head</h1><p>page words", "Head\n\npage words", "<p>"),
        ("see page", "<p>" + "long words of the page " * 5, "long words of the page", "see page"),
        ("plain", "<img src='http://example.org/x.png'>", "plain", "http"),
    ],
)
def test_of_text_and_html_one_is_read(text: str, html: str, expected: str, absent: str) -> None:
    parsed = parse(message(text, html=html))
    assert expected in parsed.text
    assert absent not in parsed.text


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ("Content-Type: text/plain; charset=latin-1\n", "caf\xe9".encode("latin-1"), "café"),
        ("Content-Type: text/plain; charset=nonsense\n", "café".encode(), "café"),
        ("Content-Type: text/plain; charset=us-ascii\n", "café".encode(), "café"),
        ("Content-Transfer-Encoding: base64\n", b"d29yZHM=", "words"),
        ("Content-Transfer-Encoding: quoted-printable\n", b"a=20b=\nc", "a bc"),
        ("Subject: =?utf-8?b?/////w==?=\n", b"words", "words"),
        ("Date: not a date\n", b"words", "words"),
        ("Content-Type: multipart/mixed; boundary=x\n", b"--x\n\nwords", "words"),
        ("Content-Type: multipart/mixed\n", b"words", "words"),
    ],
)
def test_odd_messages(headers: str, body: bytes, expected: str) -> None:
    assert parse((HEAD + headers + "\n").encode() + body).text.endswith(expected)


def test_all_texts_of_a_message_are_read() -> None:
    body = b"\n".join([
        b"Content-Type: multipart/mixed; boundary=x", b"",
        b"--x", b"Content-Type: text/plain", b"", b"first part",
        b"--x", b"Content-Type: multipart/alternative; boundary=y", b"",
        b"--y", b"Content-Type: text/plain", b"", b"second part",
        b"--y", b"Content-Type: text/html", b"", b"<p>second page",
        b"--y--", b"--x", b"Content-Type: text/plain", b"", b"list footer", b"--x--",
    ])  # fmt: skip
    text = parse(HEAD.encode() + body).text
    assert "first part\n\nsecond part\n\nlist footer" in text
    assert "second page" not in text


def test_attachments_are_documents(tmp_path: Path) -> None:
    inner = message("inner words", number="2@example.org", files=[("deep.txt", b"deep words")])
    files = [
        ("notes.txt", b"note words"),
        ("../../etc/notes.txt", b"other words"),
        ("data.zip", zipped("z.txt", "zip words")),
        ("inner.eml", inner),
        ("picture.png", b"\x89PNG\r\n\x1a\n"),
    ]
    path = tmp_path / "a.eml"
    path.write_bytes(message(files=files))
    assert told(page(path), path) == {
        "": "the engine works.",
        "!/notes.txt": "note words",
        "!/notes.txt~2": "other words",
        "!/data.zip!/z.txt": "zip words",
        "!/inner.eml": "inner words",
        "!/inner.eml!/deep.txt": "deep words",
        "!/picture.png": "! unsupported format: png",
    }


def test_pictures_of_a_page_and_signatures_are_no_documents(tmp_path: Path) -> None:
    mail = EmailMessage()
    mail["From"] = "a@example.org"
    mail.set_content("words")
    mail.add_alternative("<p>words <img src='cid:x'>", subtype="html")
    page_part = mail.get_payload()[1]  # type: ignore[index]
    page_part.add_related(b"\x89PNG\r\n\x1a\n", "image", "png", cid="<x>")  # type: ignore[union-attr]
    mail.make_mixed()
    mail.add_attachment(
        b"sign", maintype="application", subtype="pkcs7-signature", filename="s.p7s"
    )
    path = tmp_path / "a.eml"
    path.write_bytes(mail.as_bytes())
    assert list(told(page(path), path)) == [""]


def test_a_forwarded_message(tmp_path: Path) -> None:
    mail = EmailMessage()
    mail["Subject"] = "Fwd"
    mail.set_content("see below")
    forwarded = EmailMessage()
    forwarded["Subject"] = "The original"
    forwarded.set_content("original words")
    mail.add_attachment(forwarded)
    path = tmp_path / "a.eml"
    path.write_bytes(mail.as_bytes())
    assert told(page(path), path) == {"": "see below", "!/message-1.eml": "original words"}


def mailbox(*messages: bytes, end: bytes = b"\n") -> bytes:
    line = b"From ada@example.org Tue Mar  5 10:00:00 2024\n"
    quoted = (each.replace(b"\nFrom ", b"\n>From ") for each in messages)
    return b"".join(line + each.rstrip(b"\n") + b"\n" + end for each in quoted)


def test_a_mailbox(tmp_path: Path) -> None:
    one = message("one\n\nFrom here on\nand so on", number="1@x")
    two = message("two\n\nFrom the start it was so", number="2@x", files=[("a.txt", b"words")])
    path = tmp_path / "old mail"
    path.write_bytes(mailbox(one, two, message("three", number="")))
    found = told(page(path), path)
    assert found.pop("!/1@x.eml") == "From here on\nand so on"
    assert found.pop("!/2@x.eml") == "From the start it was so"
    assert found.pop("!/2@x.eml!/a.txt") == "words"
    assert list(found.values()) == ["three"]


def test_unquoted_lines_do_not_cut_a_message(tmp_path: Path) -> None:
    text = "one\n\nFrom here on it is text\nand not a header\n\nFrom the board\nAgenda: words"
    body = message(text, number="1@x")
    path = tmp_path / "a.mbox"
    path.write_bytes(b"From a@x Tue Mar  5 10:00:00 2024\n" + body)
    assert told(page(path), path) == {"!/1@x.eml": "From the board\nAgenda: words"}


def test_a_mailbox_and_a_file_of_one_message_are_one_document(run: Any, tree: Any) -> None:
    root, mail = tree({}), message()
    (root / "a.eml").write_bytes(mail)
    (root / "b.mbox").write_bytes(mailbox(mail))
    assert counts(run()) == {"added": 1, "duplicates": 1}


def test_a_mailbox_is_read_in_pages(tmp_path: Path) -> None:
    path = tmp_path / "a.mbox"
    path.write_bytes(mailbox(*(message(f"text {n}", number=f"{n}@x") for n in range(30))))
    start, names = 0, list[str]()
    while True:
        part = read_page(str(path), start, Reach(parts=7))
        assert part is not None
        names += told(part, path)
        if part.following is None:
            break
        start = part.following
    assert names == [f"!/{n}@x.eml" for n in range(30)]


def test_where_reading_kills_the_text_of_a_message_is_saved(tmp_path: Path) -> None:
    path = tmp_path / "a.mbox"
    path.write_bytes(mailbox(message("words", files=[("a.pdf", b"%PDF-1.4")])))
    assert told(page(path, Reach(1, 0, "crashed")), path) == {
        "!/1@example.org.eml": "words",
        "!/1@example.org.eml!/a.pdf": "! crashed",
    }


def test_a_life(run: Any, tree: Any, kb: Path) -> None:
    root = tree({})
    box = [message(f"text {n}", number=f"{n}@x") for n in range(3)]
    (root / "a.eml").write_bytes(message(files=[("notes.txt", b"note words")]))
    (root / "b.mbox").write_bytes(mailbox(*box))
    assert counts(run()) == {"added": 5}
    assert counts(run()) == {"unchanged": 5}
    (root / "b.mbox").write_bytes(mailbox(box[2], box[1], message("new", number="9@x")))
    assert counts(run()) == {"added": 1, "unchanged": 4}
    assert counts(run(prune=True)) == {"unchanged": 5, "removed": 1}
    base = KnowledgeBase.open(kb)
    assert base.verify().ok
    record = {record.document: record for record in base.documents()}[str(root / "a.eml")]
    assert record.title == "The engine"
    assert record.metadata["author"] == "Ada Lovelace"


def test_mail_is_told_by_its_headers(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(message())
    assert told(page(path), path) == {"": "the engine works."}
    for letter in ("From: the desk of\n\nA letter.", "From me to you\nTODO: nothing\n\nA letter."):
        path.write_text(letter)
        assert read_page(str(path), 0, Reach()) is None


SAMPLE = message(html="<p>page", files=[("a.txt", b"words"), ("b.eml", message("inner"))])


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.integers(0, len(SAMPLE)), st.integers(0, len(SAMPLE)), st.binary(max_size=20), st.booleans()
)
def test_every_damaged_message_ends_in_documents_or_failures(
    tmp_path: Path, start: int, end: int, junk: bytes, box: bool
) -> None:
    data = SAMPLE[:start] + junk + SAMPLE[end:]
    path = tmp_path / ("a.mbox" if box else "a.eml")
    path.write_bytes(mailbox(data) if box else data)
    found = read_page(str(path), 0, Reach())
    if found is not None:
        assert found.members
        for member in found.members:
            assert isinstance(member.result, ParsedDocument | Failure)
            member.identity.encode("utf-8")
