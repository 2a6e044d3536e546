"""Where a growing text may be cut into segments, decided from a bounded look-ahead.

A segment is a sentence, a list item, a table row or a line of fenced code, with the blanks that
follow it. Whether position i is a boundary depends on the text before i and on at most LOOKAHEAD
characters from i on; a run without a boundary is cut at CAP characters, well before its end. So a
boundary, once found, is the same for every continuation of the text: the segmenter is stable under
prefixes, and it knows nothing of how the text was delivered.

No boundary falls between two digits, or inside anything that looks like an address, an account
number or a link, so that what a filter must see whole lies in one segment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import regex  # type: ignore[import-untyped]

LOOKAHEAD = 24
CAP = 600
MARGIN = 128

_LATIN_END = ".!?…‽"
_WIDE_END = "。！？｡．؟۔।॥։።፧‼⁇⁈⁉"
_CLOSERS = "\"'”’»›)]}*_`」』）】》〉〕"
_CANDIDATE = re.compile(
    rf"(?:(?<=\s)|(?<=[{_WIDE_END}])|(?<=[{_WIDE_END}][」』”’）】》〉〕\"')]))(?=\S)"
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[\"'“‘/-])(?:"
    r"[A-Za-z]|(?:[A-Za-z]\.)+[A-Za-z]|Mr|Mrs|Ms|Mx|Dr|Prof|Rev|Hon|Fr|Sr|Jr|St|Ste|Mt|Ft|Ave|Blvd|"
    r"Rd|Ln|Ct|Pl|Sq|Hwy|Pkwy|Apt|Bldg|Fl|Rm|Gen|Col|Lt|Sgt|Capt|Cmdr|Adm|Maj|Gov|Sen|Rep|Pres|"
    r"No|Nos|Nr|Art|Sec|Ch|Fig|Figs|Eq|Vol|Vols|Ed|Eds|pp|cf|vs|viz|al|etc|approx|ca|est|ext|Ext|"
    r"tel|Tel|Ph|ph|fax|Fax|Inc|Ltd|Corp|Co|Dept|Univ|Assn|Bros|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|"
    r"Sept|Oct|Nov|Dec|Mon|Tue|Wed|Thu|Fri|Sat|Sun|str|Str|bzw|usw|Hr|Frau|Nº|Abs"
    r")\.$"
)
_MARKER = re.compile(r"(?:[-*+•‣◦–]|\(?(?:\d{1,3}|[A-Za-z]|[ivx]{1,4})[.)])[ \t]+(?!\d)\S")
_BARE_MARKER = re.compile(r"\s*(?:[-*+>]\s+)*\(?(?:\d{1,3}|[A-Za-z]|[ivx]{1,4})[.)]\s*")
_BLOCK = re.compile(r"(?:\||#{1,6}[ \t]|>|```|~~~|[-*_]{3,}\s)")
_FENCE = re.compile(r"(?:^|\n) {0,3}(```|~~~)")
_DIGIT_BEFORE = re.compile(r"\d[\s)\].,;:/+(–—-]*$")
_DIGIT_AFTER = re.compile(r"[\s(\[.,;:/+#–—-]*\d")
_JOINT_BEFORE = re.compile(r"[@/+(#_=&%~-]\s*$")
_JOINT_AFTER = re.compile(r"(?:[@/]\S|-----E)")
_HARD = re.compile(
    r"(?=([\w.+%-]{1,64}@[\w.-]{1,80}))"
    r"|(?=([+(]?\d(?:[\s().,:/–-]{0,3}\d){2,60}))"
    r"|(?=(\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{1,4}){2,9}))"
)
_SOFT = re.compile(r"(?:https?://|www\.)\S+|[A-Za-z0-9_+/=-]{16,}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a segment starts: inside a code fence (its mark) or not, at a line's start or not."""

    fence: str = ""
    line_start: bool = True


def next_boundary(pending: str, place: Place, scanned: int, final: bool) -> int | None:
    """Length of the first segment of `pending`, or None if more text is needed to tell.

    `scanned` is how far an earlier call on a shorter `pending` has already looked (0 at first);
    `final` says that no more text will come.
    """
    if not pending:
        return None
    for i in _candidates(pending, max(1, scanned - LOOKAHEAD), final):
        if _is_boundary(pending, i, place):
            return i
    if len(pending) >= CAP:
        return _forced_cut(pending[:CAP])
    return len(pending) if final else None


def advance(place: Place, segment: str) -> Place:
    """The place after `segment`, which started at `place`."""
    fence = place.fence
    for match in _FENCE.finditer(segment):
        if match.start() == 0 and segment[0] != "\n" and not place.line_start:
            continue
        fence = "" if fence == match[1] else fence or match[1]
    return Place(fence, segment.rstrip(" \t").endswith("\n"))


def _candidates(pending: str, start: int, final: bool) -> Iterator[int]:
    """Positions between blanks (or a wide terminator) and text whose look-ahead is complete."""
    last = len(pending) if final else len(pending) - LOOKAHEAD
    if len(pending) >= CAP:
        last = CAP - LOOKAHEAD
    for match in _CANDIDATE.finditer(pending, start, max(0, last + 1)):
        if match.start() <= last:
            yield match.start()


def _is_boundary(pending: str, i: int, place: Place) -> bool:
    before = pending[max(0, i - 80) : i]
    after = pending[i : i + LOOKAHEAD]
    head = before.rstrip()
    newline = "\n" in before[len(head) :] or "\r" in before[len(head) :]
    if not head or (_joined(before, after) and not (newline and _MARKER.match(after))):
        return False
    fenced = bool(place.fence) or (place.line_start and _FENCE.match(pending) is not None)
    if newline:
        return fenced or _ends_line(head, after)
    if i < 16 and place.line_start and _BARE_MARKER.fullmatch(before):
        return False
    return not fenced and _ends_sentence(head, after)


def _joined(before: str, after: str) -> bool:
    """True if an entity could run across: digits on both sides, or half an address or a link."""
    if _DIGIT_BEFORE.search(before) and _DIGIT_AFTER.match(after):
        return True
    return bool(_JOINT_BEFORE.search(before[-3:]) or _JOINT_AFTER.match(after)) and not (
        _MARKER.match(after) or _BLOCK.match(after)
    )


def _ends_line(head: str, after: str) -> bool:
    """A line ends a segment unless its sentence plainly goes on in lower case."""
    if _MARKER.match(after) or _BLOCK.match(after):
        return True
    return not (after[0].islower() and (head[-1].isalnum() or head[-1] in ",;-–—"))


def _ends_sentence(head: str, after: str) -> bool:
    core = head.rstrip(_CLOSERS)
    if not core:
        return False
    if core[-1] in _WIDE_END:
        return after[0] not in _WIDE_END + _CLOSERS
    if core[-1] not in _LATIN_END or after[0] in _LATIN_END:
        return False
    if after[0].islower() or after[0] in ",;:)]}":
        return False
    # "I." and "etc." end sentences too, but a wrong merge costs a moment and a wrong cut a name.
    return core[-1] != "." or core.endswith("..") or not _ABBREVIATION.search(core)


def _forced_cut(run: str) -> int:
    """Where to cut a run of CAP characters: at a blank that splits nothing, else anywhere safe.

    MARGIN characters after the cut have been seen, so that an entity which begins before the cut
    and ends after it is recognised and left to the next segment.
    """
    limit = CAP - MARGIN
    hard, soft = _inside(_HARD, run), _inside(_SOFT, run)
    whole_characters = {match.start() for match in regex.finditer(r"\X", run)}
    open_to_cut = [i for i in range(limit, limit // 4, -1) if i in whole_characters - hard]
    for i in open_to_cut:
        if run[i - 1].isspace() and i not in soft and _splits_nothing(run, i):
            return i
    for i in open_to_cut:
        if i not in soft and not (_wordy(run[i - 1]) and _wordy(run[i])):
            return i
    return next(iter(open_to_cut), limit)


def _inside(pattern: re.Pattern[str], run: str) -> set[int]:
    """Positions strictly inside a match."""
    return {
        i
        for match in pattern.finditer(run)
        for i in range(match.start() + 1, max(match.end(), *map(match.end, _groups(match))))
    }


def _groups(match: re.Match[str]) -> range:
    return range(len(match.groups()) + 1)


def _splits_nothing(run: str, i: int) -> bool:
    return not run[i].isspace() and not _joined(run[max(0, i - 80) : i], run[i : i + LOOKAHEAD])


def _wordy(character: str) -> bool:
    return character.isascii() and not character.isspace()
