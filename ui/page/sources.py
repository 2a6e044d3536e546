"""Where an answer comes from, as HTML: the passage with the quoted characters highlighted. Pure.

A highlight is drawn from offsets: text index = document offset - passage start.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from pathlib import PurePath

from rag.types import Answer, Citation, Passage
from ui.view import place, short

AROUND = 240
SNIPPET = 120
_VEIL = re.compile(r"•{3,}")
_HIDDEN = '<span class="sf-veil" title="Hidden: personal data or an instruction">{}</span>'


def veiled(text: str) -> str:
    """Escaped text; runs of dots, which stand for hidden characters, say so."""
    return _VEIL.sub(lambda match: _HIDDEN.format(match.group()), escape(text, quote=True))


def holder(citation: Citation, passages: Sequence[Passage]) -> Passage | None:
    """The passage that holds the citation's characters, if it is among `passages`."""
    for passage in passages:
        inside = passage.start <= citation.start and citation.end <= passage.end
        if passage.document == citation.document and inside:
            start, end = citation.start - passage.start, citation.end - passage.start
            if passage.text[start:end] == citation.quote:
                return passage
    return None


def cited(passage: Passage, answer: Answer) -> bool:
    """Whether a sentence of the answer cites something in the passage."""
    return any(
        citation.document == passage.document and passage.start <= citation.start < passage.end
        for sentence in answer.sentences
        for citation in sentence.citations
    )


def card(citation: Citation, passages: Sequence[Passage]) -> str:
    """What a chip opens: place, heading path, and the quote with some of the text around it."""
    return _where(citation, passages) + _marked(citation, passages, AROUND)


def sources_html(
    citations: Sequence[Citation], passages: Sequence[Passage], opened: bool = False
) -> str:
    """A row a citation, in the order of their numbers; each opens on its whole passage.

    With `opened`, the first row of each passage is open from the beginning.
    """
    if not citations:
        return ""
    rows, seen = [], set[tuple[str, int]]()
    for number, citation in enumerate(citations, start=1):
        passage = holder(citation, passages)
        where = (citation.document, passage.start if passage else citation.start)
        title = passage.title if passage else ""
        name = escape(place(title, citation.path, citation.page))
        body = _headings(passage) + _marked(citation, passages, None)
        snippet = f'<span class="sf-snippet">“{escape(short(citation.quote, SNIPPET))}”</span>'
        rows.append(_row(f"<b>{number}</b> · {name}{snippet}", body, opened and where not in seen))
        seen.add(where)
    return f'<div class="sf-sources"><div class="sf-kicker">Sources</div>{"".join(rows)}</div>'


def nearest_html(passages: Sequence[Passage], limit: int = 3, opened: bool = False) -> str:
    """The nearest documents, each opening on its best passage."""
    best: dict[str, Passage] = {}
    for passage in passages:
        best.setdefault(passage.title, passage)
    rows = [
        _row(
            escape(place(passage.title, passage.path, passage.page)),
            f'{_headings(passage)}<blockquote class="sf-passage">{veiled(passage.text)}'
            "</blockquote>",
            opened,
        )
        for passage in list(best.values())[:limit]
    ]
    if not rows:
        return ""
    return f'<div class="sf-sources"><div class="sf-kicker">Nearest</div>{"".join(rows)}</div>'


def _row(label: str, body: str, opened: bool) -> str:
    state = " open" if opened else ""
    return f'<details class="sf-row"{state}><summary>{label}</summary>{body}</details>'


def _where(citation: Citation, passages: Sequence[Passage]) -> str:
    passage = holder(citation, passages)
    file = PurePath(citation.path).name
    title = passage.title if passage and passage.title else file
    facts = [f"p. {citation.page}"] if citation.page is not None else []
    facts += [file] if title != file else []
    return (
        f'<div class="sf-where"><b>{escape(title)}</b>'
        f"<span>{escape(' · '.join(facts))}</span></div>{_headings(passage)}"
    )


def _headings(passage: Passage | None) -> str:
    names = [name for name in passage.headings if name != passage.title] if passage else []
    return f'<div class="sf-path">{escape(" › ".join(names))}</div>' if names else ""


def _marked(citation: Citation, passages: Sequence[Passage], around: int | None) -> str:
    """The quote in a <mark>, with `around` characters on each side (None: the whole passage)."""
    passage = holder(citation, passages)
    before, after = "", ""
    if passage is not None:
        before = passage.text[: citation.start - passage.start]
        after = passage.text[citation.end - passage.start :]
        if around is not None:
            before, after = _last(before, around), _first(after, around)
    return (
        f'<blockquote class="sf-passage">{veiled(before)}<mark>{escape(citation.quote)}</mark>'
        f"{veiled(after)}</blockquote>"
    )


def _last(text: str, width: int) -> str:
    """The end of `text`, cut at a blank."""
    if len(text) <= width:
        return text
    cut = text[-width:]
    return "… " + cut[cut.find(" ") + 1 :]


def _first(text: str, width: int) -> str:
    """The beginning of `text`, cut at a blank."""
    if len(text) <= width:
        return text
    cut = text[:width]
    return cut[: cut.rfind(" ")] + " …" if " " in cut else cut + " …"
