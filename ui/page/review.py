"""The review page: one doubted answer at a time, its sources beside it. It holds no logic.

The reviewer's place (which case, which form is open) is the session's; all else is the queue's.
"""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import streamlit as st

from evals.review.case import case_of
from evals.review.queue import ReviewQueue
from evals.review.stand_ins import StandIns, open_pseudonymiser
from evals.review.types import LABELS, Item, ReviewError, State, beside
from ingest.errors import SurefootError
from ui.page import cards
from ui.page import review_cards as draw
from ui.page.context import Context, Reader

SHOWN = 500
STATES: tuple[State, ...] = get_args(State)
Act = Callable[[], Item]


@st.cache_resource(show_spinner=False)
def pseudonymiser() -> StandIns:
    """Finding names takes a model of its own; one a process."""
    return open_pseudonymiser()


def page(context: Context) -> None:
    """The page for a reviewer: cases of the reader's groups, and of none."""
    queue, kb, groups = ReviewQueue(beside(context.kb)), context.kb, context.reader.groups
    state = _sidebar(queue, context.reader)
    with st.container(key="review"):
        _trouble()
        everything = queue.items(state, SHOWN)
        items = [item for item in everything if item.visible_to(groups)]
        item = _chosen(queue, items, groups)
        if item is None:
            st.html(draw.empty_html(state, str(kb)))
        else:
            _case(queue, item, items, context)
        if hidden := draw.hidden_html(len(everything) - len(items)):
            st.html(hidden)


def _sidebar(queue: ReviewQueue, reader: Reader) -> State:
    counts = queue.counts()
    with st.sidebar:
        st.html('<div class="sf-side"><div class="sf-kicker">Review</div><h2>Answers</h2></div>')
        state: State = st.session_state.setdefault("review-state", "open")
        for name in STATES:
            st.button(
                f"{name.capitalize()} · {counts[name]}",
                key=f"review-state-{name}",
                type="secondary" if name == state else "tertiary",
                width="stretch",
                on_click=_show,
                args=(name,),
            )
        _reviewer(reader)
    return state


def _reviewer(reader: Reader) -> None:
    """Whose decisions these are: of who has signed in, else of the name that is typed."""
    if reader.name:
        st.session_state["review-name"] = reader.name
        return
    if "review-name" not in st.session_state:
        st.session_state["review-name"] = _me()
    st.text_input("Reviewer", key="review-name", max_chars=100)


def _me() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _show(state: State) -> None:
    st.session_state["review-state"] = state
    _go(None)


def _go(number: int | None) -> None:
    """Turn to a case; whatever form was open is closed."""
    st.session_state["review-item"] = number
    st.session_state["review-form"] = ""


def _chosen(queue: ReviewQueue, items: list[Item], groups: frozenset[str]) -> Item | None:
    """The case that is being looked at, even after it has left the list; else the first."""
    number = st.session_state.get("review-item")
    item = queue.find(number) if number is not None else None
    if item is not None and item.visible_to(groups):
        return item
    return items[0] if items else None


def _case(queue: ReviewQueue, item: Item, items: list[Item], context: Context) -> None:
    st.session_state["review-item"] = item.id
    _head(item, items)
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.html(draw.case_html(item) + draw.decided_html(item))
        _labels(queue, item)
        _actions(queue, item)
        form = FORMS.get(st.session_state.get("review-form", ""))
        if form is not None:
            form(queue, item, context)
    with right:
        st.html(draw.evidence_html(item) + draw.events_html(queue.events(item.id)))


def _head(item: Item, items: list[Item]) -> None:
    before, after = _neighbours(item, items)
    with st.container(horizontal=True, vertical_alignment="center", key="review-head"):
        st.html(draw.head_html(item))
        _turn("Back", "K", before)
        _turn("Next", "J", after)


def _turn(label: str, key: str, number: int | None) -> None:
    st.button(
        label,
        type="tertiary",
        shortcut=key,
        disabled=number is None,
        key=f"review-{label}",
        on_click=_go,
        args=(number,),
    )


def _neighbours(item: Item, items: list[Item]) -> tuple[int | None, int | None]:
    """Numbers of the cases before and after; a case that left the list stands at its end."""
    numbers = [other.id for other in items]
    if item.id not in numbers:
        return None, (numbers[0] if numbers else None)
    place = numbers.index(item.id)
    before = numbers[place - 1] if place else None
    return before, (numbers[place + 1] if place + 1 < len(numbers) else None)


def _labels(queue: ReviewQueue, item: Item) -> None:
    key = f"review-labels-{item.id}-{item.version}"

    def save() -> None:
        _try(lambda: queue.label(item, _typed("review-name"), st.session_state[key]))

    st.multiselect(
        "Labels",
        list(dict.fromkeys((*LABELS, *item.labels))),
        default=item.labels,
        key=key,
        on_change=save,
        accept_new_options=True,
        disabled=item.state == "promoted",
        placeholder="Labels: choose, or type your own",
        label_visibility="collapsed",
    )


def _actions(queue: ReviewQueue, item: Item) -> None:
    """What may follow, each with its key."""
    with st.container(horizontal=True, key="review-actions"):
        if item.may_follow("accepted"):
            _button(
                "Accept",
                "A",
                lambda: _try(lambda: queue.accept(item, _typed("review-name"))),
                "primary",
            )
            _button("Correct", "E", lambda: _open("correct"))
            _button("Dismiss", "D", lambda: _open("dismiss"))
        if item.may_follow("promoted"):
            _button("Promote", "P", lambda: _open("promote"), "primary")
        if item.may_follow("open"):
            _button("Reopen", "O", lambda: _try(lambda: queue.reopen(item, _typed("review-name"))))


def _button(label: str, key: str, act: Callable[[], None], kind: Any = "secondary") -> None:
    st.button(label, shortcut=key, type=kind, key=f"review-{label}", on_click=act)


def _open(form: str) -> None:
    st.session_state["review-form"] = form


def _try(act: Act) -> None:
    """Do it, or keep why not for the next drawing; then no form is open."""
    try:
        act()
        _open("")
    except SurefootError as error:
        st.session_state["review-trouble"] = str(error)


def _trouble() -> None:
    problem = st.session_state.pop("review-trouble", "")
    if problem:
        st.html(cards.trouble_html(problem))


def _typed(key: str) -> str:
    """What stands in a field now. A callback runs before the script has seen what was typed last,
    so that a value kept from the last drawing may be an old one."""
    return str(st.session_state.get(key) or "").strip()


def _correct(queue: ReviewQueue, item: Item, context: Context) -> None:
    """The right answer, one wording a line, or that there is none."""
    del context
    titles = item.documents
    shown = "" if item.answer.status != "answered" else " ".join(item.answer.text.split())
    none, words, relevant, note = (_key(item, name) for name in ("none", "words", "from", "note"))

    def save() -> Item:
        silent = bool(st.session_state.get(none))
        answers = [] if silent else [line for line in _typed(words).splitlines() if line.strip()]
        if not silent and not answers:
            raise ReviewError("write the right answer, or say that the documents don’t hold one")
        documents = [] if silent else st.session_state.get(relevant, ())
        return queue.correct(item, _typed("review-name"), answers, documents, _typed(note))

    with st.container(key="review-form"):
        abstained = item.answer.status == "abstained"
        if not st.checkbox("The documents don’t say", value=abstained, key=none):
            label = "Right answer, one wording a line"
            st.text_area(label, value=shown, height=120, key=words)
            label = "Documents that hold it"
            st.multiselect(label, list(titles), list(item.cited), titles.__getitem__, key=relevant)
        st.text_input("Note", placeholder="Optional", max_chars=1000, key=note)
        _finish("Save", save)


def _dismiss(queue: ReviewQueue, item: Item, context: Context) -> None:
    del context
    note = _key(item, "why")
    with st.container(key="review-form"):
        st.text_input("Why is there nothing to learn from it?", max_chars=1000, key=note)
        _finish("Dismiss it", lambda: queue.dismiss(item, _typed("review-name"), _typed(note)))


def _promote(queue: ReviewQueue, item: Item, context: Context) -> None:
    """The case as it will stand in the file: what is signed off is what is seen here."""
    to, usual = _key(item, "to"), str(context.kb.parent / "regression.jsonl")
    with st.container(key="review-form"):
        try:
            with st.spinner("Replacing personal data", show_time=True):
                case = case_of(item, pseudonymiser())
        except SurefootError as error:
            st.html(cards.trouble_html(str(error)))
            return
        st.caption(
            "Stand-ins have taken the place of personal data. If a name was missed, reopen the "
            "case and correct it."
        )
        st.code(json.dumps(case, ensure_ascii=False, indent=1), language="json", wrap_lines=True)
        # On a page that others reach, nobody names the server's files.
        if not context.settings.shared:
            st.text_input("Case file", value=usual, key=to)
        name = "review-name"
        _finish(
            "Sign off",
            lambda: queue.promote(item, _typed(name), case, Path(_typed(to) or usual)),
        )


def _key(item: Item, name: str) -> str:
    return f"review-{name}-{item.id}-{item.version}"


def _finish(label: str, act: Act) -> None:
    with st.container(horizontal=True):
        st.button(label, type="primary", shortcut="Ctrl+Enter", on_click=_try, args=(act,))
        st.button("Cancel", type="tertiary", shortcut="Esc", on_click=_open, args=("",))


FORMS = {"correct": _correct, "dismiss": _dismiss, "promote": _promote}
