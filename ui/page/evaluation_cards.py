"""The evaluations page as HTML: the list, a run's parts, two runs compared. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evals.diff import RunDiff, Side, Turned
from evals.report.curves import Picture
from evals.report.facts import GateWords, Head
from evals.report.page import Report, part_html
from evals.report.words import number
from ui.evaluation_jobs import Stand
from ui.evaluation_runs import Figure, RunRow
from ui.evaluation_view import EXAMPLES, GATES, STATES, changed_words, progress_words
from ui.page import cards
from ui.page.marks import escape

GIST = 240
EMPTY = (
    "<p>An evaluation asks every question of a file of cases, and says how often the answers were "
    "right, with an interval that shows how sure that is. Two runs are compared case by case, and "
    "a gate says whether the later one may be released.</p>"
)


def row_html(row: RunRow) -> str:
    """A run in the list: what it was, how it stands, its first figure."""
    facts = [row.cases, "" if row.n is None else f"{row.n:,} cases", changed_words(row)]
    said = " · ".join(escape(fact) for fact in facts if fact)
    return (
        f'<div class="sf-run"><div><b>{escape(row.title or row.cases)}</b><span>{said}</span></div>'
        f"<div>{figure_html(row.headline) if row.headline else ''}</div>"
        f'<div class="sf-run-state">{state_html(row)}</div></div>'
    )


def state_html(row: RunRow) -> str:
    """How a run stands, what the gate said of it, and how many of its cases failed."""
    failed = f'<span class="sf-warn">{row.failed:,} failed</span>' if row.failed else ""
    gate = f'<span class="sf-gate-{row.gate}">{GATES[row.gate]}</span>' if row.gate else ""
    return f'<span class="sf-state-{row.state}">{STATES[row.state]}</span>{gate}{failed}'


def figure_html(figure: Figure) -> str:
    """A figure with its interval, as a bar where it has one."""
    assert figure.value is not None
    span = ""
    if figure.low is not None and figure.high is not None:
        span = f"{number(figure.low)} to {number(figure.high)}"
    return (
        f'<div class="sf-figure"><span>{escape(figure.name)}</span>'
        f"<b>{number(figure.value)}</b><small>{span}</small></div>{bar_html(figure)}"
    )


def bar_html(figure: Figure) -> str:
    """A figure in 0 to 1 as a dot, its interval as a line."""
    if not figure.unit or None in (figure.value, figure.low, figure.high):
        return ""
    value, low, high = (100 * float(v or 0) for v in (figure.value, figure.low, figure.high))
    return (
        f'<span class="sf-span" aria-hidden="true"><i style="left:{low:.2f}%;'
        f'width:{high - low:.2f}%"></i><b style="left:{value:.2f}%"></b></span>'
    )


def progress_html(row: RunRow, stand: Stand) -> str:
    """A run under way."""
    share = 100 * stand.done / stand.total if stand.total else 0.0
    words = progress_words(stand)
    return (
        f'<div class="sf-going"><b>{escape(row.title)}</b> <span>{escape(row.cases)}</span>'
        f'<div class="sf-track" role="progressbar" aria-label="{escape(row.title)}" '
        f'aria-valuemin="0" aria-valuemax="100" aria-valuenow="{share:.0f}" '
        f'aria-valuetext="{escape(words)}"><span class="sf-bar" style="width:{share:.1f}%"></span>'
        f'</div><div class="sf-status"><span class="sf-pulse"></span>{escape(words)}</div></div>'
    )


def places_html(folders: Sequence[str]) -> str:
    """Where runs are looked for."""
    own, *more = (f"<code>{escape(folder)}</code>" for folder in folders)
    also = f" and in {', '.join(more)}" if more else ""
    return (
        f'<p class="sf-quiet">Runs are kept in {own}{also}. SUREFOOT_RUNS names further folders, '
        "such as those of surefoot eval --out.</p>"
    )


def empty_html() -> str:
    """Nothing was measured yet."""
    return cards.state("empty", "Nothing was measured yet", EMPTY)


def run_name(row: RunRow) -> str:
    """A run in a list of choices, on one line."""
    figure = row.headline
    told = f" · {figure.name} {number(figure.value)}" if figure and figure.value is not None else ""
    return f"{row.key} · {row.cases}{told}"


def unfinished_html(row: RunRow, done: int, said: str) -> str:
    """A run that has no results."""
    if row.state == "damaged":
        return cards.trouble_html(row.problem, "Its folder was changed, or is of another version.")
    if row.state == "failed":
        said = said or "It ended before it read its cases."
        return cards.state("trouble", f"{row.title}: did not begin", f"<p>{escape(said)}</p>")
    why = f"<p>{escape(said)}</p>" if said else ""
    of_all = f"{done:,} of {row.n or 0:,} cases"
    words = f"<p>{of_all} of {escape(row.cases)} are done and kept. It goes on from there.</p>"
    return cards.state("blocked", f"{row.title}: stopped", why + words)


def command_html(command: str) -> str:
    """The same on a command line."""
    return (
        '<p class="sf-quiet">The same from a command line:</p>'
        f'<pre class="sf-command">{escape(command)}</pre>'
    )


def hidden_html(groups: frozenset[str]) -> str:
    """Cases of documents that the reader may not see."""
    names = ", ".join(sorted(groups))
    body = f"<p>This run could see documents of {escape(names)}. You are not in all of these.</p>"
    return cards.state("unknown", "Its cases are not shown to you", body)


def alone_html(row: RunRow) -> str:
    """There is no other run to compare with."""
    body = (
        "<p>Change something, such as the model or the documents, and measure the same cases "
        "again. Then both stand here side by side, case by case.</p>"
    )
    return cards.state("empty", f"No other run of {row.title.lower()} is finished", body)


def limits_html(limits: Path | None, kb: Path) -> str:
    """Where the gate's limits come from."""
    if limits is not None:
        return f'<p class="sf-quiet">Limits: {escape(str(limits))}</p>'
    return (
        '<details class="sf-more"><summary>No limits are set</summary><p class="sf-quiet">A figure '
        f"that must hold whatever came before stands in {escape(str(kb / 'gates.toml'))}, by suite:"
        '</p><pre class="sf-command">[qa]\nanswered_precision = { min = 0.8 }</pre></details>'
    )


def example_html(suite: str) -> str:
    """How a line of a case file looks."""
    return (
        '<p class="sf-quiet">A case file has one JSON object a line, such as</p>'
        f'<pre class="sf-command">{escape(EXAMPLES[suite])}</pre>'
    )


def head_html(head: Head, gate: GateWords | None) -> str:
    """What a run came to, in sentences."""
    more = "".join(f'<p class="sf-lead">{escape(line)}</p>' for line in head.more)
    return (
        f'<div class="sf-kicker">{escape(head.title)}</div><h1>{escape(head.headline)}</h1>{more}'
        f'<p class="sf-quiet">{escape(head.measured)}</p>{verdict_html(gate) if gate else ""}'
    )


def verdict_html(gate: GateWords) -> str:
    """The gate's word, and why."""
    reasons = "".join(f"<p>{escape(reason)}</p>" for reason in gate.reasons)
    kind = {"pass": "passed", "fail": "trouble"}.get(gate.style, "blocked")
    return cards.state(kind, gate.sentence, reasons)


def figures_html(report: Report) -> str:
    """All figures with their intervals."""
    shown = part_html("figures", report.rows)
    if report.others:
        count = len(report.others)
        name = f"{count} further figure{'s' if count > 1 else ''}"
        shown += (
            f'<details class="sf-more"><summary>{name}</summary>'
            f"{part_html('figures', report.others)}</details>"
        )
    return _report(shown + failed_html(report))


def failed_html(report: Report) -> str:
    """The cases that could not be judged, by name, with the reason."""
    if not report.failed_count:
        return ""
    rows = "".join(
        f'<tr><th scope="row"><code>{escape(name)}</code></th><td>{part_html("cut", cut)}</td></tr>'
        for name, cut in report.failed
    )
    more = report.failed_count - len(report.failed)
    rest = f'<p class="small">… {more:,} more</p>' if more > 0 else ""
    return (
        f"<h2>Failed cases</h2><p class='note'>{report.failed_count:,} could not be judged. They "
        "count against the figures above.</p>"
        f'<div class="scroll"><table><tbody>{rows}</tbody></table></div>{rest}'
    )


def gate_html(gate: GateWords) -> str:
    """What the gate compared and which limits it held."""
    return _report(part_html("gate", gate))


def pictures_html(pictures: Sequence[Picture]) -> str:
    """The curves, each with a caption on how to read it."""
    shown = "".join(
        f"<figure><h3>{escape(picture.title)}</h3>{picture.svg}"
        f"<figcaption>{escape(picture.caption)}</figcaption></figure>"
        for picture in pictures
    )
    return _report(f'<div class="pictures">{shown}</div>')


def slices_html(report: Report) -> str:
    """The figures for parts of the cases."""
    note = (
        '<p class="note">The same figures for parts of the cases. Small parts have wide intervals: '
        "read those first.</p>"
    )
    return _report(note + part_html("slices", report.slices))


def provenance_html(report: Report, path: str) -> str:
    """What ran, and the command that measures the same again."""
    facts = [*report.provenance, ("Folder", path)]
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    ways = f"Ways used here: {escape('; '.join(report.methods))}." if report.methods else ""
    return (
        f'<dl class="sf-provenance">{rows}</dl><p>The same again, with these files at hand:</p>'
        f'<pre class="sf-command">{escape(report.command)}</pre>'
        '<p class="sf-quiet">An interval of 95 % is made in a way that catches the true figure in '
        "95 of 100 such samples. Cases that share a source are taken together. A case that could "
        f"not be judged counts against what is tried. {ways}</p>"
    )


def case_html(card: object) -> str:
    """All there is to see of one case: a `Card` of a report."""
    return _report(f'<div class="case">{part_html("card", card)}</div>')


def turned_html(diff: RunDiff, sign: int) -> str:
    """The cases that stand otherwise, each to be opened: lost (-1), gained (1) or both (0)."""
    turned = [item for item in diff.turned if sign * item.change >= 0]
    rows = "".join(_turned(item) for item in turned)
    counts = diff.counts
    more = counts.worse * (sign <= 0) + counts.better * (sign >= 0) - len(turned)
    if rows and more > 0:
        rows += f'<p class="sf-quiet">… {more:,} more: surefoot eval diff --top lists them.</p>'
    return f'<div class="sf-turned">{rows or _none(diff)}</div>'


def counts_html(diff: RunDiff) -> str:
    """How many cases turned, and what differs in what ran."""
    counts = diff.counts
    said = f"{counts.worse:,} lost, {counts.better:,} gained, {counts.same:,} the same"
    lines = "".join(f"<li>{escape(line)}</li>" for line in diff.differences)
    differs = f"<ul>{lines}</ul>" if lines else "<p>Both ran the same thing.</p>"
    return (
        f'<p class="sf-lead">Of the cases that both have: {said}.</p>'
        f'<details class="sf-more"><summary>What differs between the runs</summary>{differs}'
        "</details>"
    )


def _turned(item: Turned) -> str:
    better = item.change > 0
    kind, word = ("sf-gained", "gained") if better else ("sf-lost", "lost")
    turn = f"{escape(item.a.word)} → {escape(item.b.word)}"
    return (
        f'<details class="sf-row"><summary><span class="{kind}">{word}</span> {turn}'
        f'<span class="sf-snippet">{escape(item.gist[:GIST])}</span></summary>'
        f'<p class="sf-asked">{escape(item.gist)}</p><p class="sf-quiet">case {escape(item.id)}</p>'
        f'<div class="sf-sides">{_side("Before", item.a)}{_side("After", item.b)}</div></details>'
    )


def _side(name: str, side: Side) -> str:
    lines = "".join(f"<p>{escape(line)}</p>" for line in side.outline)
    return f"<div><div class='sf-kicker'>{name}: {escape(side.word)}</div>{lines}</div>"


def _none(diff: RunDiff) -> str:
    if diff.turned:
        return '<p class="sf-quiet">No case turned this way.</p>'
    same = "No case stands otherwise than before."
    other = diff.counts.other_outcome
    return (
        f'<p class="sf-quiet">{same if not other else f"{same} {other:,} came out otherwise."}</p>'
    )


def _report(html: str) -> str:
    return f'<div class="sf-report">{html}</div>'
