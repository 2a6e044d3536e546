"""The review page as HTML: the case, what was said of it, its history, the empty queue. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from evals.review.types import Event, Item, State
from rag.types import Message
from ui.page import cards
from ui.page.details import details_html
from ui.page.marks import escape
from ui.page.shelf import when

SAID = {"audit": "Sampled", "thumbs-down": "Thumb down", "flag": "Flagged"}
EMPTY: dict[State, tuple[str, str]] = {
    "open": (
        "Nothing waits for review",
        "A thumb down or a flag under an answer brings it here, with its sources. To look at a "
        "sample of all answers as well, keep each twentieth:",
    ),
    "accepted": ("Nothing is accepted", "Answers that are right as they were shown come here."),
    "corrected": ("Nothing is corrected", "Answers whose right wording is known come here."),
    "dismissed": ("Nothing is dismissed", "What teaches nothing comes here, with the reason."),
    "promoted": (
        "Nothing is promoted yet",
        "An accepted or corrected answer can be signed off as a regression case. A batch "
        "evaluation then asks it again:",
    ),
}
COMMANDS = {
    "open": "SUREFOOT_REVIEW_AUDIT_EVERY=20 surefoot chat --kb {}",
    "promoted": "surefoot eval qa --cases regression.jsonl --kb {}",
}


def case_html(item: Item) -> str:
    """The conversation before the question, if any, the question, and the answer as shown."""
    body = cards.question_html(item.question) + cards.said_html(item.answer, f"sf-review-{item.id}")
    return _history(item.history) + body


def evidence_html(item: Item) -> str:
    """What lies beside the case: the passages, and why the answer is as it is."""
    return cards.evidence_html(item.answer) + details_html(item.answer)


def head_html(item: Item) -> str:
    """Number, state, where it came from, when; and the reader's reason."""
    facts = [f"Case {item.id}", item.state, SAID[item.source].lower(), when(item.created)]
    reason = f'<p class="sf-reason">“{escape(item.reason)}”</p>' if item.reason else ""
    return f'<div class="sf-kicker">{escape(" · ".join(facts))}</div>{reason}'


def decided_html(item: Item) -> str:
    """What a reviewer decided."""
    if item.state == "open":
        return ""
    rows = [("Decided", f"{item.state} by {item.reviewer}, {when(item.reviewed_at)}")]
    if item.answers is not None:
        rows.append(("Right answer", " | ".join(item.answers) or "The documents don’t say."))
    titles = [item.documents.get(name, name) for name in item.relevant]
    rows += [("From", ", ".join(titles))] if titles else []
    rows += [("Note", item.note)] if item.note else []
    rows += [("Case file", item.promoted_to)] if item.promoted_to else []
    lines = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    return f'<section class="sf-state sf-decided"><dl>{lines}</dl></section>'


def events_html(events: Sequence[Event]) -> str:
    """Who did what when."""
    rows = "".join(
        f"<dt>{escape(when(event.at))}</dt><dd>{escape(_event(event))}</dd>" for event in events
    )
    return (
        '<details class="sf-why"><summary>History</summary>'
        f"<div><div class='sf-kicker'>Changes</div><dl>{rows}</dl></div></details>"
    )


def empty_html(state: State, kb: str) -> str:
    """A state without cases, and what brings cases there."""
    title, words = EMPTY[state]
    command = COMMANDS.get(state, "").format(kb)
    code = f'<pre class="sf-command">{escape(command)}</pre>' if command else ""
    return cards.state("empty", title, f"<p>{escape(words)}</p>{code}")


def hidden_html(count: int) -> str:
    """Cases that this reviewer may not see."""
    if not count:
        return ""
    said = "1 more rests" if count == 1 else f"{count} more rest"
    return f'<p class="sf-quiet">{said} on documents of other groups.</p>'


def _event(event: Event) -> str:
    changed = f"{event.who}: {event.after}" if event.before != event.after else event.who
    return f"{changed} ({event.note})" if event.note else changed


def _history(turns: Sequence[Message]) -> str:
    if not turns:
        return ""
    rows = "".join(f'<p class="sf-{turn.role}">{escape(turn.content)}</p>' for turn in turns)
    count = f"{len(turns)} message{'' if len(turns) == 1 else 's'} before it"
    return f'<details class="sf-before"><summary>{count}</summary>{rows}</details>'
