"""Without a knowledge base: from nothing to a cited answer, at the real page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest.build import ingest
from ingest.testing import HashEmbedder
from ui.users import Users

playwright = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser
BOX = "[data-testid=stChatInputTextArea]"
SCRIPT = Path(__file__).with_name("shared_fake_page.py")
LEAVE = b"# Leave\n\nAnnual leave is twenty five days a year.\n"
PASSWORD = "correct horse"


@pytest.fixture
def url(tmp_path: Path, serve_script: Any) -> Iterator[str]:
    env = {"SUREFOOT_CHAT_KB": "", "HOME": str(tmp_path)}
    with serve_script(SCRIPT, tmp_path / "log", **env) as url:
        yield url


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    yield context.new_page()
    context.close()


def choose(page: Any, url: str, *files: tuple[str, bytes]) -> None:
    page.goto(url)
    page.get_by_role("heading", name="Make a knowledge base").wait_for(timeout=60_000)
    sent = [{"name": name, "mimeType": "text/plain", "buffer": data} for name, data in files]
    page.locator("input[type=file]").set_input_files(sent)
    # The button is there from the first file on.
    rows = page.get_by_test_id("stFileChipName")
    playwright.expect(rows).to_have_count(len(files), timeout=30_000)
    page.wait_for_selector("[data-test-script-state=notRunning]")
    page.get_by_role("button", name="Add to the knowledge base").click(timeout=30_000)


def ask(page: Any, question: str) -> str:
    page.wait_for_selector(BOX, timeout=60_000)
    page.fill(BOX, question)
    page.keyboard.press("Enter")
    playwright.expect(page.locator(".sf-why")).to_have_count(1, timeout=60_000)
    return str(page.locator(".sf-answer").inner_text())


def test_from_nothing_to_a_cited_answer(page: Any, url: str, tmp_path: Path, axe: Any) -> None:
    choose(page, url, ("leave.md", LEAVE))
    assert "twenty five days" in ask(page, "How long is the leave?")
    page.locator(".sf-chip").first.click()
    playwright.expect(page.locator(".sf-card:popover-open mark")).to_contain_text("twenty five")
    axe(page)
    assert (tmp_path / "surefoot-kb" / "manifest.json").exists()


def test_a_bad_file_is_named_before_it_goes_on(page: Any, url: str, axe: Any) -> None:
    choose(page, url, ("leave.md", LEAVE), ("broken.pdf", b"%PDF-1.7\n"))
    go_on = page.get_by_role("button", name="Go on to the chat")
    go_on.wait_for(timeout=60_000)
    assert "broken.pdf" in page.locator(".stMain").inner_text()
    axe(page)
    go_on.click()
    assert "twenty five days" in ask(page, "How long is the leave?")


def test_the_sample_and_a_folder_of_ones_own(page: Any, url: str, tmp_path: Path, axe: Any) -> None:
    page.goto(url)
    folder = page.get_by_label("Keep the knowledge base in")
    folder.fill(str(tmp_path / "my kb"))
    folder.press("Enter")
    page.get_by_text("opens it the next time").wait_for(timeout=30_000)
    axe(page)
    page.get_by_role("button", name="Try it with the sample documents").click()
    page.wait_for_selector(BOX, timeout=120_000)
    assert "35 documents" in page.locator(".stMain").inner_text()
    assert (tmp_path / "my kb" / "manifest.json").exists()


def test_a_base_that_is_there_is_opened(page: Any, url: str, tmp_path: Path) -> None:
    """With its users: who opens it has to sign in."""
    (tmp_path / "leave.md").write_bytes(LEAVE)
    ingest([tmp_path / "leave.md"], tmp_path / "old", HashEmbedder())
    Users.beside(tmp_path / "old").add("ada", [], True, PASSWORD)
    page.goto(url)
    folder = page.get_by_label("Keep the knowledge base in")
    folder.fill(str(tmp_path / "old"))
    folder.press("Enter")
    page.get_by_role("button", name="Open it").click(timeout=30_000)
    page.get_by_role("heading", name="Sign in").wait_for(timeout=30_000)
    assert page.locator(BOX).count() == 0


def test_a_folder_of_other_things_is_refused(page: Any, url: str, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "novel.txt").write_text("It was a dark night.")
    page.goto(url)
    folder = page.get_by_label("Keep the knowledge base in")
    folder.fill(str(tmp_path / "other"))
    folder.press("Enter")
    page.get_by_text("opens it the next time").wait_for(timeout=30_000)
    page.get_by_role("button", name="Try it with the sample documents").click()
    page.locator(".sf-trouble").wait_for(timeout=60_000)
    assert sorted(path.name for path in (tmp_path / "other").iterdir()) == ["novel.txt"]
