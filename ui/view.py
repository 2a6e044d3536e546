"""Results as JSON of the contract, and as lines for people. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import PurePath
from typing import Any

from rag.safety.left_out import HIDDEN, left_out
from rag.types import Answer, Citation, Finding, Passage, Sentence, Shown

Json = dict[str, Any]


def passage_json(passage: Passage) -> Json:
    """A passage as `search --json` prints it."""
    return {
        "rank": passage.rank,
        "score": passage.score,
        "document": passage.document,
        "path": passage.path,
        "title": passage.title,
        "headings": list(passage.headings),
        "page": passage.page,
        "start": passage.start,
        "end": passage.end,
        "text": passage.text,
        "parts": {
            "dense": passage.dense,
            "lexical": passage.lexical,
            "rerank": passage.rerank,
        },
        "linked": passage.linked,
        "also": list(passage.also),
        "older": list(passage.older),
    }


def parts(passage: Passage) -> str:
    """The scores of a passage by part, for people."""
    found = [f"dense {passage.dense:.3f}", f"lexical {passage.lexical:.2f}"]
    if passage.rerank is not None:
        found.append(f"rerank {passage.rerank:.3f}")
    if passage.linked:
        found.append("found by what a better passage names")
    return "   ".join(found)


def twins(passage: Passage) -> str:
    """Which documents say almost the same, and of which this is the newer version; "" for none."""
    same = [name for name in passage.also if name not in passage.older]
    notes = [
        f"newer version of {', '.join(passage.older)}" if passage.older else "",
        f"almost the same in {', '.join(same)}" if same else "",
    ]
    return "; ".join(note for note in notes if note)


def finding_json(finding: Finding) -> Json:
    return asdict(finding)


def left_out_lines(answer: Answer) -> list[str]:
    """What of which document was kept from the model, and why; [] for nothing."""
    names = {p.document: _plain_name(p) for p in answer.passages}
    return left_out(answer.findings, names)


def _plain_name(passage: Passage) -> str:
    return PurePath(passage.path).name if passage.title in ("", HIDDEN) else passage.title


def sentence_json(sentence: Sentence) -> Json:
    return {
        "text": sentence.text.strip(),
        "support": sentence.support,
        "citations": [asdict(citation) for citation in sentence.citations],
        "flags": [asdict(flag) for flag in sentence.flags],
    }


def confidence_json(shown: Iterable[Shown]) -> list[Json]:
    """How sure the model was of each token that was shown; `sentence` is its place."""
    return [
        {"text": token.text, "logprob": token.logprob, "sentence": index}
        for index, event in enumerate(shown)
        for token in event.tokens
    ]


def answer_json(answer: Answer) -> Json:
    """An answer as `ask --json` prints it; `where` only where there were conditions."""
    return {
        "status": answer.status,
        "answer": answer.text,
        "cause": answer.cause,
        "withheld": answer.withheld,
        "sentences": [sentence_json(sentence) for sentence in answer.sentences],
        "passages": [passage_json(passage) for passage in answer.passages],
        "findings": [finding_json(finding) for finding in answer.findings],
        "tokens": asdict(answer.tokens),
        "timings_ms": dict(answer.timings_ms),
        "model": asdict(answer.model),
        "signals": dict(answer.signals),
        "trace": answer.trace,
        "searched": answer.searched,
        **({"where": answer.where} if answer.where else {}),
    }


class Numbering:
    """Numbers citations in the order in which they are first shown; one place, one number."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, int, int], int] = {}
        self.citations: list[Citation] = []

    def numbers(self, citations: Iterable[Citation]) -> list[int]:
        found = []
        for citation in citations:
            key = (citation.document, citation.start, citation.end)
            if key not in self._numbers:
                self.citations.append(citation)
                self._numbers[key] = len(self.citations)
            found.append(self._numbers[key])
        return found


def source_name(passages: Sequence[Passage], citation: Citation) -> str:
    """What a reader calls a citation's place: title, page, file."""
    title = next((p.title for p in passages if p.document == citation.document), "")
    return place(title, citation.path, citation.page)


def place(title: str, path: str, page: int | None) -> str:
    name = PurePath(path).name
    parts = [title] if title else []
    if page is not None:
        parts.append(f"p. {page}")
    return ", ".join(parts) + f" ({name})" if parts else name


def version_note(passages: Sequence[Passage], citation: Citation) -> str:
    """What is to be said of the versions of the passage that a citation is from; "" for nothing."""
    cited = (
        p
        for p in passages
        if p.document == citation.document and p.start < citation.end and citation.start < p.end
    )
    return next((note for note in map(twins, cited) if note), "")


def support_mark(support: float | None) -> str:
    """Support as a word for people."""
    if support is None:
        return ""
    if support >= 0.75:
        return "well supported"
    return "supported" if support >= 0.5 else "weakly supported"


def flag_mark(sentence: Sentence) -> str:
    """What of a sentence stands in no passage, for people; "" for nothing."""
    return ", ".join(dict.fromkeys(f"“{flag.text}”" for flag in sentence.flags))


def short(text: str, width: int) -> str:
    """One line of at most `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"
