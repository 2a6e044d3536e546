"""The row under an answer: a thumb up is counted, a thumb down or a flag goes to review."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from threading import Event

import streamlit as st

from evals.review.queue import Audit, ReviewQueue
from evals.review.types import Asked, ReviewError, Source
from rag.types import Answer, AnswerEvent
from ui.page.conversation import Turn
from ui.page.run import Produce

LOG = logging.getLogger("surefoot.chat")
Act = Callable[[Turn, ReviewQueue], None]
REASONS = ("Wrong", "Not in the source", "Should know this", "Shows personal data", "Harmful")
THANKS = "Noted. Thank you."
QUEUED = "Noted. A reviewer will look at it."


def row(turn: Turn, number: int, queue: ReviewQueue) -> None:
    """Thumbs and a flag; once one was used, what became of it."""
    if turn.answer is None or turn.past is not None:
        return
    if turn.noted:
        st.html(f'<p class="sf-note" role="status">{turn.noted}</p>', width="content")
        return
    _button("Good answer", "thumb_up", f"good-{number}", liked, turn, queue)
    _button("Bad answer", "thumb_down", f"bad-{number}", doubted, turn, queue)
    with st.popover("Flag for review", icon=":material/flag:", type="tertiary"):
        _flag(turn, number, queue)


def liked(turn: Turn, queue: ReviewQueue) -> None:
    try:
        queue.thumbs_up()
        turn.noted = THANKS
    except ReviewError as error:
        _not_noted(turn, error)


def doubted(turn: Turn, queue: ReviewQueue) -> None:
    _report(turn, queue, "thumbs-down", "")


def flagged(turn: Turn, number: int, queue: ReviewQueue) -> None:
    """Reasons and words, as they stand in the popover."""
    reasons = st.session_state.get(f"why-{number}") or []
    words = (st.session_state.get(f"words-{number}") or "").strip()
    _report(turn, queue, "flag", ": ".join(filter(None, (", ".join(reasons).lower(), words))))


def audited(produce: Produce, audit: Audit, made: Callable[[Answer], Asked]) -> Produce:
    """`produce`, whose answer is offered to sampled auditing once the reader has it."""

    def run(cancel: Event) -> Iterator[AnswerEvent]:
        for event in produce(cancel):
            yield event
            if isinstance(event, Answer):
                _offer(audit, made(event))

    return run


def _offer(audit: Audit, asked: Asked) -> None:
    try:
        audit.offer(asked)
    except ReviewError as error:
        # The reader has the answer; that it can't be sampled is for whoever keeps the base.
        LOG.error("an answer was not sampled: %s", error)


def _flag(turn: Turn, number: int, queue: ReviewQueue) -> None:
    st.pills("What is the matter?", REASONS, selection_mode="multi", key=f"why-{number}")
    st.text_input(
        "In your words", key=f"words-{number}", max_chars=1000, placeholder="More, if you like"
    )
    st.button("Send to review", key=f"send-{number}", on_click=flagged, args=(turn, number, queue))


def _button(label: str, icon: str, key: str, act: Act, turn: Turn, queue: ReviewQueue) -> None:
    st.button(
        label,
        icon=f":material/{icon}:",
        key=key,
        help=label,
        type="tertiary",
        on_click=act,
        args=(turn, queue),
    )


def _report(turn: Turn, queue: ReviewQueue, source: Source, reason: str) -> None:
    if turn.answer is None:
        return
    try:
        queue.report(turn.asked(turn.answer), source, reason)
        turn.noted = QUEUED
    except ReviewError as error:
        _not_noted(turn, error)


def _not_noted(turn: Turn, error: ReviewError) -> None:
    LOG.error("%s", error)
    turn.noted = "This could not be noted; the log says why."
