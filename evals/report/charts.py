"""Pictures as inline SVG, drawn by matplotlib without a display. The only file that imports it.

Colours are Okabe and Ito's (safe for colour-blind readers) and never stand alone: every series has
a line style, marker or hatch of its own. They leave here as CSS variables, and ink as the page's
own colour, so that one picture does for light, dark and paper. Same input, same bytes.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes as Plot
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

Array = npt.NDArray[np.float64]

_INK, _GRID = "#010203", "#030201"
_SERIES = ("#0072b2", "#d55e00", "#009e73")
_STYLES = ("-", "--", "-.")
_MARKERS = ("o", "D", "s")
_HATCHES = ("", "////", "....")
_PAINT = {_INK: "currentColor", _GRID: "var(--grid)"} | {
    colour: f"var(--series-{i})" for i, colour in enumerate(_SERIES, start=1)
}
# Any, since matplotlib types its settings by a literal of all their names.
_SETTINGS: Any = {
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.parse_math": False,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "grid.color": _GRID,
    "grid.linewidth": 0.8,
    "hatch.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "path.simplify": True,
}
_LONGEST_LABEL = 28
_WIDTH = 4.6


@dataclass(frozen=True, slots=True)
class Axes:
    """What the axes say; a range of None fits the data."""

    x: str
    y: str
    x_range: tuple[float, float] | None = (0.0, 1.0)
    y_range: tuple[float, float] | None = (0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Line:
    """A series of points, in drawing order. With `step` a value holds back to the point before."""

    name: str
    x: Array
    y: Array
    step: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """One named point."""

    name: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Interval:
    """A named value with its interval, and how many units it rests on."""

    name: str
    value: float
    low: float
    high: float
    n: int


def lines(
    alt: str,
    axes: Axes,
    series: Sequence[Line],
    reference: Line | None = None,
    marks: Sequence[Mark] = (),
) -> str:
    """Curves on common axes; the reference is drawn dotted in ink, and so are up to three marks."""
    with mpl.rc_context(_SETTINGS):
        figure, plot = _start(axes)
        if reference is not None:
            plot.plot(reference.x, reference.y, ":", color=_INK, lw=1.2, label=reference.name)
        for i, line in enumerate(series):
            plot.plot(
                line.x, line.y, _STYLES[i], color=_SERIES[i], lw=2, label=line.name,
                drawstyle="steps-pre" if line.step else "default",
            )  # fmt: skip
        for mark, shape in zip(marks, _MARKERS, strict=False):
            plot.plot(
                mark.x, mark.y, shape, color=_INK, ms=7, fillstyle="none", mew=1.6,
                label=mark.name,
            )  # fmt: skip
        _legend(plot, len(series) + len(marks) + (reference is not None))
        return _svg(figure, alt)


def distribution(
    alt: str, axes: Axes, groups: Mapping[str, Array], bins: int = 20, log: bool = False
) -> str:
    """Histograms of up to three groups over common bins, as shares of all values of a group."""
    with mpl.rc_context(_SETTINGS):
        figure, plot = _start(axes)
        edges = _edges(list(groups.values()), bins, axes.x_range, log)
        for i, (name, values) in enumerate(groups.items()):
            shares = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0]
            plot.stairs(
                shares / max(1, values.size), edges, label=name, color=_SERIES[i], lw=1.8,
                ls=_STYLES[i], hatch=_HATCHES[i], fill=False,
            )  # fmt: skip
        if log:
            _logarithmic(plot, edges)
        plot.set_ylim(bottom=0)
        plot.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g} %")
        _legend(plot, len(groups))
        return _svg(figure, alt)


def reliability(alt: str, axes: Axes, x: Array, y: Array, low: Array, high: Array) -> str:
    """Observed shares with their intervals against predicted ones; the diagonal is perfect."""
    with mpl.rc_context(_SETTINGS):
        figure, plot = _start(axes)
        plot.plot([0, 1], [0, 1], ":", color=_INK, lw=1.2, label="perfect")
        plot.vlines(x, low, high, color=_SERIES[0], lw=1.6)
        plot.plot(x, y, "-o", color=_SERIES[0], lw=1.2, ms=5, label="measured, 95 % interval")
        _legend(plot, 2)
        return _svg(figure, alt)


def intervals(alt: str, axes: Axes, rows: Sequence[Interval]) -> str:
    """One line a row: its value as a dot and its interval as a bar. First row on top."""
    with mpl.rc_context(_SETTINGS):
        figure, plot = _start(axes, height=0.75 + 0.3 * len(rows))
        places = np.arange(len(rows))[::-1]
        values = np.array([row.value for row in rows])
        plot.hlines(
            places, [r.low for r in rows], [r.high for r in rows],
            color=_SERIES[0], lw=2.2,
        )  # fmt: skip
        plot.plot(values, places, "o", color=_SERIES[0], ms=6)
        plot.set_yticks(places, [f"{_short(r.name)}  n={r.n:,}" for r in rows])
        plot.set_ylim(-0.6, len(rows) - 0.4)
        plot.tick_params(axis="y", length=0)
        plot.spines["left"].set_visible(False)
        plot.grid(visible=False, axis="y")
        return _svg(figure, alt)


def _start(axes: Axes, height: float = 3.3) -> tuple[Figure, Plot]:
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    figure.patch.set_alpha(0)
    plot = figure.add_subplot()
    plot.patch.set_alpha(0)
    plot.grid(visible=True)
    plot.set_xlabel(axes.x)
    plot.set_ylabel(axes.y)
    if axes.x_range is not None:
        plot.set_xlim(*_padded(axes.x_range))
    if axes.y_range is not None:
        plot.set_ylim(*_padded(axes.y_range))
    return figure, plot


def _logarithmic(plot: Plot, edges: Array) -> None:
    plot.set_xscale("log")
    narrow = edges[-1] < 100 * edges[0]
    plot.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if narrow else (1,)))
    plot.xaxis.set_major_formatter(lambda value, _: f"{value:,.6g}")
    # Its default labels are in TeX, which isn't drawn here.
    plot.xaxis.set_minor_formatter(NullFormatter())


def _padded(span: tuple[float, float]) -> tuple[float, float]:
    room = 0.02 * (span[1] - span[0])
    return span[0] - room, span[1] + room


def _legend(plot: Plot, entries: int) -> None:
    if entries > 1:
        plot.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=entries, borderaxespad=0.2,
                    handlelength=2.2, columnspacing=1.4)  # fmt: skip


def _edges(
    groups: Sequence[Array], bins: int, span: tuple[float, float] | None, log: bool
) -> Array:
    values = np.concatenate(groups)
    low, high = span or (float(values.min()), float(values.max()))
    if log:
        low = max(low, 1e-3)
        return np.geomspace(low, max(high, low * 1.1), bins + 1)
    return np.linspace(low, high if high > low else low + 1, bins + 1)


def _short(name: str) -> str:
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
    return shown if len(shown) <= _LONGEST_LABEL else shown[: _LONGEST_LABEL - 1] + "…"


def _svg(figure: Figure, alt: str) -> str:
    """The figure as an element to stand in HTML: no prologue, no metadata, no fixed size."""
    stream = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": alt}), warnings.catch_warnings():
        # Measured with a font that may lack a glyph, but shown in one of the reader's.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, flags=re.DOTALL)
    text = re.sub(r'(<g) id="[^"]*"', r"\1", text)
    text = text.replace("xlink:href", "href")
    text = re.sub(r"(font(?:-family)?): ([^;\"]*?)'DejaVu Sans'[^;\"]*", r"\1: \2inherit", text)
    for colour, paint in _PAINT.items():
        text = text.replace(colour, paint)
    box = re.search(r'viewBox="([^"]+)"', text)
    assert box is not None
    head = f'<svg viewBox="{box[1]}" role="img" aria-label="{escape(alt)}">'
    return re.sub(r"\s*\n\s*", "\n", head + text[text.index(">") + 1 :]).strip()
