"""A sentence of an answer as HTML: text, hidden parts as pills, support as a dot, numbered chips.

Pure. Whatever comes from a document or a model goes through `escape` or `inline`, which let no tag,
attribute, link or image of theirs live. Of Markdown only emphasis, code, headings and bullets are
read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape as escape_html

from rag.safety.labels import LABELS
from rag.types import Passage, Sentence
from ui.page.sources import card, veiled
from ui.page.words import label_name
from ui.view import Numbering, flag_mark, support_mark

_PIECES = re.compile(
    rf"<(?P<label>{'|'.join(LABELS)})(?:[_:](?P<which>[1-9]\d{{0,8}}|[0-9a-f]{{6,8}}))?>"
    r"|`(?P<code>[^`\n]+)`"
    r"|\*\*(?P<strong>[^*\n]+)\*\*"
)
_HEADING = re.compile(r"^#{1,6} +(.+)$", re.MULTILINE)
_BULLET = re.compile(r"^([ \t]*)[-*+] +", re.MULTILINE)
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+.!|~$:-])")
_LEVELS = {"well supported": "well", "supported": "fair", "weakly supported": "weak"}


def escape(text: str) -> str:
    """`text` for HTML content and attributes."""
    return escape_html(text, quote=True)


def escape_markdown(text: str) -> str:
    """`text` on one line for a label that Streamlit reads as Markdown."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def inline(text: str) -> str:
    """Text of an answer as HTML."""
    return _pieces(_BULLET.sub(r"\1• ", _HEADING.sub(r"**\1**", text)))


def sentences_html(
    sentences: Iterable[Sentence], numbering: Numbering, passages: Sequence[Passage], group: str
) -> str:
    """The sentences of an answer in their order. `group` is a word that no other answer has."""
    return "".join(
        _sentence(sentence, numbering, passages, f"{group}-{index}")
        for index, sentence in enumerate(sentences)
    )


def legend() -> str:
    """What the dots mean, on one line."""
    items = "".join(
        f'<span><span class="sf-dot sf-{level}"></span>{words}</span>'
        for words, level in _LEVELS.items()
    )
    return f'<div class="sf-legend">{items}</div>'


def _sentence(
    sentence: Sentence, numbering: Numbering, passages: Sequence[Passage], place: str
) -> str:
    body = sentence.text.rstrip()
    tail = sentence.text[len(body) :] or " "
    numbers = numbering.numbers(sentence.citations)
    chips = "".join(
        _chip(number, card(citation, passages), f"{place}-{number}")
        for number, citation in zip(numbers, sentence.citations, strict=True)
    )
    marks = _support(sentence.support) + _flags(sentence)
    return f"<span>{inline(body)}</span>{marks}{chips}{escape(tail)}"


def _flags(sentence: Sentence) -> str:
    """What stands in no passage, in the manner of weak support."""
    if not sentence.flags:
        return ""
    return f'<span class="sf-weak-words">in no passage: {escape(flag_mark(sentence))}</span>'


def _pieces(text: str) -> str:
    parts: list[str] = []
    position = 0
    for match in _PIECES.finditer(text):
        parts.append(veiled(text[position : match.start()]))
        parts.append(_piece(match))
        position = match.end()
    return "".join([*parts, veiled(text[position:])])


def _piece(match: re.Match[str]) -> str:
    if label := match["label"]:
        return (
            f'<span class="sf-pill">{escape(label_name(label))} {match["which"] or "hidden"}</span>'
        )
    tag = "code" if match["code"] else "strong"
    return f"<{tag}>{_pieces(match[tag])}</{tag}>"


def _support(support: float | None) -> str:
    if support is None:
        return ""
    words = support_mark(support)
    said = f"Support {support:.2f}: {words}"
    dot = (
        f'<span class="sf-dot sf-{_LEVELS[words]}" role="img" '
        f'title="{said}" aria-label="{said}"></span>'
    )
    weak = f'<span class="sf-weak-words">{words}</span>' if support < 0.5 else ""
    return dot + weak


def _chip(number: int, content: str, place: str) -> str:
    """A number that opens a card. The browser's own popover closes it on a click elsewhere."""
    return (
        f'<button class="sf-chip" type="button" popovertarget="{place}" '
        f'aria-label="Source {number}">{number}</button>'
        f'<div class="sf-card" id="{place}" popover="auto">{content}</div>'
    )
