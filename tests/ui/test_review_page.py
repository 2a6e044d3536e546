"""The review page: pieces as HTML, the row under an answer, and all of it in a real Chromium."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.review.queue import Audit, ReviewQueue
from evals.review.types import STATES, Asked, Item, beside
from evals.review.types import Event as Change
from rag.types import (
    Answer,
    AnswerEvent,
    Citation,
    Message,
    ModelRef,
    Passage,
    Sentence,
    Shown,
    TokenUse,
)
from ui.page import feedback
from ui.page import review_cards as draw
from ui.page.conversation import Conversation
from ui.testing import Tags

HELD = Passage(
    1, 0.9, 0.7, 3.0, "d", "/kb/l.md", "Leave", ("Leave",), 3, 0, 23, "Five days. Use them so."
)
CITED = (
    Citation("d", HELD.path, 3, 0, 10, "Five days."),
    Citation("d", HELD.path, 3, 11, 23, "Use them so."),
)
ANSWER = Answer(
    status="answered",
    text="Five days.",
    sentences=(Sentence("Five days.", 0.9, CITED),),
    passages=(HELD,),
    findings=(),
    tokens=TokenUse(10, 3, 100),
    timings_ms={"total": 12.5},
    model=ModelRef("tiny", "ab" * 32),
    trace="",
)
ITEM = Item(
    7, "u", "2026-11-20T09:30:00+00:00", "flag", "odd", "How many?", (), ANSWER, (), "open", 1, "",
    "", (), None, (), "", "",
)  # fmt: skip
HOSTILE = st.lists(
    st.sampled_from(["<script>x()</script>", "<img src=x>", '"', "'", "</div>", "&lt;", "\n", "a"])
    | st.text(max_size=6),
    max_size=8,
).map("".join)


ATTRIBUTES = {
    "class", "role", "title", "aria-label", "id", "type", "popover", "popovertarget",
    "open", "style", "tabindex",
}  # fmt: skip


@given(HOSTILE, HOSTILE, st.sampled_from(STATES), st.sampled_from(["answered", "abstained"]))
def test_nothing_in_an_item_can_inject(text: str, other: str, state: Any, status: Any) -> None:
    item = replace(
        ITEM, reason=text, question=other, state=state, reviewer=text, note=other, promoted_to=text,
        answers=(text, other), relevant=(other,), reviewed_at=text, created=other,
        history=(Message("user", text), Message("assistant", other)),
        answer=replace(ANSWER, status=status, text=text, sentences=(Sentence(other, 0.2, CITED),)),
    )  # fmt: skip
    html = draw.case_html(item) + draw.head_html(item) + draw.decided_html(item)
    html += draw.evidence_html(item) + draw.empty_html(state, text)
    html += draw.events_html([Change(text, other, text, other, text)])
    tags = Tags(html)
    assert tags.attributes <= ATTRIBUTES
    assert tags.seen <= {
        "div", "span", "b", "details", "summary", "blockquote", "mark", "section", "p", "h4",
        "button", "dl", "dt", "dd", "strong", "code", "pre", "table", "thead", "tbody", "tr", "th",
        "td",
    }  # fmt: skip


def test_one_passage_is_open_once() -> None:
    assert draw.evidence_html(ITEM).count('<details class="sf-row" open>') == 1
    nothing = replace(ANSWER, passages=(), sentences=())
    assert "No passage was found." in draw.evidence_html(replace(ITEM, answer=nothing))


def test_what_was_decided_is_said() -> None:
    assert draw.decided_html(ITEM) == ""
    done = replace(ITEM, state="corrected", reviewer="ada", answers=(), note="n")
    assert "The documents don’t say." in draw.decided_html(done)
    assert "Leave" in draw.decided_html(replace(done, answers=("x",), relevant=("d",)))
    assert [draw.hidden_html(n) for n in (0, 1)] == [
        "", '<p class="sf-quiet">1 more rests on documents of other groups.</p>'
    ]  # fmt: skip


def says(answer: Answer) -> Any:
    def produce(cancel: Event) -> Iterator[AnswerEvent]:
        yield answer

    return produce


def talked(*answers: Answer) -> Conversation:
    talk = Conversation()
    for number, answer in enumerate(answers):
        talk.ask(f"question {number}", says(answer))
        while talk.turns[-1].running:
            talk.turns[-1].advance(0.05)
        talk.turns[-1].heard += map(Shown, answer.sentences)
    return talk


def test_a_reviewer_gets_what_came_before(tmp_path: Path) -> None:
    queue = ReviewQueue(tmp_path / "review.db")
    board = replace(HELD, document="minutes", groups=frozenset({"board"}))
    turn = talked(replace(ANSWER, passages=(board,)), ANSWER).turns[1]
    feedback.doubted(turn, queue)
    item = queue.get(1)
    assert turn.noted == feedback.QUEUED
    assert (item.source, item.question, item.answer) == ("thumbs-down", "question 1", ANSWER)
    assert [m.content for m in item.history] == ["question 0", "Five days."]
    assert not item.visible_to(frozenset())


def test_a_thumb_up_is_only_counted(tmp_path: Path) -> None:
    queue = ReviewQueue(tmp_path / "review.db")
    feedback.liked(talked(ANSWER).turns[0], queue)
    assert (queue.stats().thumbs_up, queue.items()) == (1, ())


def test_what_cannot_be_noted_is_said(tmp_path: Path) -> None:
    turn = talked(ANSWER).turns[0]
    feedback.doubted(turn, ReviewQueue(tmp_path / "gone" / "review.db"))
    assert "could not be noted" in turn.noted


def test_sampling_comes_after_the_answer_and_never_costs_it(tmp_path: Path) -> None:
    queue = ReviewQueue(tmp_path / "review.db")
    for where in (queue, ReviewQueue(tmp_path / "gone" / "review.db")):
        made = feedback.audited(says(ANSWER), Audit(where, 1), lambda a: Asked("q", a))
        assert list(made(Event())) == [ANSWER]
    assert [item.source for item in queue.items()] == ["audit"]


playwright = pytest.importorskip("playwright.sync_api")
browser_test = pytest.mark.browser
BOX = "[data-testid=stChatInputTextArea]"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "kb"


@pytest.fixture
def url(base: Path, serve_script: Any) -> Iterator[str]:
    script = Path(__file__).with_name("review_fake_page.py")
    env = {"SUREFOOT_CHAT_KB": str(base), "SUREFOOT_REVIEW_AUDIT_EVERY": "3"}
    with serve_script(script, base.with_name("log"), **env) as url:
        yield url


@pytest.fixture
def page(browser: Any, url: str) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto(url)
    opened.wait_for_selector(BOX, timeout=60_000)
    try:
        yield opened
        assert complaints == []
    finally:
        context.close()


def ask(page: Any, question: str) -> None:
    ends = page.locator(".sf-why")
    before = ends.count()
    page.fill(BOX, question)
    page.keyboard.press("Enter")
    playwright.expect(ends).to_have_count(before + 1, timeout=30_000)


def press(page: Any, name: str) -> None:
    page.get_by_role("button", name=name).last.click()


def visit(page: Any, place: str) -> None:
    page.locator("[data-testid=stSidebarNavLink]").filter(has_text=place).click()


def sees(page: Any, words: str) -> None:
    """Visible, and the page is drawn to its end: a key that comes before it would be lost."""
    playwright.expect(page.get_by_text(words).first).to_be_visible(timeout=15_000)
    settled(page)


def settled(page: Any) -> None:
    page.wait_for_selector("[data-test-script-state=notRunning]", timeout=15_000)


@browser_test
def test_from_a_thumb_to_a_case(page: Any, base: Path) -> None:
    visit(page, "Review")
    sees(page, "Nothing waits for review")
    visit(page, "Chat")
    ask(page, "leave what may Fiona Maclure carry over?")
    press(page, "Bad answer")
    sees(page, feedback.QUEUED)
    ask(page, "unknown dental plan?")
    press(page, "Flag for review")
    page.get_by_text("Should know this").click()
    page.get_by_label("In your words").fill("see the booklet")
    press(page, "Send to review")
    playwright.expect(page.get_by_text(feedback.QUEUED)).to_have_count(2)
    ask(page, "personal data, sampled")
    press(page, "Good answer")
    sees(page, feedback.THANKS)

    visit(page, "Review")
    sees(page, "Case 1")
    page.keyboard.press("j")
    sees(page, "should know this: see the booklet")
    page.keyboard.press("k")
    sees(page, "Case 1")
    page.keyboard.press("e")
    field = page.get_by_label("Right answer, one wording a line")
    field.fill("Five, says Fiona Maclure")
    field.type(" jkade")  # letters in a field are letters
    press(page, "Save")  # with the field never left: what is saved is what stands there
    decided = page.locator(".sf-decided")
    playwright.expect(decided).to_contain_text("Five, says Fiona Maclure jkade")
    settled(page)
    page.keyboard.press("p")
    sees(page, "Sign off")
    playwright.expect(page.locator("[data-testid=stCode]")).to_contain_text("Robin Marsh")
    press(page, "Sign off")
    sees(page, "Promoted · 1")
    row = json.loads((base.parent / "regression.jsonl").read_text())
    assert row["query"] == "leave what may Robin Marsh carry over?"
    assert row["answers"] == ["Five, says Robin Marsh jkade"]

    page.keyboard.press("j")
    sees(page, "Case 2")
    page.keyboard.press("a")
    sees(page, "accepted by")
    states = [item.state for item in ReviewQueue(beside(base)).items()]
    assert states == ["promoted", "accepted", "open"], "complaints first, then the sample"
    assert ReviewQueue(beside(base)).stats().thumbs_up == 1


@browser_test
def test_a_second_reviewer_is_told_and_goes_on(page: Any, base: Path, browser: Any) -> None:
    ask(page, "leave how much?")
    press(page, "Bad answer")
    sees(page, feedback.QUEUED)
    visit(page, "Review")
    sees(page, "Case 1")
    queue = ReviewQueue(beside(base))
    queue.dismiss(queue.get(1), "bob", "seen before")
    page.keyboard.press("a")
    sees(page, "it is dismissed now by bob")
    sees(page, "seen before")
    page.keyboard.press("o")
    playwright.expect(page.locator(".st-key-review-Accept")).to_be_visible()
    settled(page)
    page.keyboard.press("d")
    press(page, "Dismiss it")
    sees(page, "a dismissal needs a note")
    page.keyboard.press("Escape")
    playwright.expect(page.get_by_text("Dismiss it")).to_have_count(0)
    page.get_by_role("combobox").last.fill("needs a lawyer")
    page.keyboard.press("Enter")
    sees(page, "needs-a-lawyer")
    assert queue.get(1).labels == ("needs-a-lawyer",)


@browser_test
def test_a_phone_shows_it_all(page: Any, browser: Any, url: str, axe: Any) -> None:
    ask(page, "evil")
    press(page, "Bad answer")
    sees(page, feedback.QUEUED)
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark")
    try:
        phone = context.new_page()
        phone.goto(f"{url}/review")
        sees(phone, "Case 1")
        assert phone.evaluate("document.querySelector('.stMain').scrollWidth") <= 390
        assert phone.evaluate("window.owned") is None
        axe(phone)
        phone.keyboard.press("e")
        sees(phone, "Right answer, one wording a line")
        axe(phone)
    finally:
        context.close()
