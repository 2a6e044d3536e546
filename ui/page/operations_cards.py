"""The operations page as HTML: figures, charts and tables of what was counted. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from evals.stats.intervals import proportion
from rag.config import TelemetryConfig
from ui.operations.alerts import Alert
from ui.operations.budgets import Standing
from ui.operations.rows import Found
from ui.operations_view import Slot, Span, Spent, Spread, Summary, clock, spread
from ui.page import cards
from ui.page.columns import Series, columns_html, ranges_html
from ui.page.marks import escape
from ui.page.words import ACTIONS, PLACES, label_name

LISTED = 10
_PLACES: dict[str, str] = {str(stage): words for stage, words in PLACES.items()}
_ACTIONS: dict[str, str] = {str(action): words for action, words in ACTIONS.items()}
_ENDS = (
    ("answered", "answered", "teal"),
    ("abstained", "not known", "soft"),
    ("blocked", "blocked", "amber"),
    ("failed", "failed", "red"),
    ("left", "left by the reader", "line"),
    ("cached", "from the cache", "cache"),
)
_MORE = (("left", "left"), ("cached", "from the cache"), ("refused", "refused"))
_NO_ANSWER = {
    "abstained": "Not known",
    "blocked": "Blocked",
    "failed": "Failed",
    "refused": "Refused",
}
_REASONS = {
    "far": "no passage comes near the question",
    "untrusted": "the passages do not seem to answer it",
    "unanswered": "the model finds no answer in the passages",
    "unsupported": "what the model says is not supported",
    "filter": "a safety filter failed",
    "policy": "the guard’s rules",
    "busy": "no room",
    "draining": "the server stops",
    "rate_limit_exceeded": "too many requests of one key",
    "insufficient_quota": "a key’s tokens of the day are used up",
}
_URGENCY = {"page": "Act now", "ticket": "Look soon"}
_DONE = (
    ("question", "in questions", "amber"),
    ("passage", "in passages", "soft"),
    ("answer", "in answers", "red"),
)


def nothing_html(kb: str) -> str:
    """No question was ever asked."""
    body = (
        "<p>Every question leaves one line in the audit log: when, how it ended, and how long it "
        "took; never what was asked. This page is drawn from it. Ask something in the chat, or:</p>"
        f'<pre class="sf-command">surefoot ask "What is in here?" --kb {escape(kb)}</pre>'
    )
    return cards.state("empty", "Nothing has been asked yet", body)


def figures_html(found: Summary) -> str:
    """The span in eight figures; every share with its 95 % interval."""
    ended, kinds = found.ended, found.kinds
    tiles = [
        _tile("Questions", f"{found.asked:,}", _ends_note(found)),
        _share("Answered", kinds["answered"], ended, "questions"),
        _share("Not known", kinds["abstained"], ended, "questions"),
        _share("Blocked", kinds["blocked"], ended, "questions"),
        _time("First sentence", found.first),
        _time("Whole answer", found.whole),
        _speed(found.speed),
        _share("Withheld", found.withheld, found.claims, "sentences"),
    ]
    return f'<div class="sf-ops-tiles">{"".join(tiles)}</div>'


def traffic_html(found: Sequence[Slot], span: Span, offset: int) -> str:
    """How questions ended, and how long readers waited, over time."""
    times = _times(found, span, offset)
    ends = [
        Series(name, paint, [sum(row.kind == kind for row in slot.rows) for slot in found])
        for kind, name, paint in _ENDS
    ]
    waits = [spread(row.first_shown_ms for row in slot.rows) for slot in found]
    seen = [item for item in ends if item.total or item.paint in ("teal", "soft", "amber")]
    return (
        f'<div class="sf-ops-pair">{columns_html("Questions", seen, times)}'
        f"{ranges_html('Until the first sentence', waits, times)}</div>"
    )


def reasons_html(found: Sequence[tuple[str, str, int]]) -> str:
    """Why there was no answer; "" if there always was one."""
    if not found:
        return ""
    rows = [
        [_NO_ANSWER[kind], _REASONS.get(cause, cause.replace("_", " ")) or "–", f"{n:,}"]
        for kind, cause, n in found[:LISTED]
    ]
    rest = sum(n for _, _, n in found[LISTED:])
    heads = ["Without an answer", "Why", "Times"]
    return table_html("Why there was no answer", heads, rows, words=2) + _more(rest)


def guard_html(found: Sequence[Slot], listed: Sequence[Found], span: Span, offset: int) -> str:
    """What the guard did over time, and what it found: labels and counts only."""
    times = _times(found, span, offset)
    done = [
        Series(name, paint, [_acted(slot, stage) for slot in found]) for stage, name, paint in _DONE
    ]
    withheld = Series("withheld", "teal", [sum(r.withheld for r in slot.rows) for slot in found])
    acts = columns_html("Hidden or blocked", done, times)
    kept = columns_html("Sentences without support", [withheld], times)
    return f'<div class="sf-ops-pair">{acts}{kept}</div>{_found_html(listed)}'


def cost_html(
    found: Spent, days: Sequence[tuple[float, Spent]], prices: TelemetryConfig, offset: int
) -> str:
    """What an answer takes, and what the last days took."""
    priced = bool(prices.price_prompt or prices.price_completion)
    heads = ["Day", "Answers", "Tokens read", "Read before", "Tokens written", "Seconds"]
    rows = [[clock(at, "%a %d %b", offset), *_cells(spent)] for at, spent in days]
    if priced:
        heads.append(prices.currency)
        rows = [[*row, f"{spent.price:,.2f}"] for row, (_, spent) in zip(rows, days, strict=True)]
    said = _each(found, prices if priced else None)
    hint = (
        ""
        if priced
        else '<p class="sf-quiet">Money is counted once <code>price_prompt</code> and '
        "<code>price_completion</code> of [telemetry] are set in surefoot.toml.</p>"
    )
    return f"<p>{said}</p>{table_html('Cost by day', heads, rows)}{hint}"


def objectives_html(found: Sequence[Standing], quiet: bool) -> str:
    """What is promised, and how much of each month's budget is left; `quiet`: no alert fires."""
    rows = "".join(_objective(item) for item in found)
    note = '<p class="sf-quiet">No alert fires.</p>' if quiet else ""
    return f'<ul class="sf-ops-goals">{rows}</ul>{note}'


def alerts_html(alerts: Sequence[Alert]) -> str:
    """Alerts that fire now."""
    lines = "".join(
        f'<li class="sf-ops-{alert.severity}"><b>{_URGENCY[alert.severity]}</b> '
        f"{escape(alert.words)}</li>"
        for alert in alerts
    )
    return f'<ul class="sf-ops-alerts">{lines}</ul>'


def full_html(rows: int) -> str:
    """The log is longer than what is drawn."""
    return f'<p class="sf-quiet">Drawn from the latest {rows:,} lines of the log.</p>'


def table_html(
    title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1
) -> str:
    """A table whose first `words` columns are text, and the others numbers."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return (
        f'<div class="sf-ops-scroll" tabindex="0" role="region" aria-label="{escape(title)}">'
        f'<table class="sf-ops-table sf-ops-words-{words}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def section_html(title: str, about: str = "") -> str:
    note = f"<p>{escape(about)}</p>" if about else ""
    return f'<div class="sf-ops-head"><h2>{escape(title)}</h2>{note}</div>'


def percent(part: float) -> str:
    """A share for people: "under 1 %" is never "0 %"."""
    if 0 < part < 0.01:
        return "under 1 %"
    return "over 99 %" if 0.99 < part < 1 else f"{100 * part:.0f} %"


def _tile(name: str, value: str, note: str) -> str:
    return (
        f'<div class="sf-ops-tile"><span>{escape(name)}</span><b>{escape(value)}</b>'
        f"<small>{escape(note)}</small></div>"
    )


def _share(name: str, hits: int, n: int, of: str) -> str:
    if not n:
        return _tile(name, "–", "nothing to count yet")
    found = proportion(hits, n)
    low, high = 100 * found.low, 100 * found.high
    return _tile(name, percent(hits / n), f"{low:.0f} to {high:.0f} %, of {n:,} {of}")


def _time(name: str, found: Spread | None) -> str:
    if found is None:
        return _tile(name, "–", "not measured yet")
    return _tile(
        name, f"{found.half:.1f} s", f"95 % within {found.most:.1f} s, n\u00a0=\u00a0{found.n:,}"
    )


def _speed(tokens: float | None) -> str:
    shown = "–" if tokens is None else f"{tokens:.1f}"
    return _tile("Tokens a second", shown, "while it writes and checks")


def _ends_note(found: Summary) -> str:
    kinds = found.kinds
    parts = [f"{kinds['failed']:,} failed" if kinds["failed"] else "none failed"]
    parts += [f"{kinds[kind]:,} {name}" for kind, name in _MORE if kinds[kind]]
    return ", ".join(parts)


def _times(found: Sequence[Slot], span: Span, offset: int) -> list[str]:
    return [clock(slot.begin, span.form, offset) for slot in found]


def _acted(slot: Slot, stage: str) -> int:
    found = (item for row in slot.rows for item in row.findings if item.stage == stage)
    return sum(item.n for item in found if item.action != "keep")


def _found_html(listed: Sequence[Found]) -> str:
    if not listed:
        return '<p class="sf-quiet">The guard found nothing in this time.</p>'
    rows = [
        [
            _begun(label_name(item.label)),
            _PLACES.get(item.stage, item.stage),
            _ACTIONS.get(item.action, item.action),
            f"{item.n:,}",
        ]
        for item in listed[:LISTED]
    ]
    heads = ["What was found", "In", "Then", "Times"]
    more = _more(sum(item.n for item in listed[LISTED:]))
    return table_html("Findings of the guard", heads, rows, words=3) + more


def _more(rest: int) -> str:
    return f'<p class="sf-quiet">and {rest:,} more of other kinds</p>' if rest else ""


def _begun(words: str) -> str:
    return words[:1].upper() + words[1:]


def _cells(spent: Spent) -> list[str]:
    counts = (spent.answers, spent.prompt, spent.cached, spent.completion)
    return [*(f"{count:,}" for count in counts), f"{spent.seconds:,.0f}"]


def _each(found: Spent, prices: TelemetryConfig | None) -> str:
    if not found.answers:
        return "No answers in this time."
    n = found.answers
    said = (
        f"An answer takes {found.prompt / n:,.0f} tokens read, {found.completion / n:,.0f} "
        f"written, and {found.seconds / n:.1f} s: the mean of {n:,}."
    )
    if prices is not None:
        said += f" That is {found.price / n:.4f} {prices.currency}."
    return escape(said)


def _objective(found: Standing) -> str:
    left = found.left
    if left is None:
        words, part, kind = "no events yet", 0.0, "none"
    elif left < 0:
        words, part, kind = "budget used up", 0.0, "over"
    else:
        words, part, kind = f"{percent(left)} of the budget left", left, "kept"
    month = found.month
    counts = f"{month.bad:,} of {month.all:,} missed" if month.all else ""
    return (
        f"<li><span>{escape(found.objective.title)}</span>"
        f'<span class="sf-track"><span class="sf-bar" style="width:{100 * part:.1f}%">'
        f'</span></span><span><b class="sf-ops-{kind}">{escape(words)}</b> {escape(counts)}'
        "</span></li>"
    )
