"""What the chat offers beside its answers, in a real Chromium over a made-up assistant."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

playwright = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser
BOX = "[data-testid=stChatInputTextArea]"
MARKED, COVERED = (255, 233, 163), (107, 103, 95)
Page = Any
Visit = Any
Visits = Callable[..., Any]
expect = playwright.expect
expect.set_options(timeout=15_000)


def test_a_pointer_opens_a_source_after_a_moment(visit: Visit) -> None:
    page = visit.ask("leave how much can I carry over?")
    card = page.locator(".sf-card").first
    assert not card.is_visible()
    page.locator(".sf-chip").first.hover()
    expect(card).to_be_visible()
    card.hover()
    expect(card.locator("mark")).to_have_text(re.compile("^Up to five days"))
    assert "Carrying over" in card.inner_text()
    assert "p. 3" in card.inner_text()
    page.keyboard.press("Escape")
    expect(card).not_to_be_visible()
    page.mouse.move(5, 5)
    page.locator(".sf-chip").first.hover()
    page.mouse.move(5, 5)
    expect(card).not_to_be_visible()
    visit.check()


def test_a_page_of_a_pdf_is_drawn_with_its_words_marked(visit: Visit) -> None:
    page = visit.ask("pdf who may stop a job?")
    page.get_by_role("button", name="Page 1 · Code of Conduct").click()
    dialog = page.get_by_role("dialog")
    picture = dialog.locator("img")
    expect(picture).to_be_visible(timeout=30_000)
    expect(dialog).to_contain_text("The quoted words are marked.")
    body = page.request.get(picture.get_attribute("src")).body()
    counted = Image.open(io.BytesIO(body)).getcolors(1 << 24) or []
    colours: dict[Any, int] = {colour: count for count, colour in counted}
    assert colours[MARKED] > 1000
    assert colours[COVERED] > 500, "what the guard hides"
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="Page 3 · Annual leave policy").click()
    expect(dialog).to_contain_text("The original file is no longer at /kb/policies")
    visit.check()


def test_an_answer_is_copied_with_its_sources(visits: Visits, fake_chat: str) -> None:
    visit = visits(fake_chat, permissions=["clipboard-read", "clipboard-write"])
    page = visit.ask("leave to copy")
    page.get_by_role("button", name="Copy with sources").click()
    expect(page.get_by_text("Copied")).to_have_count(1)
    text = page.evaluate("navigator.clipboard.readText()")
    assert text.startswith("You may carry over up to \\*\\*five days\\*\\* of unused leave. [1]")
    assert "\n1. Annual leave policy, p. 3" in text
    assert "“Up to five days of unused leave may be carried over.”" in text
    visit.check()


def test_an_answer_made_again_keeps_the_one_before(visit: Visit) -> None:
    page = visit.ask("leave once more")
    page.get_by_role("button", name="Answer again").click()
    expect(page.get_by_role("radio", name="Answer 2")).to_be_checked()
    page.get_by_role("radio", name="Answer 1").click()
    expect(page.get_by_role("radio", name="Answer 1")).to_be_checked()
    assert page.locator(".sf-answer").count() == 1
    visit.begin_anew()
    page.locator(".st-key-talk-list button", has_text="leave once more").click()
    expect(page.locator(".sf-question")).to_have_count(1)
    expect(page.get_by_role("radio")).to_have_count(0)  # the last version alone is kept
    visit.check()


def test_what_could_be_asked_next_is_a_button(visit: Visit) -> None:
    page = visit.ask("leave and what else?")
    offered = page.locator("[class*=st-key-talk-go-] button")
    expect(offered).to_have_count(2)
    offered.filter(has_text="Onboarding guide").click()
    expect(page.locator(".sf-question")).to_have_count(2)
    expect(page.locator(".sf-question").last).to_contain_text("What does “Onboarding guide” say")
    visit.check()


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("unknown dental plan?", "Ask for one thing at a time"),
        ("blocked", "ask about the documents"),
    ],
)
def test_what_is_not_answered_leads_on(visit: Visit, question: str, said: str) -> None:
    page = visit.ask(question)
    expect(page.locator(".sf-state")).to_contain_text(said)
    expect(page.locator("[class*=st-key-talk-next-]")).to_contain_text(
        "The documents do say something on"
    )
    expect(page.locator("[class*=st-key-talk-go-] button")).to_have_count(3)
    visit.check()


def test_why_this_answer(visit: Visit) -> None:
    page = visit.ask("leave tell me why")
    visit.press(page.locator("[class*=st-key-talk-why-] summary"))
    panel = page.locator("[class*=st-key-talk-why-]")
    expect(panel).to_contain_text("searching the documents")
    assert panel.locator(".sf-bar").count() == 3
    row = panel.locator("tbody tr").first.inner_text().split()
    assert row[-4:] == ["1.00", "0.70", "3.0", "–"]
    assert "2 in the passages, hidden" in panel.inner_text()
    assert "6 sentences of passage 3 <b>" in panel.inner_text()
    assert panel.locator(".sf-heat").count() == 0, "only when it is asked for"
    visit.press(panel.get_by_text("Show how sure the model was"))
    expect(panel.locator(".sf-heat .sf-token").first).to_be_visible()
    expect(panel).to_contain_text("surefoot replay 20260101T000000-00000000 --kb")
    visit.press(panel.get_by_role("button", name="Replay now"))
    expect(panel.locator(".sf-note")).to_contain_text("20260101T000000-00000000", timeout=30_000)
    visit.check()


def test_a_conversation_is_found_renamed_and_opened_again(visit: Visit) -> None:
    page = visit.ask("leave of the quarry")
    menu(page)
    page.get_by_label("Name", exact=True).fill("  Zebra   days ")
    page.get_by_role("button", name="Rename").click()
    expect(page.locator(".sf-title")).to_have_text("Zebra days")
    rows = page.locator(".st-key-talk-list button")
    expect(rows.filter(has_text="Zebra days")).to_have_count(1)
    page.reload()
    page.wait_for_selector(BOX)
    assert page.locator(".sf-question").count() == 0
    search(page, "days QUARRY")
    expect(rows).to_have_count(1)
    rows.click()
    expect(page.locator(".sf-question")).to_have_text("leave of the quarry")
    page.locator(".sf-chip").first.click()
    card = page.locator(".sf-card:popover-open")
    assert card.locator("mark").inner_text().startswith("Up to five days")
    assert "Annual leave policy" in card.inner_text()
    page.keyboard.press("Escape")
    page = visit.ask("personal and then?")
    assert "fake-after-2-messages" in page.locator(".sf-why").last.inner_html(), "it goes on"
    search(page, "no such words")
    expect(page.locator(".stSidebar")).to_contain_text("None holds these words.")
    visit.check()


def test_a_conversation_is_exported_and_deleted(visit: Visit) -> None:
    page = visit.ask("leave of the lighthouse")
    menu(page)
    kept = json.loads(download(page, "JSON"))
    assert [turn["question"] for turn in kept["turns"]] == ["leave of the lighthouse"]
    assert download(page, "Markdown").startswith("# leave of the lighthouse\n")
    delete = page.get_by_role("button", name="Delete", exact=True)
    expect(delete).to_be_disabled()
    page.get_by_text("Delete it for good").click()
    delete.click()
    expect(page.locator(".sf-welcome")).to_be_visible()
    search(page, "lighthouse")
    expect(page.locator(".st-key-talk-list button")).to_have_count(0)
    visit.check()


def test_the_box_has_the_keyboard(visit: Visit) -> None:
    page = visit.page
    expect(page.locator(BOX)).to_be_focused()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")
    expect(page.locator(BOX)).to_be_focused()
    page.keyboard.type("leave a / b")
    expect(page.locator(BOX)).to_have_value("leave a / b")
    page.keyboard.press("Enter")
    expect(page.locator(".sf-question")).to_have_text("leave a / b")
    visit.check()


def test_a_new_question_stands_at_the_top(visit: Visit) -> None:
    visit.ask("leave first")
    page = visit.ask("leave second")
    for question in ("unknown third", "slow fourth"):
        visit.say(question)
        last = page.locator(".sf-question", has_text=question)
        expect(last).to_be_in_viewport()
        page.wait_for_timeout(2500)
        assert 0 <= last.bounding_box()["y"] < 120
    page.get_by_role("button", name="Stop", exact=True).click()
    visit.check()


def test_searching_at_the_side_leaves_the_answer_alone(visit: Visit) -> None:
    visit.ask("leave elsewhere")
    visit.begin_anew()
    page = visit.ask("leave to be found")
    visit.say("slow to follow")
    expect(page.locator(".sf-answer").last).to_contain_text("Sentence 1.")
    page.locator(".sf-question").first.evaluate("element => { element.marked = true }")
    search(page, "found")
    expect(page.locator(".st-key-talk-list button")).to_have_count(1)
    expect(page.locator(".sf-answer").last).to_contain_text("Sentence 9.", timeout=30_000)
    assert page.locator(".sf-question").first.evaluate("element => element.marked")
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator(".sf-note").last).to_have_text("You stopped the answer here.")
    visit.check()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_stands_in_the_way_of_a_reader(
    visits: Visits, fake_chat: str, axe: Callable[[Page], None], width: int, scheme: str
) -> None:
    size = {"width": width, "height": 844}
    visit = visits(fake_chat, viewport=size, color_scheme=scheme, reduced_motion="reduce")
    axe(visit.page)
    visit.ask("leave carried over")
    page = visit.ask("unknown dental plan?")
    expect(page.locator("[class*=st-key-talk-go-] button")).to_have_count(3)
    visit.press(page.locator("[class*=st-key-talk-why-] summary").first)
    visit.press(page.get_by_text("Show how sure").first)
    expect(page.locator(".sf-heat")).to_be_visible()
    axe(page)
    menu(page)
    axe(page)
    assert page.evaluate("document.querySelector('.stMain').scrollWidth") <= width


def menu(page: Page) -> None:
    page.locator(".st-key-talk-menu button").click()
    expect(page.get_by_label("Name", exact=True)).to_be_visible()


def search(page: Page, words: str) -> None:
    page.get_by_placeholder("Search conversations").fill(words)


def download(page: Page, label: str) -> str:
    with page.expect_download() as begun:
        page.get_by_role("button", name=label).click()
    return Path(begun.value.path()).read_text(encoding="utf-8")
