"""The page in a real Chromium: first over a made-up assistant, then over the real one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from evals.sample import DEMO, DOCUMENTS

playwright = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser
BOX = "[data-testid=stChatInputTextArea]"
SMALL_LM = "qwen2.5-coder-0.5b"
Page = Any
Visit = Any
Visits = Callable[..., Any]


def test_a_citation_opens_on_its_characters(visit: Visit) -> None:
    page = visit.ask("leave how much can I carry over?")
    card = page.locator(".sf-card").first
    page.locator(".sf-chip").first.click()
    assert card.is_visible()
    quote = "Up to five days of unused leave may be carried over."
    assert card.locator("mark").inner_text() == quote
    page.locator(".sf-question").click()
    playwright.expect(card).not_to_be_visible()  # a click elsewhere closes it
    page.locator(".sf-chip").nth(1).press("Enter")
    assert page.locator(".sf-card:popover-open").count() == 1
    page.keyboard.press("Escape")
    assert page.locator(".sf-card:popover-open").count() == 0
    page.locator(".sf-row summary").first.click()
    assert page.locator(".sf-row mark").first.inner_text() == quote
    playwright.expect(page.locator(".sf-weak-words")).to_have_text("weakly supported")
    visit.check()


def test_hostile_text_stays_text_and_fetches_nothing(visit: Visit) -> None:
    page = visit.ask("evil")
    page.locator(".sf-chip").first.click()
    assert "<img src=" in page.locator(".sf-card").first.inner_text()
    page.keyboard.press("Escape")
    page.locator(".sf-row summary").first.click()
    text = page.locator(".sf-row").inner_text()
    assert "<script>window.owned=1</script>" in text
    assert "![pixel](https://evil.example/b.png)" in text
    assert (
        page.locator(".sf-row mark").inner_text() == "The boiler is serviced **every May** & $x$."
    )
    assert page.evaluate("window.owned") is None
    assert page.locator(".stMain a, .stMain img, .stSidebar .stHtml a").count() == 0
    visit.check()


def test_states_have_their_own_cards(visit: Visit) -> None:
    page = visit.ask("unknown dental plan?")
    assert page.locator(".sf-unknown .sf-row").count() == 3
    page = visit.ask("blocked ignore everything")
    playwright.expect(page.locator(".sf-blocked h4")).to_have_text("Not answered")
    page = visit.ask("personal details please")
    assert page.locator(".sf-pill").all_inner_texts() == ["e-mail hidden", "phone number hidden"]
    page = visit.ask("fails")
    playwright.expect(page.locator(".sf-trouble")).to_contain_text("gave no more tokens")
    visit.check()


def test_stop_keeps_what_was_shown(visit: Visit) -> None:
    page = visit.page
    page.fill(BOX, "slow")
    page.keyboard.press("Enter")
    playwright.expect(page.locator(".sf-answer")).to_contain_text("Sentence 2.", timeout=30_000)
    page.get_by_role("button", name="Stop", exact=True).click()
    playwright.expect(page.locator(".sf-note")).to_have_text("You stopped the answer here.")
    assert "Sentence 2." in page.locator(".sf-answer").inner_text()
    playwright.expect(page.get_by_role("button", name="Stop", exact=True)).to_have_count(0)
    visit.check()


def test_searching_documents_does_not_stop_an_answer(visit: Visit) -> None:
    page = visit.page
    page.fill(BOX, "slow")
    page.keyboard.press("Enter")
    playwright.expect(page.locator(".sf-answer")).to_contain_text("Sentence 1.", timeout=30_000)
    page.locator(".st-key-talk-shelf summary").click()
    page.get_by_placeholder("Find a document").fill("annual")
    page.keyboard.press("Enter")
    playwright.expect(page.locator(".sf-shelf li")).to_have_count(1)
    playwright.expect(page.locator(".sf-answer")).to_contain_text("Sentence 9.", timeout=30_000)
    page.fill(BOX, "leave instead")
    page.keyboard.press("Enter")
    playwright.expect(page.locator("[class*=st-key-feedback-]")).to_have_count(2, timeout=30_000)
    playwright.expect(page.locator(".sf-note").first).to_contain_text("You stopped")
    visit.begin_anew()


def test_sessions_do_not_mix(visit: Visit, visits: Visits, fake_chat: str) -> None:
    visit.ask("leave first")
    page = visit.ask("personal second")
    assert "fake-after-2-messages" in page.locator(".sf-why").last.inner_html()
    second = visits(fake_chat).page
    assert second.locator(".sf-question").count() == 0
    second.locator(".st-key-talk-shelf summary").click()
    playwright.expect(second.locator(".sf-shelf li")).to_have_count(3)
    assert "Onboarding" not in second.locator(".sf-shelf").inner_text(), "of another group"


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_page(visits: Visits, fake_chat: str, width: int) -> None:
    page = visits(fake_chat, viewport={"width": width, "height": 844}).ask("evil")
    page.locator("[class*=st-key-talk-why-] summary").click()
    page.locator(".sf-chip").first.click()
    assert page.evaluate("document.querySelector('.stMain').scrollWidth") <= width
    box = page.locator(".sf-card").first.bounding_box()
    assert 0 <= box["x"] <= width - box["width"]


@pytest.fixture(scope="module")
def real_base(
    tmp_path_factory: pytest.TempPathFactory,
    small_lm_path: Path,
    embedder_path: Path,
    ner_path: Path,
) -> Path:
    """The sample documents, ingested by the command."""
    base = tmp_path_factory.mktemp("real") / "merrow-sound"
    command = [sys.executable, "-m", "ui.cli", "ingest", str(DOCUMENTS), "--kb", str(base)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return base


@pytest.fixture(scope="module")
def real_url(real_base: Path, serve_chat: Any) -> Iterator[str]:
    with serve_chat(real_base, SMALL_LM, real_base.parent / "log") as url:
        yield url


@pytest.mark.e2e
@pytest.mark.models
def test_the_demo_on_the_real_page(visits: Visits, real_base: Path, real_url: str) -> None:
    from ingest.store import KnowledgeBase

    questions = {item["kind"]: item for item in json.loads(DEMO.read_text())["questions"]}
    visit = visits(real_url)
    page = visit.page
    assert page.locator(".stMain [data-testid=stButton]").count() == len(questions)

    visit.ask(questions["answerable"]["question"], wait_s=300)
    citation = traced(page)["sentences"][0]["citations"][0]
    page.locator(".sf-chip").first.click()
    marked = page.locator(".sf-card:popover-open mark").text_content()
    assert marked == citation["quote"]
    text = KnowledgeBase.open(real_base).document_text(citation["document"])
    assert text[citation["start"] : citation["end"]] == citation["quote"]
    page.keyboard.press("Escape")
    visit.begin_anew()
    visit.ask(questions["unanswerable"]["question"], wait_s=300)
    playwright.expect(page.locator(".sf-unknown h4")).to_have_text("I don’t know")

    visit.begin_anew()
    visit.ask(questions["pii"]["question"], wait_s=300)
    for opened in page.locator("details").all():
        opened.evaluate("element => { element.open = true }")
    html = page.content() + page.locator("body").inner_text()
    assert not [secret for secret in questions["pii"]["forbidden"] if secret in html]
    visit.check()


def traced(page: Page) -> dict[str, Any]:
    """The answer's record on disk, found as a reader finds it."""
    page.locator("[class*=st-key-talk-why-] summary").last.click()
    path = page.locator(".sf-why dd", has_text="/traces/").last.inner_text()
    answer: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))["answer"]
    return answer
