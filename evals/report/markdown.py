"""The report for a pull request. Texts of cases stand in code spans, where nothing is markup.

(In a code span no name is mentioned, no link is made and no tag is one; only backticks could end
it, and so it gets more of them than its text has.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from evals.report.facts import GateWords, Row
from evals.report.page import Report
from evals.report.slices import SliceTable

_WORST, _GIST = 5, 160


def render_markdown(report: Report) -> str:
    """Headline table, gate, slices, the five worst cases, and how to do it again."""
    return "\n".join(_lines(report)) + "\n"


def code(text: str) -> str:
    """A text as an inert code span that also stands in a table's cell."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    fence = "`" * (max((len(run) for run in re.findall("`+", flat)), default=0) + 1)
    # A backslash before a bar would undo the bar's own escape inside a table.
    safe = flat.replace("\\", "\N{FULLWIDTH REVERSE SOLIDUS}").replace("|", "\\|")
    return f"{fence} {safe} {fence}" if safe else "(empty)"


def _lines(report: Report) -> Iterator[str]:
    yield f"## Surefoot evaluation: {report.head.title}"
    yield ""
    yield f"**{_inert(report.head.headline)}**"
    yield from (_inert(sentence) for sentence in report.head.more)
    yield ""
    yield _inert(report.head.measured)
    yield ""
    yield from _figures(report.rows)
    if report.gate:
        yield from _gate(report.gate)
    for table in report.slices:
        yield from _slices(table)
    yield from _cases(report)
    yield ""
    yield "Again: " + code(report.command)


def _figures(rows: Sequence[Row]) -> Iterator[str]:
    yield "| metric | value | 95 % interval | n | |"
    yield "|---|---:|---|---:|---|"
    for row in rows:
        yield f"| {code(row.name)} | {row.value} | {row.interval} | {row.n} | {row.better} |"


def _gate(gate: GateWords) -> Iterator[str]:
    yield ""
    yield f"### {gate.sign} {_inert(gate.sentence)}"
    yield ""
    yield from (f"- {_inert(reason)}" for reason in gate.reasons)
    if gate.lines:
        yield ""
        yield _inert(gate.paired)
        yield ""
        names = "baseline | this run | difference | 95 % interval | p (Holm) | detectable"
        yield f"| metric | {names} | |"
        yield "|---|---:|---:|---:|---|---:|---:|---|"
        yield from (_row(line.cells, line.verdict) for line in gate.lines)
    if gate.limits:
        yield ""
        yield "| metric | kept by | limit | this run | |"
        yield "|---|---|---|---:|---|"
        yield from (_row(line.cells, line.verdict) for line in gate.limits)


def _row(cells: Sequence[str], verdict: str) -> str:
    return f"| {code(cells[0])} | {' | '.join(map(_inert, cells[1:]))} | {_inert(verdict)} |"


def _slices(table: SliceTable) -> Iterator[str]:
    names = [row.name for row in table.slices[0].rows]
    yield ""
    yield f"<details><summary>By {_inert(table.field)}</summary>"
    yield ""
    yield f"| | n | {' | '.join(map(code, names))} |"
    yield "|---|---:|" + "---|" * len(names)
    for part in table.slices:
        cells = [row.value + f" ({row.interval})" * bool(row.interval) for row in part.rows]
        yield f"| {code(part.value)} | {part.cases:,} | {' | '.join(cells)} |"
    yield ""
    yield "</details>"


def _cases(report: Report) -> Iterator[str]:
    if report.worst:
        yield ""
        yield "Worst cases:"
        yield ""
    for card in report.worst[:_WORST]:
        yield f"- {_inert(card.word)}: {code(_brief(card.gist))} (case {code(_brief(card.id))})"
    if report.failed_count:
        yield ""
        yield f"Failed: {report.failed_count:,}, counted against."
        yield ""
    for name, reason in report.failed[:_WORST]:
        yield f"- {code(_brief(name))}: {code(_brief(reason.text))}"


def _brief(text: str) -> str:
    return text if len(text) <= _GIST else text[: _GIST - 1] + "…"


def _inert(text: str) -> str:
    """Our own words, which may hold a file's or a category's name: no markup, no mention."""
    flat = " ".join(text.split())
    escaped = re.sub(r"([\\`*_{}\[\]<>#|~!&])", r"\\\1", flat)
    return escaped.replace("@", "@\N{ZERO WIDTH NON-JOINER}")
