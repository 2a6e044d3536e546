"""The pages: the chat, and the review of its answers. They hold no logic of their own.

Started by `surefoot chat`, which sets SUREFOOT_CHAT_KB, _GROUPS and _MODEL. A rerun of the script
while an answer is being made does not stop it: only "Stop", a new question, a new conversation or a
closed page do.
"""

from __future__ import annotations

import logging
import os
import time
from functools import partial
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from evals.review.queue import Audit, ReviewQueue
from evals.review.types import Asked, ReviewError, beside
from ingest.errors import KnowledgeBaseError, SurefootError
from ingest.store import KnowledgeBase
from ingest.types import DocumentRecord
from rag.config import load as load_config
from rag.pipeline import Assistant
from rag.types import Answer
from ui.page import cards, feedback, review, shelf
from ui.page.conversation import Conversation, Turn
from ui.page.marks import escape_markdown
from ui.page.settings import Loader, Settings
from ui.page.words import NEXT, STOPPING

PARTS = Path(__file__).parent / "page"
CSS, ICON = PARTS / "page.css", PARTS / "icon.svg"
TICK_S = 0.25
LOG = logging.getLogger("surefoot.chat")


@st.cache_resource(show_spinner=False)
def open_base(kb: Path) -> KnowledgeBase:
    """The knowledge base for the sidebar, one a process."""
    return KnowledgeBase.open(kb)


@st.cache_resource(show_spinner=False)
def open_loader(kb: Path, model: str | None) -> Loader:
    """The assistant, one a process, on its way."""
    return Loader(lambda: Assistant.open(kb, model))


@st.cache_data(show_spinner=False, max_entries=4)
def documents(kb: Path, stamp: str, groups: frozenset[str]) -> tuple[DocumentRecord, ...]:
    """What the reader may see of one generation."""
    del stamp  # part of the cache's key only
    return shelf.visible(open_base(kb).documents(), groups)


def main() -> None:
    st.set_page_config(page_title="Surefoot", page_icon=ICON, layout="centered")
    st.html(CSS)
    settings = Settings.from_env(os.environ)
    if settings.kb is None:
        no_base("The page was started without one.", None)
        return
    kb = settings.kb
    queue = ReviewQueue(beside(kb))

    def talk() -> None:
        chat_page(settings, kb, queue, review_at)

    def judge() -> None:
        review.page(queue, kb, settings.groups, chat_at)

    chat_at = st.Page(talk, title="Surefoot", default=True)
    review_at = st.Page(judge, title="Review", url_path="review")
    st.navigation([chat_at, review_at], position="hidden").run()


def chat_page(settings: Settings, kb: Path, queue: ReviewQueue, review_at: StreamlitPage) -> None:
    try:
        seen = sidebar(settings, kb, queue, review_at)
    except KnowledgeBaseError as error:
        no_base(str(error), kb)
        return
    chat(settings, kb, seen, queue)


def page() -> None:
    """The border of the page: whatever goes wrong becomes one line, and the log has the rest."""
    try:
        main()
    except SurefootError as error:
        st.html(cards.trouble_html(str(error)))
    except Exception as error:
        LOG.exception("the page failed")
        problem = f"Unexpected {type(error).__name__}; the log has the details."
        st.html(cards.trouble_html(problem, "Reload the page to try again."))


def no_base(problem: str, kb: Path | None) -> None:
    st.html(cards.no_base_html(problem, kb))
    st.button("Try again")


def conversation() -> Conversation:
    if "conversation" not in st.session_state:
        st.session_state.conversation = Conversation()
    kept: Conversation = st.session_state.conversation
    return kept


def sidebar(
    settings: Settings, kb: Path, queue: ReviewQueue, review_at: StreamlitPage
) -> tuple[DocumentRecord, ...]:
    """The knowledge base at the side. Returns the documents that the reader may see."""
    info = open_base(kb).info()
    seen = documents(kb, f"{info.generation} {info.updated}", settings.groups)
    facts = shelf.Facts(
        name=kb.name,
        documents=len(seen),
        chunks=sum(item.chunks for item in seen),
        generation=info.generation,
        updated=str(info.updated),
        groups=tuple(sorted(settings.groups)),
        model=settings.model or load_config().engine.model,
    )
    with st.sidebar:
        st.html(shelf.facts_html(facts))
        st.button("New conversation", width="stretch", on_click=conversation().clear)
        review_button(queue, review_at)
        wanted = st.text_input("Documents", placeholder="Find a document", max_chars=200)
        st.html(shelf.list_html(shelf.matching(seen, wanted)))
    return seen


def review_button(queue: ReviewQueue, review_at: StreamlitPage) -> None:
    """The way to the other page, with how much waits there."""
    try:
        waiting = queue.waiting()
    except ReviewError as error:
        LOG.error("%s", error)  # the review page says it to the reader
        waiting = 0
    if st.button(f"Review · {waiting} open" if waiting else "Review", width="stretch"):
        st.switch_page(review_at)


def chat(
    settings: Settings, kb: Path, seen: tuple[DocumentRecord, ...], queue: ReviewQueue
) -> None:
    """The conversation, and the box to go on with it."""
    loader = open_loader(kb, settings.model)
    talk = conversation()
    # Both are always there, so that what they held is gone the moment an answer begins.
    trouble, hello = st.empty(), st.empty()
    asked = st.chat_input("Ask a question", max_chars=4000)
    if asked and asked.strip():
        ask(asked.strip(), loader, settings.groups, queue)
    if not talk.turns:
        with hello.container():
            welcome(kb, seen, loader, settings.groups, queue)
        if problem := loader.problem(wait_s=1.0):
            trouble.html(cards.trouble_html(problem))
    for number, turn in enumerate(talk.turns):
        draw(turn, number)
        feedback.row(turn, number, queue)


def ask(question: str, loader: Loader, groups: frozenset[str], queue: ReviewQueue) -> None:
    talk = conversation()
    history, earlier = talk.history(), talk.passages()
    produce = partial(loader.stream, question, history, groups)
    audit = Audit(queue, load_config().review.audit_every)

    def made(answer: Answer) -> Asked:
        return Asked(question, answer, tuple(history), earlier)

    talk.ask(question, feedback.audited(produce, audit, made))


def welcome(
    kb: Path,
    seen: tuple[DocumentRecord, ...],
    loader: Loader,
    groups: frozenset[str],
    queue: ReviewQueue,
) -> None:
    st.html(cards.welcome_html(kb.name, len(seen)))
    for number, question in enumerate(shelf.examples(seen)):
        st.button(
            escape_markdown(question),
            key=f"example-{number}",
            on_click=ask,
            args=(question, loader, groups, queue),
        )


def draw(turn: Turn, number: int) -> None:
    """A turn: the question, and its answer as far as there is one."""
    st.html(cards.question_html(turn.question))
    if turn.running:
        follow(turn, number)
    elif turn.answer is not None:
        st.html(cards.answer_html(turn.answer, f"sf-cites-{number}"))
    else:
        if turn.shown:
            st.html(cards.partial_html(turn.shown, f"sf-cites-{number}"))
        st.html(cards.trouble_html(turn.problem or "", "You can ask again."))


def follow(turn: Turn, number: int) -> None:
    """Show sentences as they come. Each tick draws, so that a rerun can come in between."""
    body, status = st.empty(), st.empty()
    if not turn.run.stopping:
        st.button("Stop", key=f"stop-{number}", on_click=turn.run.stop)
    if turn.shown:
        body.html(cards.partial_html(turn.shown, f"sf-cites-{number}"))
    while turn.running:
        words = STOPPING if turn.run.stopping else NEXT.get(turn.stage, turn.stage)
        status.html(cards.status_html(words, time.monotonic() - turn.began))
        if turn.advance(TICK_S) and turn.shown:
            body.html(cards.partial_html(turn.shown, f"sf-cites-{number}"))
    st.rerun()


page()
