"""The page in a real Chromium: first over a made-up assistant, then over the real one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evals.sample import DEMO, DOCUMENTS

playwright = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser
BOX = "[data-testid=stChatInputTextArea]"
SMALL_LM = "qwen2.5-coder-0.5b"
Page = Any


class Visit:
    """A page with what it complained about and what it asked the network for."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.asked: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.goto(url)
        page.wait_for_selector(BOX, timeout=60_000)

    def ask(self, question: str, wait_s: float = 30) -> Page:
        """Ask, and wait for the end of the answer."""
        ends = self.page.locator(".sf-why, .sf-trouble")
        before = ends.count()
        self.page.fill(BOX, question)
        self.page.keyboard.press("Enter")
        playwright.expect(ends).to_have_count(before + 1, timeout=wait_s * 1000)
        return self.page

    def begin_anew(self) -> None:
        self.page.get_by_role("button", name="New conversation").click()
        playwright.expect(self.page.locator(".sf-question")).to_have_count(0)

    def check(self) -> None:
        """No complaint, and nothing was asked of another machine."""
        assert self.complaints == []
        assert [
            url for url in self.asked if not url.startswith(("http://127.0.0.1", "data:"))
        ] == []

    def _heard(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(message.text)


@pytest.fixture(scope="module")
def fake_url(tmp_path_factory: pytest.TempPathFactory, serve_script: Any) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("page")
    script = Path(__file__).with_name("chat_fake_page.py")
    with serve_script(script, folder / "log", SUREFOOT_CHAT_KB=str(folder / "kb")) as url:
        yield url


@pytest.fixture
def visit(browser: Any, fake_url: str) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    try:
        yield Visit(context.new_page(), fake_url)
    finally:
        context.close()


def test_a_citation_opens_on_its_characters(visit: Visit) -> None:
    page = visit.ask("leave how much can I carry over?")
    card = page.locator(".sf-card").first
    page.locator(".sf-chip").first.click()
    assert card.is_visible()
    quote = "Up to five days of unused leave may be carried over."
    assert card.locator("mark").inner_text() == quote
    page.locator(".sf-question").click()
    assert not card.is_visible(), "a click elsewhere closes it"
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
    assert page.locator(".stMain a, .stMain img, .stSidebar a").count() == 0
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
    playwright.expect(page.locator(".sf-answer")).to_contain_text("Sentence 2.", timeout=15_000)
    page.get_by_role("button", name="Stop").click()
    playwright.expect(page.locator(".sf-note")).to_have_text("You stopped the answer here.")
    assert "Sentence 2." in page.locator(".sf-answer").inner_text()
    playwright.expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    visit.check()


def test_searching_documents_does_not_stop_an_answer(visit: Visit) -> None:
    page = visit.page
    page.fill(BOX, "slow")
    page.keyboard.press("Enter")
    playwright.expect(page.locator(".sf-answer")).to_contain_text("Sentence 1.", timeout=15_000)
    page.get_by_placeholder("Find a document").fill("annual")
    page.keyboard.press("Enter")
    playwright.expect(page.locator(".sf-shelf li")).to_have_count(1)
    playwright.expect(page.locator(".sf-answer")).to_contain_text("Sentence 9.", timeout=15_000)
    page.fill(BOX, "leave instead")
    page.keyboard.press("Enter")
    playwright.expect(page.locator(".sf-why")).to_have_count(2, timeout=15_000)
    playwright.expect(page.locator(".sf-note").first).to_contain_text("You stopped")
    visit.begin_anew()


def test_sessions_do_not_mix(visit: Visit, browser: Any, fake_url: str) -> None:
    visit.ask("leave first")
    page = visit.ask("personal second")
    assert "fake-after-2-messages" in page.locator(".sf-why").last.inner_html()
    other = browser.new_context()
    try:
        second = Visit(other.new_page(), fake_url).page
        assert second.locator(".sf-question").count() == 0
        assert "Onboarding" not in second.locator(".stSidebar").inner_text(), "of another group"
    finally:
        other.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_page(browser: Any, fake_url: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 844})
    try:
        page = Visit(context.new_page(), fake_url).ask("evil")
        page.locator(".sf-why summary").click()
        page.locator(".sf-chip").first.click()
        assert page.evaluate("document.querySelector('.stMain').scrollWidth") <= width
        box = page.locator(".sf-card").first.bounding_box()
        assert 0 <= box["x"] <= width - box["width"]
    finally:
        context.close()


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
def test_the_demo_on_the_real_page(browser: Any, real_base: Path, real_url: str) -> None:
    from ingest.store import KnowledgeBase

    questions = {item["kind"]: item for item in json.loads(DEMO.read_text())["questions"]}
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    try:
        visit = Visit(context.new_page(), real_url)
        page = visit.page
        assert page.locator(".stMain [data-testid=stButton]").count() == len(questions)

        visit.ask(questions["answerable"]["question"], wait_s=180)
        citation = traced(page)["sentences"][0]["citations"][0]
        page.locator(".sf-chip").first.click()
        marked = page.locator(".sf-card:popover-open mark").text_content()
        assert marked == citation["quote"]
        text = KnowledgeBase.open(real_base).document_text(citation["document"])
        assert text[citation["start"] : citation["end"]] == citation["quote"]
        page.keyboard.press("Escape")
        visit.begin_anew()
        visit.ask(questions["unanswerable"]["question"], wait_s=180)
        playwright.expect(page.locator(".sf-unknown h4")).to_have_text("I don’t know")

        visit.begin_anew()
        visit.ask(questions["pii"]["question"], wait_s=180)
        for opened in page.locator("details").all():
            opened.evaluate("element => { element.open = true }")
        html = page.content() + page.locator("body").inner_text()
        assert not [secret for secret in questions["pii"]["forbidden"] if secret in html]
        visit.check()
    finally:
        context.close()


def traced(page: Page) -> dict[str, Any]:
    """The answer's record on disk, found as a reader finds it."""
    page.locator(".sf-why summary").last.click()
    path = page.locator(".sf-why dd", has_text="/traces/").last.inner_text()
    answer: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))["answer"]
    return answer
