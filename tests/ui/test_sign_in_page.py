"""Signing in at the real page, and what each reader sees there."""

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
GOOD = "correct horse"
SCRIPT = Path(__file__).with_name("shared_fake_page.py")
DOCUMENTS = {
    "open/leave.md": "# Leave\n\nAnnual leave is twenty five days a year.\n",
    "hr/pay.md": "# Pay\n\nThe pay of a harbour pilot is ninety crowns a day.\n",
    "board/sale.md": "# Sale\n\nThe pay of the sale of the Petrel is nine million crowns.\n",
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shared")
    for name, text in DOCUMENTS.items():
        path = folder / "documents" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
        groups = frozenset[str]() if name.startswith("open") else frozenset({path.parent.name})
        ingest([path], folder / "kb", HashEmbedder(), groups=groups)
    users = Users(folder / "users.toml")
    users.add("ada", ["hr"], True, GOOD)
    users.add("bob", ["board"], False, GOOD)
    users.add("cyd", [], False, GOOD)
    return folder / "kb"


@pytest.fixture(scope="module")
def url(base: Path, serve_script: Any) -> Iterator[str]:
    env = {"SUREFOOT_CHAT_KB": str(base), "SUREFOOT_CHAT_SIGN_IN": "users"}
    users = base.with_name("users.toml")
    with serve_script(SCRIPT, base.with_name("log"), **env, SUREFOOT_CHAT_USERS=str(users)) as url:
        yield url


@pytest.fixture
def visit(browser: Any, url: str) -> Iterator[Any]:
    """visit(path="") opens the page in a browser's profile of its own."""
    opened: list[Any] = []

    def visit(path: str = "", **how: Any) -> Any:
        opened.append(browser.new_context(**{"viewport": {"width": 1280, "height": 860}, **how}))
        page = opened[-1].new_page()
        page.goto(url + path)
        page.wait_for_selector("h1", timeout=60_000)
        return page

    yield visit
    for context in opened:
        context.close()


def sign_in(page: Any, name: str, password: str = GOOD) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()


def ask(page: Any, question: str) -> str:
    page.wait_for_selector(BOX, timeout=60_000)
    page.fill(BOX, question)
    page.keyboard.press("Enter")
    playwright.expect(page.locator(".sf-why")).to_have_count(1, timeout=60_000)
    return str(page.locator(".sf-answer").inner_text())


def seen(page: Any) -> str:
    """All that the browser was given, drawn or not."""
    return str(page.content() + page.locator("body").inner_text())


def test_each_reader_sees_what_is_theirs(visit: Any) -> None:
    question = "What is the pay?"
    ada, bob, cyd = visit(), visit(), visit()
    for page, name in ((ada, "ada"), (bob, "bob"), (cyd, "cyd")):
        sign_in(page, name)
    assert "ninety crowns" in ask(ada, question)
    assert "nine million" in ask(bob, question)
    ask(cyd, question)
    for page, secrets in (
        (ada, ["nine million", "sale.md"]),
        (bob, ["ninety", "pay.md"]),
        (cyd, ["nine million", "sale.md", "ninety", "pay.md"]),
    ):
        for closed in page.locator("details").all():
            closed.evaluate("element => { element.open = true }")
        assert [secret for secret in secrets if secret in seen(page)] == []
    links = ada.get_by_test_id("stSidebarNavLink")
    playwright.expect(links.first).to_have_text("Chat")
    assert links.count() > 1, "a keeper has more pages"
    assert bob.get_by_test_id("stSidebarNavLink").count() == 0
    assert "ada" in ada.locator(".sf-who").inner_text()


def test_pages_of_keepers_are_for_keepers(visit: Any) -> None:
    bob = visit("/review")
    sign_in(bob, "bob")
    bob.wait_for_selector(BOX, timeout=60_000)
    assert bob.locator(".st-key-review").count() == 0
    ada = visit("/review")
    sign_in(ada, "ada")
    playwright.expect(ada.locator(".st-key-review")).to_be_visible(timeout=60_000)


def test_the_sign_in_tells_nothing(visit: Any, axe: Any) -> None:
    page = visit()
    axe(page)
    said = []
    for name in ("ada", "nobody"):
        sign_in(page, name, "wrong horse")
        page.wait_for_selector(".sf-refused")
        said.append(page.locator(".sf-refused").inner_text())
        playwright.expect(page.get_by_label("Password", exact=True)).to_have_value("")
    assert said[0] == said[1]
    for _ in range(6):
        sign_in(page, "nobody", "wrong horse")
        page.wait_for_selector("[data-test-script-state=notRunning]")
    playwright.expect(page.locator(".sf-refused")).to_contain_text("Too many attempts")
    axe(page)
    assert "leave" not in seen(page), "no word of the documents before a sign-in"


def test_a_session_ends_with_its_user(visit: Any, base: Path) -> None:
    users = Users(base.with_name("users.toml"))
    users.add("dan", ["hr"], False, GOOD)
    page = visit()
    sign_in(page, "dan")
    ask(page, "What is the pay?")
    users.remove("dan")
    page.fill(BOX, "And the leave?")
    page.keyboard.press("Enter")
    playwright.expect(page.locator(".sf-refused")).to_contain_text("signed out", timeout=15_000)
    playwright.expect(page.locator(".sf-answer")).to_have_count(0)
    assert "ninety" not in seen(page)


def test_signing_out_leaves_nothing(visit: Any) -> None:
    page = visit()
    sign_in(page, "ada")
    ask(page, "What is the pay?")
    page.get_by_role("button", name="Sign out").click()
    playwright.expect(page.get_by_role("heading", name="Sign in")).to_be_visible(timeout=15_000)
    playwright.expect(page.locator(".sf-answer")).to_have_count(0)
    assert "ninety" not in seen(page)
    sign_in(page, "cyd")
    page.wait_for_selector(BOX, timeout=60_000)
    assert "ninety" not in seen(page)
    assert page.locator(".sf-question").count() == 0
