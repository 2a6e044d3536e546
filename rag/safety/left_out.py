"""What was kept from the model, in words for the reader: which document, how much of it, and why.

Pure. Names the document and the reason, never the content.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rag.safety.labels import ILLICIT, INJECTION, MODERATION, SPANS
from rag.types import Finding

HIDDEN = "(hidden)"
"""Stands for a title or heading that is left out."""

IN_TITLE, IN_HEADING = " in title", " in heading"
"""What the source of a finding ends with that is about a passage's title or heading."""

_HARMFUL = frozenset({*MODERATION, ILLICIT})
_ONE, _MANY = ("it tries", "it may be"), ("they try", "they may be")


def is_barred(finding: Finding) -> bool:
    """Whether the sentence of a finding is left out, and not just some words of it."""
    return finding.action != "keep" and finding.label not in SPANS


def left_out(findings: Iterable[Finding], names: Mapping[str, str]) -> list[str]:
    """A line for each document that something was left out of, and each reason.

    `names` are what readers call the documents.
    """
    by: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        if finding.stage == "passage" and is_barred(finding):
            by.setdefault((finding.document, _kind(finding)), []).append(finding)
    return [
        f"{_what(found, names.get(document, document))}: {_why(kind, _sentences(found) > 1)}."
        for (document, kind), found in by.items()
    ]


def _kind(finding: Finding) -> str:
    if finding.label == INJECTION:
        return INJECTION
    return "HARM" if finding.label in _HARMFUL else "RULE"


def _what(found: Sequence[Finding], name: str) -> str:
    if any(finding.action == "block" and not _in_label(finding) for finding in found):
        return f"A passage of {name} was left out"
    count = _sentences(found)
    if not count:
        return f"The title or a heading of {name} was hidden"
    one = f"One sentence of {name} was left out"
    return one if count == 1 else f"{count} sentences of {name} were left out"


def _why(kind: str, many: bool) -> str:
    tries, may_be = _MANY if many else _ONE
    if kind == INJECTION:
        return f"{tries} to give me instructions"
    return f"{may_be} harmful" if kind == "HARM" else "a safety rule says so"


def _in_label(finding: Finding) -> bool:
    return finding.source.endswith((IN_TITLE, IN_HEADING))


def _sentences(found: Sequence[Finding]) -> int:
    """Stretches of the document that do not touch; several filters may find the same."""
    count, reached = 0, -1
    for start, end in sorted((f.start, f.end) for f in found if not _in_label(f)):
        count += start >= reached
        reached = max(reached, end)
    return count
