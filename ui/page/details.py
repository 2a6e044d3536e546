"""Why an answer is as it is, as HTML: times, tokens, what was left out, findings, model. Pure.

Findings are counted by label, never quoted.
"""

from __future__ import annotations

from collections import Counter
from html import escape

from rag.types import Answer, Passage
from ui.page.sources import cited
from ui.page.words import ACTIONS, PLACES, TIMES, label_name
from ui.view import place, twins

Rows = list[tuple[str, str]]


def details_html(answer: Answer) -> str:
    """What made the answer what it is, in sections."""
    sections = [
        ("Tokens", _tokens(answer)),
        ("Left out of the prompt", _dropped(answer)),
        ("Findings of the guard", _findings(answer)),
        ("Record", _record(answer)),
    ]
    rest = "".join(_section(title, rows) for title, rows in sections if rows)
    return f'<div class="sf-why">{_times(answer)}{_passages(answer)}{rest}</div>'


def seconds(ms: float) -> str:
    """Milliseconds as people read them."""
    return f"{ms / 1000:.1f} s" if ms >= 1000 else f"{ms:.0f} ms"


def _times(answer: Answer) -> str:
    """A bar for each stage, where it lies between the question and the end of the answer."""
    ends = sorted(answer.timings_ms.items(), key=lambda item: item[1])
    ends = [(stage, ms) for stage, ms in ends if stage != "total"] or ends
    whole = max([*answer.timings_ms.values(), 1.0])
    rows, began = [], 0.0
    for stage, ms in ends:
        name = escape(TIMES.get(stage, stage.replace("_", " ")))
        bar = f"margin-left:{100 * began / whole:.1f}%;width:{100 * (ms - began) / whole:.1f}%"
        rows.append(
            f'<dt>{name}</dt><dd><span class="sf-track"><span class="sf-bar" '
            f'style="{bar}"></span></span>{seconds(ms - began)}</dd>'
        )
        began = ms
    total = answer.timings_ms.get("total")
    if total is not None:
        rows.append(f"<dt>{TIMES['total']}</dt><dd>{seconds(total)}</dd>")
    return _list("Time", "".join(rows), "sf-times") if rows else ""


def _passages(answer: Answer) -> str:
    """What was found, best first, with its scores by part."""
    rows = "".join(_passage(passage, answer) for passage in answer.passages)
    if not rows:
        return ""
    heads = "".join(f"<th>{name}</th>" for name in ("Passage", "Score", "Meaning", "Words", "Rank"))
    note = (
        "Score joins meaning (a cosine) and words (BM25). Rank is the second reading’s score, "
        "where there was one."
    )
    return (
        f'<div class="sf-kicker">Passages found</div>'
        f'<div class="sf-scroll" tabindex="0" role="region" aria-label="Passages found"><table>'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
        f'<p class="sf-quiet">{note}</p>'
    )


def _passage(passage: Passage, answer: Answer) -> str:
    notes = ["cited"] if cited(passage, answer) else []
    notes += ["named by a better one"] if passage.linked else []
    notes += [twins(passage)] if twins(passage) else []
    said = f"<span>{escape(' · '.join(notes))}</span>" if notes else ""
    rerank = "–" if passage.rerank is None else f"{passage.rerank:.2f}"
    numbers = (f"{passage.score:.2f}", f"{passage.dense:.2f}", f"{passage.lexical:.1f}", rerank)
    name = escape(place(passage.title, passage.path, passage.page))
    cells = "".join(f"<td>{number}</td>" for number in numbers)
    return f"<tr><td>{name}{said}</td>{cells}</tr>"


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
    lines = (f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    return _list(title, "".join(lines))


def _list(title: str, rows: str, kind: str = "sf-facts") -> str:
    return f'<div class="sf-kicker">{title}</div><dl class="{kind}">{rows}</dl>'
