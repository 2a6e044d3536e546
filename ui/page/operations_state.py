"""The release, the audit log and the server as HTML. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rag.audit_chain import AuditReport
from rag.releases.gates import Figure
from rag.releases.rows import Event, State
from rag.releases.trial import Trial
from rag.telemetry.memory import Memory
from ui.operations.server import KEY_VARIABLE, URL_VARIABLE, Facts, NoServer
from ui.operations_view import clock
from ui.page import cards
from ui.page.marks import escape
from ui.page.operations_cards import percent, table_html

RECENT = 6
GATES = {
    "errors": "Failed",
    "slow": "Slow",
    "unsupported": "Unsupported",
    "unsafe": "Stopped by the guard",
    "abstained": "Not known",
}
DECISIONS = {"wait": "Wait", "rollback": "Roll it back", "promote": "Promote it"}


def release_html(state: State, events: Sequence[Event], kb: str, offset: int) -> str:
    """What is served, the trial with its gates, and what happened lately."""
    if not events:
        return _no_release(kb)
    trial = _trial(state.trial, offset) if state.trial else '<p class="sf-quiet">No trial runs.</p>'
    served = f"<p>Everyone is served <b>{escape(state.stable)}</b>.</p>"
    rows = [
        [_when(event.at, offset), event.variant, event.kind, event.by or "itself", event.why or "–"]
        for event in reversed(events[-RECENT:])
    ]
    heads = ["When", "Variant", "What", "By", "Why"]
    return served + trial + table_html("Releases lately", heads, rows, words=5)


def audit_html(report: AuditReport, at: str) -> str:
    """The outcome of a check, in words, and when it was made."""
    counts = f"{_some(report.lines, 'line')} in {_some(report.files, 'file')}"
    if report.problem is not None:
        body = (
            f"<p>{escape(report.problem)}.</p><p>What stands before that place is sound: "
            f"{_some(report.lines, 'line')}.</p>"
        )
        hint = f"Keep the folder as it is, and compare it with your last copy. Checked at {at}"
        return cards.state("trouble", "The log does not hold", body, hint)
    notes = [f"{counts}: no edit, no gap.", _sealed(report)]
    if report.lost:
        notes.append(f"{_some(report.lost, 'line')} could not be written, and the log says so.")
    if report.torn:
        was = "was" if report.torn == 1 else "were"
        notes.append(f"{_some(report.torn, 'line')} {was} cut off as a writer was killed.")
    body = "".join(f"<p>{escape(note)}</p>" for note in notes)
    return cards.state("well", "The log is whole", body, f"Checked at {at}")


def server_html(facts: Facts, url: str, now: float) -> str:
    """A server that answers."""
    rows = [
        ("Address", url),
        ("Version", facts.version),
        ("Up for", _lasting(now - facts.began) if facts.began else "unknown"),
        ("Answers", f"{facts.answers:,}, and {facts.failures:,} that failed"),
        ("Waiting now", f"{facts.waiting:,}"),
        ("Answer cache", _cache(facts)),
        ("Turned away", _refused(facts)),
        *((f"Memory left, {store}", percent(part)) for store, part in facts.memory.items()),
    ]
    if facts.uncounted:
        rows.append(("Not counted", f"{facts.uncounted:,} events; its log says why"))
    return _list(rows)


def no_server_html(problem: NoServer, named: bool, kb: str) -> str:
    """No server, and what to do about it."""
    if problem.asks_key:
        words = f"It runs. Make a key, and start this page with it in {KEY_VARIABLE}:"
        command = f"surefoot keys add operations --kb {kb} --scope metrics"
        title = "The server wants a key"
    else:
        words = "Programs ask over HTTP once it runs; what they ask is counted above as well."
        if named:
            words = f"Look at {URL_VARIABLE}, or start the server:"
        command = f"surefoot serve --kb {kb}"
        title = "The server gives no figures" if named else "No server runs"
    body = (
        f"<p>{escape(str(problem)[:1].upper() + str(problem)[1:])}.</p><p>{escape(words)}</p>"
        f'<pre class="sf-command">{escape(command)}</pre>'
    )
    return cards.state("trouble" if named and not problem.asks_key else "empty", title, body)


def memory_html(found: Sequence[Memory]) -> str:
    """What this machine has left."""
    rows = [
        (
            "GPU" if item.store == "gpu" else "This machine",
            f"{item.available / 1e9:.1f} of {item.limit / 1e9:.1f} GB of memory left",
        )
        for item in found
    ]
    return _list(rows) if rows else ""


def _no_release(kb: str) -> str:
    body = (
        "<p>A variant is a model, prompt and settings under one name. Name what is served now, "
        "then try another on part of the conversations; one that does worse is taken back by "
        "itself.</p>"
        f'<pre class="sf-command">surefoot release add v1 --kb {escape(kb)}\n'
        f"surefoot release promote v1 --kb {escape(kb)}</pre>"
    )
    return cards.state("empty", "Nothing was released by name", body)


def _trial(trial: Trial, offset: int) -> str:
    verdict, what = trial.verdict(), "in the shadow" if trial.shadow else "as a canary"
    head = (
        f"<p><b>{escape(trial.variant)}</b> runs {what} beside {escape(trial.baseline)}, on "
        f"{percent(trial.share)} of the conversations since {_when(trial.began, offset)}.</p>"
        f'<p class="sf-ops-ruling sf-ops-ruling-{verdict.decision}">'
        f"<b>{DECISIONS[verdict.decision]}</b> {escape(verdict.why)}</p>"
    )
    heads = ["Conversations that", trial.variant, trial.baseline, "Evidence", "Taken back at"]
    rows = [_gate(item) for item in verdict.figures]
    return head + table_html("The trial", heads, rows)


def _when(stamp: str, offset: int) -> str:
    return clock(datetime.fromisoformat(stamp).timestamp(), "%d %b %Y, %H:%M", offset)


def _gate(item: Figure) -> list[str]:
    sides = ((item.canary, item.of_canary), (item.baseline, item.of_baseline))
    return [
        GATES[item.gate],
        *(f"{hits:,} of {n:,}" for hits, n in sides),
        f"{max(item.worse, item.over):.2g} to 1",
        f"{item.needed:.0f} to 1",
    ]


def _sealed(report: AuditReport) -> str:
    if not report.keyed:
        return (
            "No line is sealed with a key: who may rewrite all of it could forge it. "
            "SUREFOOT_AUDIT_KEY prevents that."
        )
    every = report.keyed == report.lines
    return f"{'All' if every else f'{report.keyed:,}'} of them are sealed with the key."


def _cache(facts: Facts) -> str:
    if not facts.lookups:
        return "not asked yet"
    return f"{percent(facts.hits / facts.lookups)} of {facts.lookups:,} lookups found"


def _refused(facts: Facts) -> str:
    return ", ".join(f"{n:,} ({why})" for why, n in facts.refused.items()) or "nobody"


def _lasting(seconds: float) -> str:
    for unit, name in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= unit:
            return _some(int(seconds // unit), name)
    return "less than a minute"


def _some(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def _list(rows: Sequence[tuple[str, str]]) -> str:
    body = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    return f'<div class="sf-ops-facts"><dl>{body}</dl></div>'
