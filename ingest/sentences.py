"""Sentence spans by rules: fast, no model, no text lost.

The spans of a text are ordered, do not overlap, carry no white space at their ends, and together
cover every character that is not white space. List items, table rows, headings and deliberate
line breaks are spans of their own; a line break of a wrapped paragraph is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

Span = tuple[int, int]

_BLANK = re.compile(r"\n[^\S\n]*(?:\n[^\S\n]*)+")
_LINE_OWNER = re.compile(
    r"[ \t]*(?:[-*+•‣◦▪–]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)]|#{1,6}|>|\||\.\.|```|~~~|:\w+:)"
    r"(?:[ \t]|$|(?<=\|))"
)
_ROW = re.compile(r"[ \t]*\|.*\|[ \t]*$|[ \t]*\+[-=+]+\+[ \t]*$|[ \t]*(?:[-=*_#~^] ?){3,}[ \t]*$")
_HEADING = re.compile(r" {0,3}#{1,6}[ \t]")
# A terminator, closing quotes or brackets, then a gap and something that may open a sentence;
# or a full-width terminator, which needs no gap. Only the first of many marks begins a try:
# a long run of them would otherwise be read once from each.
_STOP = re.compile(
    r"(?<![.!?…])(?P<mark>[.!?…]++)(?P<close>[\"'”’»)\]*_`]*)(?P<gap>\s+)(?=(?P<open>\S))"
    r"|[。！？｡]+[”’」』）》\"']*"
    r"|[।॥؟۔]+\s*"
)
_WORD_BEFORE = re.compile(r"(?:^|[\s(\[{\"'“‘«/])([^\s(\[{\"'“‘«/]*)$")
_INITIAL = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]$")
_NUMBERED = re.compile(r"\(?\d{1,3}$")
_ABBREVIATION_WORDS = (
    "mr mrs ms mx dr prof sr jr st mt ft rev hon gen col capt cmdr lt sgt maj pres gov sen rep"
    " messrs mmes vs viz cf al etc approx appt apt dept est fig figs eq eqs ref refs sec secs ch"
    " chap chs vol vols no nos nr pp p pg para art ed eds trans tr inc ltd co corp llc bros assn"
    " ave blvd rd hwy jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thur"
    " thurs fri sat sun min max sec hr hrs lb lbs oz ft incl excl resp orig univ tel ext e.g i.e"
    " a.m p.m u.s u.k u.n ph.d b.a m.a b.sc m.sc z.b d.h u.a bzw ca dr.h.c p.s n.b i.a vgl"
    " abs bd"
)
_ABBREVIATIONS = frozenset(_ABBREVIATION_WORDS.split())
# Abbreviations that as often end a sentence: the next word decides.
_SOFT_WORDS = (
    "etc al inc ltd co corp llc jr sr a.m p.m u.s u.k u.n ph.d b.a m.a bros est no max min sec"
    " mon sat sun fri"
)
_SOFT = frozenset(_SOFT_WORDS.split())
_WRAP_WIDTH = 60
_SHORT_BLOCK = 3


def split_sentences(text: str) -> list[Span]:
    """(start, end) of each sentence in characters, end exclusive."""
    found: list[Span] = []
    for start, end in _segments(text):
        found.extend(_sentences(text, start, end))
    return found


def _trim(text: str, start: int, end: int) -> Span:
    piece = text[start:end]
    lead = len(piece) - len(piece.lstrip())
    return start + lead, start + max(lead, len(piece.rstrip()))


def _segments(text: str) -> Iterator[Span]:
    """Paragraphs, cut further at line breaks that are meant."""
    start = 0
    for blank in _BLANK.finditer(text):
        yield from _lines(text, start, blank.start())
        start = blank.end()
    yield from _lines(text, start, len(text))


def _lines(text: str, start: int, end: int) -> Iterator[Span]:
    block = text[start:end]
    if "\n" not in block:
        yield start, end
        return
    lines = block.split("\n")
    width = max(len(line.rstrip()) for line in lines)
    if len(lines) <= _SHORT_BLOCK:
        width = max(width, _WRAP_WIDTH)
    here = at = start
    for line, after in pairwise(lines):
        at += len(line) + 1
        if _is_break(line, after, width):
            yield here, at
            here = at
    yield here, end


def _is_break(line: str, after: str, width: int) -> bool:
    """Whether the break between two lines of one paragraph is meant, not a wrap."""
    if _LINE_OWNER.match(after) or _ROW.match(after):
        return True
    if _ROW.match(line) or _HEADING.match(line) or line.endswith(("  ", "\\")):
        return True
    words = after.split(None, 1)
    if not words:
        return True
    # In a wrapped paragraph a line ends because its next word did not fit any more.
    fits = len(line.rstrip()) + 1 + len(words[0]) <= width
    return fits and not words[0][0].islower() and not line.rstrip().endswith((",", "(", "-"))


def _sentences(text: str, start: int, end: int) -> Iterator[Span]:
    here = start
    for stop in _STOP.finditer(text, start, end):
        if stop["mark"] is not None and not _ends(text, here, stop):
            continue
        cut = stop.start("gap") if stop["mark"] is not None else stop.end()
        span = _trim(text, here, cut)
        if span[0] < span[1]:
            yield span
        here = cut
    span = _trim(text, here, end)
    if span[0] < span[1]:
        yield span


def _ends(text: str, start: int, stop: re.Match[str]) -> bool:
    """Whether a mark followed by a gap ends the sentence that began at `start`."""
    opener = stop["open"]
    if opener.islower() or opener in ",;:)]}":
        # "Is it true?" she said. / e.g. this
        return stop["mark"][-1] in "!?" and not stop["close"] and not opener.islower()
    if stop["mark"] != ".":
        return True
    return not _is_abbreviation(text[max(start, stop.start() - 40) : stop.start()], stop)


def _is_abbreviation(before: str, stop: re.Match[str]) -> bool:
    match = _WORD_BEFORE.search(before)
    word = match[1] if match is not None else before
    lower = word.lower()
    if lower in _ABBREVIATIONS:
        soft = lower in _SOFT and stop["open"].isalpha()
        return not soft
    if _INITIAL.match(word) and word != "I":
        # "J. Smith" and "J. R. R. Tolkien", but "plan B. Then" cannot be told apart.
        return word[-1].isupper()
    # "1. First" at the start of a line is a number, not a sentence.
    return _NUMBERED.match(word) is not None and not before[: -len(word)].strip()
