"""Words in quotation marks, matched whatever the blanks, the case and the kind of marks."""

from __future__ import annotations

import re
from collections.abc import Iterator

_PAIRS = re.compile(
    r"“(?P<curly>[^“”]*)(?:”|$)|«(?P<guillemets>[^«»]*)(?:»|$)|„(?P<low>[^„“”]*)(?:[“”]|$)"
    r"|‘(?P<single>(?:[^‘’]|’(?=\w))*)(?:’(?!\w)|$)"
    r'|(?<![\w"])"(?P<straight>[^"]*)(?:"|$)'
    r"|(?<![\w'])'(?P<tick>(?:[^']|(?<=\w)'(?=\w))+)'(?!\w)"
    r'|^(?P<rest>[^“”"]*)(?:”|(?<=[\w.!?,])"(?=\s*$))'
)
_ELLIPSIS = re.compile(r"\[?(?:…|\.{3,})\]?|\[[^\]\n]{0,40}\]|\|+")
_KEPT = re.compile(r"[^\W_]+")


def find_quotations(text: str) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Start, end and pieces of each quotation, its marks left out; one that is cut off counts too.

    A quotation is in pieces where something is left out of it or put into it in brackets.
    """
    for match in _PAIRS.finditer(text):
        name = match.lastgroup
        if name is None:
            continue
        pieces = tuple(filter(None, map(plain, _ELLIPSIS.split(match[name]))))
        if pieces:
            yield match.start(name), match.end(name), pieces


def plain(text: str) -> str:
    """The words of a text in lower case, one blank between them."""
    return " ".join(_KEPT.findall(text.casefold()))
