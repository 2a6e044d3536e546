"""Where a growing text may be cut into segments, decided from a bounded look-ahead.

A segment is a sentence, a list item, a table row or a line of fenced code, with the blanks that
follow it; a line keeps its own indentation. Whether position i is a boundary depends on the text
before i and on at most LOOKAHEAD characters from i on; it is told as soon as those that have come
leave nothing open, mostly with the first. A run without a boundary is cut at CAP characters, well
before its end. So a boundary, once found, is the same for every continuation of the text: the
segmenter is stable under prefixes, and it knows nothing of how the text was delivered.

No boundary falls between two digits, or inside anything that looks like an address, an account
number or a link, so that what a filter must see whole lies in one segment. Lines of code and items
of one list are the exception: they are cut at every line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from unicodedata import category

import regex  # type: ignore[import-untyped]

from rag.safety.fenced import OUTSIDE, Fence, opens

LOOKAHEAD = 24
CAP = 600
MARGIN = 128

_DIRECTIONS = "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\ufeff"
_LATIN_END = ".!?…‽"
_WIDE_END = "。！？｡．؟۔।॥։።፧፨‼⁇⁈⁉\u037e\u05c3\u104b\u17d4\u17d5\u0f0e\u1803\u1809"
_CLOSERS = "\"'”’»›)]}*_`」』】）》〉〕" + _DIRECTIONS
_CANDIDATE = re.compile(
    rf"(?:(?<=\s)|(?<=[{_WIDE_END}])|(?<=[{_WIDE_END}][」』”’）】》〉〕\"')]))(?=\S)"
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[\"'“‘/-])(?:"
    r"[^\W\d_]|(?:[^\W\d_]\.){1,4}[^\W\d_]|Mr|Mrs|Ms|Mx|Dr|Prof|Rev|Hon|Fr|Sr|Jr|St|Ste|Mt|Ft|Ave|"
    r"Blvd|Rd|Ln|Ct|Pl|Sq|Hwy|Pkwy|Apt|Bldg|Fl|Rm|Gen|Col|Lt|Sgt|Capt|Cmdr|Adm|Maj|Gov|Sen|Rep|Pres|"
    r"No|Nos|Nr|Art|Sec|Ch|Fig|Figs|Eq|Vol|Vols|Ed|Eds|pp|cf|vs|viz|al|etc|approx|ca|est|ext|Ext|"
    r"tel|Tel|Ph|ph|fax|Fax|Inc|Ltd|Corp|Co|Dept|Univ|Assn|Bros|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|"
    r"Sept|Oct|Nov|Dec|Mon|Tue|Wed|Thu|Fri|Sat|Sun|str|Str|bzw|usw|ggf|inkl|Hr|Frau|Nº|Abs|"
    r"Sra|Srta|Ud|Uds|Dra|Av|Avda|núm|pág|Sig|Dott|Mme|av|env|bijv|dhr|mevr|"
    r"ул|просп|пер|им|гр|тел|см|рис|стр|руб|млн|млрд|тыс|др|пр|кв"
    r")\.$"
)
_BULLET = r"[-*+•‣◦–]"
_NUMBERING = r"\(?(?:\d{1,3}|[A-Za-z]|[ivx]{1,4})[.)]"
_BARE_MARKER = re.compile(rf"\s*(?:[-*+>]\s+)*{_NUMBERING}\s*")
_OWN_MARKER = re.compile(rf"[ \t]*(?:(?P<bullet>{_BULLET})|(?P<number>{_NUMBERING}))[ \t]")
_ROW = re.compile(r"[ \t]*\|")
_HEADING = re.compile(r"[ \t]*#{1,6}[ \t]")
_DIGIT_BEFORE = re.compile(r"\d[\s)\].,;:/+(．，：–—-]*$")
_JOINT_BEFORE = re.compile(r"[@/+(#_=&%~-]\s*$")
_OPEN_LINK = re.compile(r"(?:\[[^\[\]\n]*|\]\([^()\n]*|<[A-Za-z/!][^<>\n]*)$")
_HARD = re.compile(
    r"(?=([\w.+%-]{1,64}@[\w.-]{1,80}))"
    r"|(?=([+(]?\d(?:[\s().,:/–-]{0,3}\d){2,60}))"
    r"|(?=(\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{1,4}){2,9}))"
)
_SOFT = re.compile(r"(?:https?://|www\.)\S+|[A-Za-z0-9_+/=-]{16,}|\]\([^()\s]*\)?")

# What the text from a position on begins with; half a match means that more must be seen.
_MARKER = regex.compile(rf"(?:{_BULLET}|{_NUMBERING})[ \t]+[^\s\d]")
_SAME_BULLET = regex.compile(rf"{_BULLET}[ \t]+\S")
_SAME_NUMBERING = regex.compile(rf"{_NUMBERING}[ \t]+\S")
_BLOCK = regex.compile(r"(?:\||#{1,6}[ \t]|>|```|~~~|[-*_]{3,}\s)")
_DIGIT_AFTER = regex.compile(r"[\s(\[.,;:/+#．，：–—-]*\d")
_JOINT_AFTER = regex.compile(r"[@/]\S")
_KEY_END = regex.compile("-----E")


class _TooEarly(Exception):
    """What has come of the look-ahead leaves open whether there is a boundary."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a segment starts: in fenced code or not, at a line's start or not."""

    fence: Fence = OUTSIDE
    line_start: bool = True


@dataclass(frozen=True, slots=True)
class _Ahead:
    """The look-ahead at a position; `whole` if no further character counts."""

    text: str
    whole: bool

    def begins(self, pattern: regex.Pattern[str]) -> bool:
        """Does it begin so? Raises _TooEarly where only what has not come can tell."""
        match = pattern.match(self.text, partial=not self.whole)
        if match is not None and match.partial:
            raise _TooEarly
        return match is not None


def next_boundary(pending: str, place: Place, scanned: int, final: bool) -> int | None:
    """Length of the first segment of `pending`, or None if more text is needed to tell.

    `scanned` is how far an earlier call on a shorter `pending` has already looked (0 at first);
    `final` says that no more text will come.
    """
    if not pending:
        return None
    try:
        for i in _candidates(pending, max(1, scanned - LOOKAHEAD), final):
            if _is_boundary(pending, i, place, final):
                return _line_start(pending, i)
    except _TooEarly:
        return None
    if len(pending) >= CAP:
        return _forced_cut(pending[:CAP])
    return len(pending) if final else None


def advance(place: Place, segment: str) -> Place:
    """The place after `segment`, which started at `place`."""
    fence = place.fence.after(segment, place.line_start)
    return Place(fence, segment.rstrip(" \t").endswith(("\n", "\r")))


def _candidates(pending: str, start: int, final: bool) -> Iterator[int]:
    """Positions between blanks (or a wide terminator) and text that a cut may precede."""
    last = len(pending) if final and len(pending) < CAP else CAP - LOOKAHEAD
    for match in _CANDIDATE.finditer(pending, start, min(len(pending), last + 1)):
        if match.start() <= last:
            yield match.start()


def _line_start(pending: str, i: int) -> int:
    """The boundary at `i`, before the indentation of the line that begins there."""
    indented = pending[:i].rstrip(" \t")
    return len(indented) if indented.endswith(("\n", "\r")) else i


def _is_boundary(pending: str, i: int, place: Place, final: bool) -> bool:
    before = pending[max(0, i - 80) : i]
    after = pending[i : i + LOOKAHEAD]
    head = before.rstrip()
    if not head or category(after[0])[0] == "M" or after[0] == "\u200d":
        return False
    gap = before[len(head) :]
    breaks = gap.count("\n") or gap.count("\r")
    # What costs least comes first: most blanks stand between two words of a sentence.
    if not breaks and not _ends_sentence(head, after):
        return False
    fenced = bool(place.fence.mark) or (place.line_start and opens(pending[:i]))
    ahead = _Ahead(after, final or len(after) == LOOKAHEAD)
    if breaks:
        return _ends_line(pending, head, ahead, fenced or breaks > 1)
    return not (fenced or _holds(pending, i, place) or _joined(before, ahead))


def _holds(pending: str, i: int, place: Place) -> bool:
    """True where a line goes on whatever ends: in a table's row, a link, code, before an item."""
    if place.line_start and (
        _ROW.match(pending) or (i < 40 and _BARE_MARKER.fullmatch(pending[:i]))
    ):
        return True
    line = _line(pending[:i])
    return line.count("`") % 2 == 1 or _OPEN_LINK.search(line) is not None


def _ends_line(pending: str, head: str, ahead: _Ahead, always: bool) -> bool:
    """A line ends a segment unless an entity or its sentence plainly goes on in the next."""
    if always:
        return not ahead.begins(_KEY_END)
    own = _OWN_MARKER.match(pending)
    if own and ahead.begins(_SAME_BULLET if own["bullet"] else _SAME_NUMBERING):
        return True
    line = _line(head)
    if _ROW.match(line) or _HEADING.match(line) or ahead.begins(_MARKER):
        return True
    if _joined(f"{head}\n", ahead):
        return False
    if " | " in line or ahead.begins(_BLOCK):
        return True
    return not (ahead.text[0].islower() and (head[-1].isalnum() or head[-1] in ",;-–—"))


def _joined(before: str, ahead: _Ahead) -> bool:
    """True if an entity could run across: digits on both sides, or half an address or a link."""
    if _DIGIT_BEFORE.search(before) and ahead.begins(_DIGIT_AFTER):
        return True
    half = _JOINT_BEFORE.search(before[-3:]) or ahead.begins(_JOINT_AFTER)
    if half or ahead.begins(_KEY_END):
        return not (ahead.begins(_MARKER) or ahead.begins(_BLOCK))
    return False


def _line(text: str) -> str:
    """The last line of a text without its end."""
    return text[max(text.rfind("\n"), text.rfind("\r")) + 1 :]


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
    ahead = _Ahead(run[i : i + LOOKAHEAD], whole=True)
    return not run[i].isspace() and not _joined(run[max(0, i - 80) : i], ahead)


def _wordy(character: str) -> bool:
    return character.isascii() and not character.isspace()
