"""The stream guard: nothing is released before every filter that could change it has seen it.

Text is held until a segment is complete, checked with the raw text before it as context, and
released as it may be shown. However the text is delivered, the releases are those of
`filter_text` on the whole of it, and what is released after a part of a text is a prefix of what
is released after more of it: nothing is ever taken back. A blocked segment ends the stream.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from rag.safety.fenced import OUTSIDE, Fence, opens
from rag.safety.segment import CAP, Place, advance, next_boundary
from rag.types import Decision, Released, Verdict

CONTEXT = 200
_FENCE_MARKS = "`~ \t"

Check = Callable[[str, str], Verdict]


@dataclass(frozen=True, slots=True)
class Behind:
    """The raw text before a segment, as far as filters look back; it starts in the state `fence`.

    It never starts inside a fence's mark, so that whoever reads it sees code where code is.
    """

    text: str = ""
    fence: Fence = OUTSIDE
    line_start: bool = True

    @property
    def shown(self) -> str:
        """What filters see: at most CONTEXT characters, after what opens an open fence again."""
        return self.fence.reopened + self.text

    def after(self, segment: str) -> Behind:
        """What is behind the text that follows `segment`."""
        text = self.text + segment
        cut = _past_marks(text, max(0, len(text) - CONTEXT))
        gone = text[:cut]
        if not gone:
            return Behind(text, self.fence, self.line_start)
        fence = self.fence.after(gone, self.line_start)
        return Behind(text[cut:], fence, gone.endswith(("\n", "\r")))


def _past_marks(text: str, cut: int) -> int:
    """`cut`, moved on where it would leave half a fence's line, or marks that begin no line."""
    line = max(text.rfind("\n", 0, cut), text.rfind("\r", 0, cut)) + 1
    if cut == line:
        return cut
    if opens(text[line:]):
        return line + len(text[line:].splitlines(keepends=True)[0])
    while cut < len(text) and text[cut] in _FENCE_MARKS:
        cut += 1
    return cut


class StreamGuard:
    """Feeds a growing text through `check(segment, context)`, segment by segment.

    Not calling `finish` abandons what is held: a cancelled answer shows nothing unchecked.
    """

    def __init__(self, check: Check) -> None:
        self._check = check
        self._pending = ""
        self._scanned = 0
        self._place = Place()
        self._behind = Behind()
        self._position = 0
        self._index = 0
        self._blocked = False

    @property
    def blocked(self) -> bool:
        """True after a segment was blocked; from then on nothing is released or computed."""
        return self._blocked

    def feed(self, delta: str) -> list[Released]:
        """The segments that `delta` completes, checked, in order."""
        if self._blocked:
            return []
        self._pending += delta
        return self._drain(final=False)

    def finish(self) -> list[Released]:
        """The rest, when the text is complete."""
        return [] if self._blocked else self._drain(final=True)

    def _drain(self, final: bool) -> list[Released]:
        released: list[Released] = []
        taken = 0
        while not self._blocked:
            pending = self._pending[taken : taken + CAP]
            whole = taken + CAP >= len(self._pending)
            length = next_boundary(pending, self._place, self._scanned, final and whole)
            if length is None:
                self._scanned = len(pending)
                break
            self._scanned = 0
            released.append(self._release(pending[:length]))
            taken += length
        self._pending = "" if self._blocked else self._pending[taken:]
        return released

    def _release(self, segment: str) -> Released:
        verdict = _checked(self._check, segment, self._behind.shown)
        self._blocked = verdict.decision is Decision.BLOCK
        start = self._position
        released = Released(
            self._index,
            start,
            start + len(segment),
            "" if self._blocked else verdict.text,
            verdict,
        )
        self._index += 1
        self._position += len(segment)
        opened = self._place.fence.mark
        self._place = advance(self._place, segment)
        self._behind = self._behind.after(segment)
        if released.text != segment and self._place.fence.mark != opened:
            # The reader may not see this fence, so what follows is no code to rely on.
            self._behind = replace(self._behind, fence=replace(self._behind.fence, doubt=True))
        return released


def filter_text(text: str, check: Check) -> list[Released]:
    """The releases for a whole text: the function that every stream of it must agree with."""
    guard = StreamGuard(check)
    return guard.feed(text) + guard.finish()


def _checked(check: Check, segment: str, context: str) -> Verdict:
    """The verdict; a check that raises blocks, and says so."""
    try:
        return check(segment, context)
    except Exception as error:  # noqa: BLE001  whatever went wrong, unchecked text stays unseen
        cause = f"filter check: {type(error).__name__}"
        return Verdict(Decision.BLOCK, "", status="error", cause=cause)
