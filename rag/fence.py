"""Fences that a document can't forge: spotlighting by delimiters (Hines et al. 2024). Pure.

What could pass for a passage's tag or a chat template's token loses its bracket, also where it is
written in full width, with look-alike letters, as entities or escapes, or with blanks and invisible
characters inside. Our engines read such tokens as plain text anyway; others' servers may not.
"""

from __future__ import annotations

import html
import re
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence

HARMLESS = "‹"
LONGEST_LABEL = 120

_NAME = "passage"
_BRACKETS = frozenset("<\u02c2\u1438\u27e8\u276e\u276c\u29fc\u3008")
_WIDE_BRACKETS = "\uff1c\ufe64\u2329\ufe3f"
_CODED = (
    r"&lt;?|&#\d{1,7};?|&#x[0-9a-f]{1,6};?|&\w{1,31};|\\u[0-9a-f]{4}|\\x[0-9a-f]{2}|%[0-9a-f]{2}"
)
_OPENER = re.compile(rf"[{''.join(_BRACKETS)}{_WIDE_BRACKETS}]|{_CODED}", re.IGNORECASE)
_WRITTEN = re.compile(rf"{_CODED}|.", re.IGNORECASE | re.DOTALL)
_TOKEN = re.compile(
    r"<(?=\|[^\s|<>]{1,40}\|>|/?(?:s|think|tool_calls?|tool_response)>|(?:start|end)_of_turn>|<?/?SYS>)|\[(?=/?INST\])",
    re.IGNORECASE,
)
_UNSEEN = frozenset({"Cc", "Cf", "Mn", "Me", "Zs", "Zl", "Zp"})
# Hangul fillers: letters that show nothing.
_FILLERS = "\u115f\u1160"
_LIKE = str.maketrans(
    "\u0440\u03c1\u1d18\u0430\u03b1\u0251\u1d00\u0455\ua731\u0261\u0262\u050d\u0435\u03b5\u1d07"
    "\u2044\u2215\\",
    "pppaaaassgggeee///",
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LABEL = str.maketrans({'"': "'", "\uff02": "'", "<": HARMLESS, ">": "›"})


def disarm(text: str) -> str:
    """`text` without anything that could pass for the prompt's own fences or a template's token."""
    tagless = _OPENER.sub(lambda m: HARMLESS if _opens_tag(text, m.start()) else m[0], text)
    return _TOKEN.sub(HARMLESS, tagless)


def label(parts: Sequence[str]) -> str:
    """Where a passage comes from, on one line that closes no quote: title and headings, each once.

    Cut between words at LONGEST_LABEL characters.
    """
    cleaned = (" ".join(_CONTROL.sub(" ", part).translate(_LABEL).split()) for part in parts)
    whole = " > ".join(dict.fromkeys(part for part in cleaned if part))
    return disarm(textwrap.shorten(whole, LONGEST_LABEL, placeholder=" …"))


def _opens_tag(text: str, start: int) -> bool:
    """Whether what stands at `start` reads as a bracket, slashes and the name of our tag."""
    wanted = iter(_NAME)
    due, inside, slashes = "", False, True
    for char in _read(text, start):
        if not inside:
            if char not in _BRACKETS:
                return False
            inside, due = True, next(wanted)
        elif slashes and char == "/":
            continue
        elif char != due:
            return False
        else:
            slashes, due = False, next(wanted, "")
            if not due:
                return True
    return False


def _read(text: str, start: int) -> Iterator[str]:
    """The characters that a reader sees from `start` on, in their plainest form."""
    for written in _WRITTEN.finditer(text, start):
        plain = unicodedata.normalize("NFKD", _decoded(written[0]))
        for char in plain.casefold().translate(_LIKE):
            if unicodedata.category(char) not in _UNSEEN and char not in _FILLERS:
                yield char


def _decoded(written: str) -> str:
    if len(written) == 1:
        return written
    if written.startswith("&"):
        return html.unescape(written)
    return chr(int(written.lstrip("\\uUxX%"), 16))
