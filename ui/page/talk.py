"""The chat: questions, answers as they are released, and what stands around them.

A rerun of the script while an answer is being made does not stop it: only "Stop", a new question,
another conversation or a closed page do.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from evals.review.queue import ReviewQueue
from evals.review.types import beside
from ingest.errors import KnowledgeBaseError
from ingest.store import KnowledgeBase
from ingest.types import DocumentRecord
from rag.config import load as load_config
from rag.pipeline import Assistant
from rag.restored import may_restore, restored_answer, restored_sentences
from rag.safety.policy import policy_of
from rag.safety.restore import Value, veiled
from rag.types import Answer
from ui.conversation_view import answer_markdown
from ui.page import cards, conversations, feedback, scripts, shelf, why
from ui.page.asking import Desk, ask, ask_again
from ui.page.context import Context
from ui.page.conversation import Conversation, Turn
from ui.page.marks import escape_markdown
from ui.page.settings import Loader
from ui.page.words import NEXT, STOPPING

TICK_S = 0.2
NEXT_TICK_S = 0.4


@st.cache_resource(show_spinner=False)
def open_base(kb: Path) -> KnowledgeBase:
    """The knowledge base, one a process."""
    return KnowledgeBase.open(kb)


@st.cache_resource(show_spinner=False)
def open_loader(kb: Path, model: str | None) -> Loader:
    """The assistant, one a process, on its way."""
    return Loader(lambda: Assistant.open(kb, model))


@st.cache_resource(show_spinner=False, max_entries=16)
def documents(kb: Path, stamp: str, groups: frozenset[str]) -> tuple[DocumentRecord, ...]:
    """What the reader may see of one generation."""
    del stamp  # part of the cache's key only
    return shelf.visible(open_base(kb).documents(), groups)


def page(context: Context) -> None:
    """The chat of one reader."""
    try:
        info = open_base(context.kb).info()
        stamp = f"{info.generation} {info.updated}"
        seen = documents(context.kb, stamp, context.reader.groups)
    except KnowledgeBaseError as error:
        st.html(cards.no_base_html(str(error), context.kb))
        st.button("Try again")
        return
    loader = open_loader(context.kb, context.settings.model)
    desk = Desk(context, seen, loader, ReviewQueue(beside(context.kb)))
    chat(desk)
    with st.sidebar.container(key="talk-side"):
        conversations.side(context)
        shelf_of(context.kb.name, seen)


@st.fragment
def shelf_of(name: str, seen: Sequence[DocumentRecord]) -> None:
    """The documents at the side. Typing in it draws nothing else."""
    with st.expander(f"{escape_markdown(name)} · {shelf.count(seen)}", key="talk-shelf"):
        wanted = st.text_input(
            "Find a document",
            key="talk-documents",
            type="search",
            live=True,
            max_chars=200,
            placeholder="Find a document",
            label_visibility="collapsed",
        )
        st.html(shelf.list_html(shelf.matching(seen, wanted or "")))


def chat(desk: Desk) -> None:
    """The conversation, and below it the box to go on with it."""
    talk = conversations.current(desk.context)
    above = st.container(key="talk")
    with st.container(key="talk-bar"):
        asked = st.chat_input("Ask a question", max_chars=4000, key="talk-box")
    if asked and asked.strip():
        ask(desk, asked.strip())
    with above:
        conversation(desk, talk)
    scripts.keys(len(talk.turns), f"{id(talk)}-{len(talk.turns)}")


def conversation(desk: Desk, talk: Conversation) -> None:
    """The turns of the open conversation, or what there is to ask."""
    conversations.head(desk.context)
    if not talk.turns:
        welcome(desk)
    value = seen_by(desk.groups, talk)
    for number, turn in enumerate(talk.turns):
        # A turn is a place of its own: what an answer draws never moves what stands above it.
        with st.container(key=f"talk-turn-{number}"):
            draw(desk, turn, number, value, last=turn is talk.turns[-1])
    conversations.foot(talk)


def welcome(desk: Desk) -> None:
    """The page before the first question."""
    st.html(cards.welcome_html(desk.context.kb.name, len(desk.seen)))
    if not desk.seen:
        return
    offer(desk, shelf.examples(desk.seen), "talk-example")
    if problem := desk.loader.problem(wait_s=0.0):
        st.html(cards.trouble_html(problem))


def offer(desk: Desk, questions: Sequence[str], key: str) -> None:
    """Questions as quiet buttons."""
    for number, question in enumerate(questions):
        st.button(
            escape_markdown(question),
            key=f"{key}-{number}",
            on_click=ask,
            args=(desk, question),
        )


def seen_by(groups: frozenset[str], talk: Conversation) -> Value:
    """What pseudonyms stand for, as far as a reader of these groups may see it."""
    policy = policy_of(load_config().guard)
    return talk.session.value if may_restore(policy, groups) else veiled


def draw(desk: Desk, turn: Turn, number: int, value: Value, last: bool) -> None:
    """A turn: the question, and its answer as far as there is one."""
    st.html(cards.question_html(turn.question))
    if turn.running:
        follow(turn, number, value)
        return
    turn = version(turn, number)
    if turn.answer is not None:
        answer = restored_answer(turn.answer, value)
        st.html(cards.answer_html(answer, f"sf-cites-{number}"))
        below(desk, turn, answer, number, last)
    else:
        if turn.shown:
            sentences = restored_sentences(turn.shown, value)
            st.html(cards.partial_html(sentences, f"sf-cites-{number}"))
        st.html(cards.trouble_html(turn.problem or "", "You can ask again."))
        again_button(desk, turn, number, last)


@st.fragment(run_every=TICK_S)
def follow(turn: Turn, number: int, value: Value) -> None:
    """Sentences as they come. Nothing else of the page is drawn again."""
    turn.advance(0.0)
    if not turn.running:
        st.rerun()
    if turn.shown:
        sentences = restored_sentences(turn.shown, value)
        st.html(cards.partial_html(sentences, f"sf-cites-{number}"))
    words = STOPPING if turn.stopping else NEXT.get(turn.stage, turn.stage)
    st.html(cards.status_html(words, time.monotonic() - turn.began))
    st.button(
        "Stop",
        icon=":material/stop_circle:",
        key=f"talk-stop-{number}",
        on_click=turn.stop,
        disabled=turn.stopping,
    )


def version(turn: Turn, number: int) -> Turn:
    """The version of an answer that the reader looks at: the last one, unless they choose."""
    if not turn.before:
        return turn
    all_of_them = (*turn.before, turn)
    labels = [f"Answer {n}" for n in range(1, len(all_of_them) + 1)]
    chosen = st.segmented_control(
        "Version",
        labels,
        default=labels[-1],
        key=f"talk-version-{number}-{len(labels)}",
        label_visibility="collapsed",
    )
    return all_of_them[labels.index(chosen)] if chosen else turn


def below(desk: Desk, turn: Turn, answer: Answer, number: int, last: bool) -> None:
    """What can be done with an answer, why it is so, and what to ask next."""
    source_pages(desk, answer, number)
    with st.container(key=f"feedback-{number}", horizontal=True, gap="xsmall"):
        if answer.status == "answered" and answer.sentences:
            scripts.copy_button(answer_markdown(answer), key=f"talk-copy-{number}")
        again_button(desk, turn, number, last)
        feedback.row(turn, number, desk.queue)
    if turn.past is None:
        why.panel(turn, number, desk.context)
    if last:
        go_on(desk, turn, number)


def source_pages(desk: Desk, answer: Answer, number: int) -> None:
    """The pages of PDFs that are cited, as buttons that show them."""
    from ui.page import pdf  # its readers would keep the first paint waiting

    wanted = pdf.pages(answer)
    if not wanted:
        return
    with st.container(key=f"talk-pages-{number}", horizontal=True, gap="small"):
        for place, sheet in enumerate(wanted):
            label, key = escape_markdown(sheet.name), f"talk-page-{number}-{place}"
            if st.button(label, icon=":material/picture_as_pdf:", key=key):
                pdf.show(sheet, desk.seen, desk.loader)


def again_button(desk: Desk, turn: Turn, number: int, last: bool) -> None:
    if last and turn.past is None:
        st.button(
            "Answer again",
            icon=":material/refresh:",
            key=f"talk-again-{number}",
            help="Answer again",
            type="tertiary",
            on_click=ask_again,
            args=(desk,),
        )


def others(desk: Desk) -> tuple[str, ...]:
    """Questions on the largest documents that were not asked in this conversation."""
    asked = {turn.question for turn in conversations.current(desk.context).turns}
    new = [question for question in shelf.by_title(desk.seen) if question not in asked]
    return tuple(new[: shelf.EXAMPLES])


def go_on(desk: Desk, turn: Turn, number: int) -> None:
    """What the documents have more to say on."""
    if not turn.after.known:
        _soon(turn)
        return
    answered = turn.answer is not None and turn.answer.status == "answered"
    questions = turn.after.questions or (() if answered else others(desk))
    if questions:
        title = "Ask next" if answered else "The documents do say something on"
        with st.container(key=f"talk-next-{number}", gap="small"):
            st.html(f'<div class="sf-kicker">{title}</div>')
            offer(desk, questions, f"talk-go-{number}")


@st.fragment(run_every=NEXT_TICK_S)
def _soon(turn: Turn) -> None:
    if turn.after.known:
        st.rerun()
