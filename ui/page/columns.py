"""Small charts over time as HTML: columns for counts, ranges for times. Pure.

Made of boxes, so that they take the page's colours in light and dark, and any width. Each says
itself in words for those who don't see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ui.operations_view import Spread
from ui.page.marks import escape


@dataclass(frozen=True, slots=True)
class Series:
    """A count for each slot. `paint` is one of "teal", "soft", "amber", "red", "line"."""

    name: str
    paint: str
    counts: Sequence[int]

    @property
    def total(self) -> int:
        return sum(self.counts)


def columns_html(title: str, series: Sequence[Series], times: Sequence[str]) -> str:
    """Counts stacked by slot; `times` name the slots. Series without any count only stay named."""
    sums = [sum(counts) for counts in zip(*(item.counts for item in series), strict=True)]
    top = max([*sums, 1])
    bars = "".join(
        _slot(_hint(times[i], series, i), [_part(item, i, top) for item in series])
        for i in range(len(times))
    )
    said = ", ".join(f"{item.total:,} {item.name}" for item in series)
    keys = "".join(
        f'<span><i class="sf-ops-key sf-ops-paint-{item.paint}"></i>{escape(item.name)} '
        f"<b>{item.total:,}</b></span>"
        for item in series
    )
    return _figure(title, keys, bars, f"{top:,}", times, said)


def ranges_html(title: str, spreads: Sequence[Spread | None], times: Sequence[str]) -> str:
    """For each slot a bar from the median to what 95 % are within, in seconds."""
    top = max([spread.most for spread in spreads if spread] or [1.0]) or 1.0
    bars = "".join(
        _slot(_range_hint(time, spread), [_range(spread, top)] if spread else [])
        for time, spread in zip(times, spreads, strict=True)
    )
    known = [spread for spread in spreads if spread]
    said = (
        f"medians from {min(s.half for s in known):.1f} to {max(s.half for s in known):.1f} s, "
        f"95 % within {max(s.most for s in known):.1f} s"
        if known
        else "nothing measured"
    )
    keys = (
        '<span><i class="sf-ops-key sf-ops-key-half"></i>half within</span>'
        '<span><i class="sf-ops-key sf-ops-key-most"></i>95 % within</span>'
    )
    return _figure(title, keys, bars, f"{top:.1f} s", times, said)


def _figure(title: str, keys: str, bars: str, top: str, times: Sequence[str], said: str) -> str:
    marks = [times[0], times[len(times) // 2], times[-1]]
    axis = "".join(f"<span>{escape(mark)}</span>" for mark in marks)
    words = escape(f"{title}, {times[0]} to {times[-1]}: {said}.")
    return (
        f'<figure class="sf-ops-chart"><figcaption>{escape(title)}</figcaption>'
        f'<div class="sf-ops-keys">{keys}</div>'
        f'<div class="sf-ops-plot" role="img" aria-label="{words}">'
        f'<span class="sf-ops-top">{top}</span>{bars}</div>'
        f'<div class="sf-ops-axis" aria-hidden="true">{axis}</div></figure>'
    )


def _slot(hint: str, parts: Sequence[str]) -> str:
    return f'<div class="sf-ops-slot" title="{escape(hint)}">{"".join(parts)}</div>'


def _part(series: Series, place: int, top: int) -> str:
    count = series.counts[place]
    if not count:
        return ""
    return f'<i class="sf-ops-paint-{series.paint}" style="height:{100 * count / top:.2f}%"></i>'


def _range(spread: Spread, top: float) -> str:
    low, high = 100 * spread.half / top, 100 * spread.most / top
    return (
        f'<i class="sf-ops-range" style="bottom:{low:.2f}%;height:{high - low:.2f}%"></i>'
        f'<i class="sf-ops-half" style="bottom:{low:.2f}%"></i>'
    )


def _hint(time: str, series: Sequence[Series], place: int) -> str:
    counts = [f"{item.counts[place]:,} {item.name}" for item in series if item.counts[place]]
    return f"{time}: {', '.join(counts) or 'none'}"


def _range_hint(time: str, spread: Spread | None) -> str:
    if spread is None:
        return f"{time}: none"
    return f"{time}: half within {spread.half:.1f} s, 95 % within {spread.most:.1f} s, {spread.n}"
