"""Which pages of PDFs are offered, and when one is not shown."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from evals.sample import DOCUMENTS
from ingest.load import content_hash
from ingest.types import DocumentRecord
from rag.types import (
    Answer,
    Citation,
    Decision,
    Finding,
    ModelRef,
    Passage,
    Sentence,
    TokenUse,
    Verdict,
)
from ui.page import pdf
from ui.page.settings import Loader

CODE = DOCUMENTS / "policies" / "code-of-conduct.pdf"


class Guard:
    """An assistant that is its own guard, of one verdict."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self.guard = self

    def check(self, text: str, stage: Any) -> Verdict:
        return self.verdict

    def stream(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError


def loader(verdict: Verdict | None = None) -> Loader:
    return Loader(lambda: Guard(verdict or Verdict(Decision.ALLOW, "", ())))


def wanted(path: Path, page: int = 1) -> pdf.Wanted:
    return pdf.Wanted("code", str(path), "Code of Conduct", page, ("Anyone may stop a job",))


def record(path: Path, sha256: str) -> DocumentRecord:
    return DocumentRecord(
        *("code", str(path), "Code of Conduct", 7, frozenset(), sha256, 10, 10, ""),
        paths=(str(path),),
        identities=("code",),
        metadata={},
    )


def cite(path: str, page: int | None, quote: str = "Anyone") -> Citation:
    return Citation(path, path, page, 0, len(quote), quote)


def answer(*citations: Citation) -> Answer:
    titles = {item.path: Path(item.path).stem for item in citations}
    return Answer(
        status="answered",
        text="",
        sentences=(Sentence("Yes.", 0.9, citations),),
        passages=tuple(
            Passage(1, 0.9, 0.8, 4.0, path, path, title, (), 1, 0, 4, "text")
            for path, title in titles.items()
        ),
        findings=(),
        tokens=TokenUse(1, 1, 10),
        timings_ms={},
        model=ModelRef("m", "0"),
        trace="",
    )


def test_pages_are_those_of_cited_pdfs_each_once() -> None:
    found = pdf.pages(
        answer(
            cite("/kb/a.pdf", 3, "one"),
            cite("/kb/b.md", None),
            cite("/kb/a.pdf", 3, "two"),
            cite("/kb/c.PDF", 1),
            cite("/kb/d.pdf", None),
        )
    )
    assert [(item.name, item.quotes) for item in found] == [
        ("Page 3 · a", ("one", "two")),
        ("Page 1 · c", ("Anyone",)),
    ]
    many = [cite(f"/kb/{n}.pdf", 1) for n in range(9)]
    assert len(pdf.pages(answer(*many))) == pdf.OFFERED


def test_the_original_must_be_the_one_that_was_read(tmp_path: Path) -> None:
    path = tmp_path / "code.pdf"
    with pytest.raises(pdf.Untold, match="no longer in the knowledge base"):
        pdf._sha256(wanted(path), [])
    was = pdf._sha256(wanted(path), [record(path, content_hash(CODE))])
    with pytest.raises(pdf.Untold, match="no longer at"):
        pdf._picture(wanted(path), was, loader())
    path.write_bytes(CODE.read_bytes() + b"%")
    with pytest.raises(pdf.Untold, match="has changed"):
        pdf._picture(wanted(path), was, loader())


@pytest.mark.parametrize(
    "verdict",
    [Verdict(Decision.BLOCK, "", ()), Verdict(Decision.ALLOW, "", (), status="error")],
)
def test_what_the_guard_does_not_pass_is_not_drawn(verdict: Verdict, tmp_path: Path) -> None:
    path = shutil.copy(CODE, tmp_path / f"{verdict.status}.pdf")
    with pytest.raises(pdf.Untold, match="does not let this page pass"):
        pdf._picture(wanted(Path(path)), content_hash(Path(path)), loader(verdict))


def test_a_page_without_words_is_not_drawn(tmp_path: Path) -> None:
    path = tmp_path / "scan.pdf"
    Image.new("RGB", (200, 200), "white").save(path, "PDF")
    with pytest.raises(pdf.Untold, match="It is a scan"):
        pdf._picture(wanted(path), content_hash(path), loader())


def test_a_broken_file_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "broken.pdf"
    path.write_bytes(b"%PDF-1.4 nothing")
    with pytest.raises(pdf.Untold, match="could not be drawn"):
        pdf._picture(wanted(path), content_hash(path), loader())


def test_what_is_hidden_in_passages_is_covered() -> None:
    found = Finding("passage", "PERSON", 0, 30, 1.0, "fake", "redact")
    hides = Verdict(Decision.REDACT, "", (found,))
    drawn = pdf._picture(wanted(CODE), content_hash(CODE), loader(hides))
    colours = Image.open(io.BytesIO(drawn.png)).convert("RGB").getcolors(1 << 24) or []
    assert (107, 103, 95) in [colour for _, colour in colours]
    assert drawn.marked == len("Anyone may stop a job")
