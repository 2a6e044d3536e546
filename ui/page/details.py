"""Why an answer is as it is, as HTML: times, tokens, what was left out, findings, model. Pure.

Findings are counted by label, never quoted.
"""

from __future__ import annotations

from collections import Counter
from html import escape

from rag.types import Answer
from ui.page.words import ACTIONS, PLACES, TIMES, label_name

Rows = list[tuple[str, str]]


def details_html(answer: Answer) -> str:
    """The expander below an answer."""
    sections = [
        ("Time after the question", _times(answer)),
        ("Tokens", _tokens(answer)),
        ("Left out of the prompt", _dropped(answer)),
        ("Findings of the guard", _findings(answer)),
        ("Record", _record(answer)),
    ]
    body = "".join(_section(title, rows) for title, rows in sections if rows)
    return f'<details class="sf-why"><summary>Why this answer</summary><div>{body}</div></details>'


def seconds(ms: float) -> str:
    """Milliseconds as people read them."""
    return f"{ms / 1000:.1f} s" if ms >= 1000 else f"{ms:.0f} ms"


def _times(answer: Answer) -> Rows:
    times = sorted(answer.timings_ms.items(), key=lambda item: item[1])
    return [(TIMES.get(stage, stage.replace("_", " ")), seconds(ms)) for stage, ms in times]


def _tokens(answer: Answer) -> Rows:
    use = answer.tokens
    return [
        ("prompt", f"{use.prompt:,}"),
        ("answer", f"{use.completion:,}"),
        ("window of the model", f"{use.window:,}"),
    ]


def _dropped(answer: Answer) -> Rows:
    return [
        (part.what, f"{part.tokens:,} tokens: {part.why}" if part.tokens else part.why)
        for part in answer.tokens.dropped
    ]


def _findings(answer: Answer) -> Rows:
    counts = Counter((f.label, f.stage, f.action) for f in answer.findings)
    return [
        (label_name(label), f"{count} in {PLACES[stage]}, {ACTIONS[action]}")
        for (label, stage, action), count in sorted(counts.items())
    ]


def _record(answer: Answer) -> Rows:
    rows = [("model", answer.model.name), ("its sha256", answer.model.sha256[:16] + "…")]
    if answer.cause:
        rows.append(("outcome", f"{answer.status}: {answer.cause}"))
    rows.append(("trace", answer.trace or "none was written"))
    return rows


def _section(title: str, rows: Rows) -> str:
    lines = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    return f'<div class="sf-kicker">{title}</div><dl>{lines}</dl>'
