"""Text that a reader does not see and a model does, made plain, with the way back to the raw text.

A view is the text as a model may understand it: without invisible characters, with look-alike
letters folded, or only what encoded runs of it say. Every character of a view knows which raw
characters it comes from, so that a finding in a view is a span of the raw text. Pure; every step
is linear in the text, and no view is longer than a few times the text.

Tag characters and variation selectors as carriers of text: Unicode 16, chapters 23.4 and 23.9.
Look-alikes: NFKC (Unicode annex 15) and the Latin part of the confusables of Unicode report 39.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rag.safety.encodings import SEPARATOR, decoded

_DEPTH = 2

_TAGS = r"[\U000e0020-\U000e007e]"
_SELECTORS = r"[\ufe00-\ufe0f\U000e0100-\U000e01ef]"
_FLAG = "\U0001f3f4"
_UNSEEN = re.compile(
    rf"{_TAGS}{{3,}}\U000e007f?|{_SELECTORS}{{4,}}"
    r"|[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    r"\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
_MARKUP = re.compile(r"<!--|-->|</?[a-zA-Z](?:[\w-]{0,19})(?=[\s/>])[^<>]{0,300}>")
_UNDISPLAYED = re.compile(
    r"(?i)<([a-z]\w{0,15})\b[^<>]{0,200}?(?:\bdisplay\s{0,3}:\s{0,3}none|\bopacity\s{0,3}:\s{0,3}0\b"
    r"|\bvisibility\s{0,3}:\s{0,3}hidden|\bfont-size\s{0,3}:\s{0,3}0|\shidden\b)[^<>]{0,200}>"
)
_CODED = re.compile(
    r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]{2,8});"
    r"|\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}"
)
# A tag between letters breaks no word, unless a browser breaks the line there.
_INLINES = "a abbr b bdi bdo code em font i kbd mark s small span strong sub sup u"
_INLINE = frozenset(_INLINES.split())
_WIDE = re.compile(
    r"[\u1d2c-\u1d6a\u2070-\u209c\u2100-\u214f\u2460-\u24ff\ufb00-\ufb06\uff01-\uff5e"
    r"\U0001d400-\U0001d7ff\U0001f110-\U0001f169]"
)
_LIKE = {
    **dict(zip("аеорсухіјѕԁԛԝһӏьҽѵɡ", "aeopcyxijsdqwhlbevg", strict=True)),
    **dict(zip("АВЕКМНОРСТУХІЈЅ", "ABEKMHOPCTYXIJS", strict=True)),
    **dict(zip("αεικνορτυχγ", "aeiknoptuxy", strict=True)),
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX", strict=True)),
    **dict(zip("ıɑɩʀɴʟɪᴀᴄᴅᴇᴊᴋᴍᴏᴘᴛᴜᴠᴡᴢ", "iairnliacdejkmoptuvwz", strict=True)),
}
_ALIKE = "".join(_LIKE)
# Only beside Latin letters: a word all in another script is a word of that script.
_MIXED = re.compile(rf"(?=[^\W\d_]{{0,40}}?(?:[A-Za-z][{_ALIKE}]|[{_ALIKE}][A-Za-z]))[^\W\d_]+")
_LEET = re.compile(r"(?<![\w.,:/-])(?=[a-zA-Z@$!]{0,9}[013457@$!][a-zA-Z@$!013457])[\w@$!]{3,20}")
_LEET_LEAST = 3
_LEET_ONE = re.compile(r"11|(?<=[aeou])1|1")
_LEET_AS = str.maketrans("03457@$!", "oeastasi")


@dataclass(frozen=True, slots=True)
class View:
    """`text` as it may be understood; its character i comes from raw `starts[i]:ends[i]`."""

    kind: str
    text: str
    starts: tuple[int, ...] | range
    ends: tuple[int, ...] | range

    def raw(self, start: int, end: int) -> tuple[int, int]:
        """The raw characters that `start:end` of the view (not empty) comes from."""
        first, last = self.starts[start:end], self.ends[start:end]
        return min(first[0], first[-1]), max(last[0], last[-1])


def views(text: str) -> Iterator[View]:
    """What else `text` may say; nothing for most texts."""
    raw = View("", text, range(len(text)), range(1, len(text) + 1))
    plain = _plain(raw)
    if plain is not raw:
        yield plain
    if len(_LEET.findall(plain.text)) >= _LEET_LEAST:
        yield _rewritten(plain, "digits for letters", _LEET, _letters)
    yield from _fragments(plain, _DEPTH)


def concealed(text: str) -> Iterator[tuple[int, int]]:
    """Stretches that a browser does not show: HTML comments, and elements that are not displayed.

    One without an end goes on to the end of the text.
    """
    at = 0
    while (start := text.find("<!--", at)) >= 0:
        at = _after(text, "-->", start)
        yield start, at
    at = 0
    while element := _UNDISPLAYED.search(text, at):
        at = _after(text, f"</{element[1]}", element.end())
        yield element.start(), at


def _after(text: str, end: str, start: int) -> int:
    at = text.find(end, start)
    return len(text) if at < 0 else at + len(end)


def _fragments(view: View, depth: int) -> Iterator[View]:
    """What the encoded runs of a view say, one view for each way of encoding."""
    parts: dict[str, list[tuple[str, int, int]]] = {}
    for kind, start, end, said in decoded(view.text):
        parts.setdefault(kind, []).append((said, *view.raw(start, end)))
    for kind, found in parts.items():
        fragment = _joined(kind, found)
        yield fragment
        if depth > 1:
            yield from _fragments(_plain(fragment), depth - 1)


def _joined(kind: str, found: list[tuple[str, int, int]]) -> View:
    text, starts, ends = "", [], []
    for said, start, end in found:
        said += SEPARATOR
        text += said
        starts += [start] * len(said)
        ends += [end] * len(said)
    return View(kind, text, tuple(starts), tuple(ends))


def _plain(view: View) -> View:
    """The view as a reader's eye would have it; the same one where nothing changes."""
    before = view
    if not view.text.isascii():
        view = _rewritten(view, "invisible characters", _UNSEEN, _seen)
        view = _rewritten(view, "look-alike letters", _WIDE, _folded)
        view = _rewritten(view, "look-alike letters", _MIXED, _latin)
    view = _rewritten(view, "character codes", _CODED, _uncoded)
    view = _rewritten(view, "markup", _MARKUP, _unmarked)
    return before if view.text == before.text else view


def _rewritten(
    view: View, kind: str, pattern: re.Pattern[str], written: Callable[[re.Match[str]], str]
) -> View:
    """The view with every match written otherwise; all of a match stands for all that it gives."""
    parts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    at = 0
    for match in pattern.finditer(view.text):
        new, (start, end) = written(match), match.span()
        if new == match[0]:
            continue
        first, last = view.raw(start, end)
        parts += [view.text[at:start], new]
        starts += [*view.starts[at:start], *[first] * len(new)]
        ends += [*view.ends[at:start], *[last] * len(new)]
        at = end
    if not at:
        return view
    parts.append(view.text[at:])
    kinds = dict.fromkeys([*filter(None, view.kind.split(", ")), kind])
    return View(
        ", ".join(kinds),
        "".join(parts),
        (*starts, *view.starts[at:]),
        (*ends, *view.ends[at:]),
    )


def _seen(match: re.Match[str]) -> str:
    """What a run of invisible characters spells, or nothing."""
    run = match[0]
    if len(run) >= 3 and "\U000e0020" <= run[0] <= "\U000e007e":
        if match.string[match.start() - 1 : match.start()] == _FLAG:
            return ""
        return f" {''.join(chr(ord(c) - 0xE0000) for c in run.rstrip(chr(0xE007F)))} "
    if len(run) >= 4:
        return f" {_of_selectors(run)} "
    return ""


def _of_selectors(run: str) -> str:
    codes = (ord(c) for c in run)
    data = bytes(c - 0xFE00 if c < 0xE0100 else c - 0xE0100 + 16 for c in codes)
    return data.decode("utf-8", "replace")


def _folded(match: re.Match[str]) -> str:
    return unicodedata.normalize("NFKC", match[0])


def _latin(match: re.Match[str]) -> str:
    return "".join(_LIKE.get(c, c) for c in match[0])


def _uncoded(match: re.Match[str]) -> str:
    code = match[0]
    if code[0] == "&":
        return html.unescape(code)
    plain = chr(int(code[2:], 16))
    return "\ufffd" if "\ud800" <= plain <= "\udfff" else plain


def _unmarked(match: re.Match[str]) -> str:
    name = match[0].strip("</>").split(maxsplit=1)[0].rstrip("/").lower()
    return "" if name in _INLINE else " "


def _letters(match: re.Match[str]) -> str:
    word = match[0]
    if not any(c.isalpha() for c in word):
        return word
    return _LEET_ONE.sub(lambda m: {"11": "ll"}.get(m[0], _one(m)), word).translate(_LEET_AS)


def _one(match: re.Match[str]) -> str:
    """A 1 stands for l after a vowel, and for i elsewhere."""
    before = match.string[match.start() - 1 : match.start()].lower()
    return "l" if before and before in "aeou@0345" else "i"
