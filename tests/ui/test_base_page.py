"""The knowledge base page in a real Chromium, over a real small base."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest.build import ingest
from ingest.manifest import read_manifest
from ingest.receipt import read_receipt
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder
from ingest.verify import verify
from ui.users import Users

playwright = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser
SCRIPT = Path(__file__).with_name("base_fake_page.py")
GOOD = "correct horse"
HOSTILE = "<img src=x onerror=owned=1>.md"
DOCUMENTS = {
    "open/leave.md": "# Leave\n\nAnnual leave is twenty five days a year.\n\n## Carrying over\n\n"
    "Five days may be carried over.\n",
    f"open/{HOSTILE}": "# Cranes\n\nA crane lifts nine tonnes.\n",
    "hr/pay.md": "# Pay\n\nThe pay of a harbour pilot is ninety crowns a day.\n",
    "board/sale.md": "# Sale\n\nThe sale of the Petrel brings nine million crowns.\n",
}
Page = Any
Open = Callable[..., Page]


def make(folder: Path) -> Path:
    """A base of four documents, two of which have readers of their own."""
    for name, text in DOCUMENTS.items():
        path = folder / "documents" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        groups = frozenset[str]() if name.startswith("open") else frozenset({path.parent.name})
        ingest([path], folder / "kb", HashEmbedder(), groups=groups)
    return folder / "kb"


@pytest.fixture(scope="module")
def kb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def url(kb: Path, serve_script: Any) -> Iterator[str]:
    env = {"SUREFOOT_CHAT_KB": str(kb), "SUREFOOT_CHAT_GROUPS": "hr"}
    with serve_script(SCRIPT, kb.parent / "log", **env) as found:
        yield found


@pytest.fixture
def visit(browser: Any) -> Iterator[Open]:
    contexts = []

    def opened(url: str, width: int = 1280, height: int = 860, scheme: str = "light") -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme
        )
        contexts.append(context)
        page = context.new_page()
        page.goto(f"{url}/base")
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def page(visit: Open, url: str) -> Page:
    found = visit(url)
    sees(found, "Find a document", by="label")
    return found


def sees(page: Page, words: str, by: str = "text", wait_s: float = 30) -> None:
    locator = page.get_by_label(words) if by == "label" else page.get_by_text(words)
    playwright.expect(locator.first).to_be_visible(timeout=wait_s * 1000)


def turn_to(page: Page, view: str) -> None:
    page.locator("[data-testid=stButtonGroup] button", has_text=view).click()


def titles(page: Page) -> list[str]:
    return list(page.locator(".sf-open").all_inner_texts())


def has_titles(page: Page, *wanted: str) -> None:
    playwright.expect(page.locator(".sf-open")).to_have_text(list(wanted), timeout=20_000)


def upload(page: Page, *files: tuple[str, bytes]) -> None:
    turn_to(page, "Add")
    sent = [{"name": name, "mimeType": "text/plain", "buffer": text} for name, text in files]
    page.locator("[data-testid=stFileUploaderDropzoneInput]").set_input_files(sent)
    button = page.get_by_role("button", name="Add to the knowledge base")
    playwright.expect(button).to_be_enabled(timeout=20_000)
    button.click()


def test_documents_are_listed_narrowed_and_sorted(page: Page) -> None:
    has_titles(page, "Cranes", "Leave", "Pay")
    sees(page, HOSTILE)
    sees(page, "1 more is for groups that you are not in.")
    assert "Sale" not in page.content()
    page.locator(".sf-table thead button", has_text="Document").click()
    has_titles(page, "Pay", "Leave", "Cranes")
    page.get_by_label("Find a document").fill("leave")
    has_titles(page, "Leave")
    page.get_by_label("Find a document").fill("no such thing")
    sees(page, "No document like that.")
    assert page.evaluate("window.owned") is None


def test_a_document_opens_by_keyboard_and_shows_its_passages(page: Page) -> None:
    page.locator(".sf-open", has_text="Leave").focus()
    page.keyboard.press("Enter")
    sees(page, "as it was read")
    row = page.locator(".sf-row", has_text="Carrying over").first
    row.locator("summary").click()
    playwright.expect(row.locator(".sf-passage")).to_contain_text("Five days may be carried over.")
    with page.expect_download() as download:
        page.get_by_role("button", name="Text as read").click()
    assert Path(download.value.path()).read_text() == DOCUMENTS["open/leave.md"]
    page.get_by_role("button", name="All documents").click()
    has_titles(page, "Cranes", "Leave", "Pay")


def test_a_search_shows_passages_with_scores_by_part(page: Page) -> None:
    turn_to(page, "Search")
    page.get_by_label("Question or words").fill("pay of a harbour pilot")
    page.keyboard.press("Enter")
    row = page.locator(".sf-row").first
    playwright.expect(row).to_contain_text("Pay", timeout=20_000)
    playwright.expect(row.locator(".sf-scores")).to_contain_text(re.compile(r"Meaning \d\.\d{3}"))
    assert "Petrel" not in page.content()
    page.get_by_label("Only where", exact=True).fill("nonsense")
    page.keyboard.press("Enter")
    sees(page, "is neither KEY=VALUE")


def test_the_health_is_checked_and_files_compared(page: Page, kb: Path) -> None:
    turn_to(page, "Health")
    page.get_by_role("button", name="Check now").click()
    sees(page, "All is well")
    page.get_by_role("button", name="Compare now").click()
    sees(page, "3 documents match.")
    sees(page, "exact")
    path = kb.parent / "documents" / "open" / HOSTILE
    path.write_text("# Cranes\n\nA crane lifts ten tonnes.\n")
    page.get_by_role("button", name="Compare now").click()
    sees(page, "Changed since: 1")
    page.get_by_role("button", name="Read the changed ones again").click()
    sees(page, "1 updated")
    page.get_by_role("button", name="Go back", exact=True).click()
    page.get_by_role("button", name=re.compile("Go back to [0-9]")).click()
    sees(page, "none is kept")
    texts = KnowledgeBase.open(kb).document_text(str(path))
    assert "nine tonnes" in texts
    path.write_text(DOCUMENTS[f"open/{HOSTILE}"])


def test_a_page_of_no_base_can_still_be_mended(
    visit: Open, serve_script: Any, tmp_path: Path
) -> None:
    kb = make(tmp_path)
    for file in kb.glob("vectors-*"):
        file.unlink()
    with serve_script(SCRIPT, tmp_path / "log", SUREFOOT_CHAT_KB=str(kb)) as url:
        page = visit(url)
        page.get_by_role("button", name="Check now").click(timeout=30_000)
        sees(page, "Something is wrong")
        page.get_by_role("button", name="Mend what can be mended").click()
        # Once it is mended the base opens.
        playwright.expect(page.get_by_placeholder("Find a document")).to_be_visible(timeout=60_000)
    assert verify(kb, read_manifest(kb)).ok


def test_files_are_added_and_a_bad_one_is_named(page: Page, kb: Path) -> None:
    upload(
        page,
        ("berths.md", b"# Berths\n\nBerth nine takes the Petrel.\n"),
        ("broken.pdf", b"%PDF-1.4 and nothing else"),
        ("empty.txt", b""),
        ("run.exe", b"MZ"),
    )
    sees(page, "Added, but not all")
    failed = page.locator(".sf-failures li")
    playwright.expect(failed).to_have_count(3)
    told = {line.split("\n")[0]: line.split("\n")[1] for line in failed.all_inner_texts()}
    assert set(told) == {"broken.pdf", "empty.txt", "run.exe"}
    assert all(told.values())
    sees(page, "1 added")
    page.get_by_role("button", name="Dismiss", exact=True).click()
    turn_to(page, "Documents")
    page.locator(".sf-open", has_text="Berths").click()
    sees(page, "Readers")
    record = next(r for r in KnowledgeBase.open(kb).documents() if r.title == "Berths")
    assert record.groups == {"hr"}


def test_a_document_is_forgotten_with_a_receipt(
    page: Page, kb: Path, axe: Callable[[Any], None]
) -> None:
    upload(page, ("secret.md", b"# Secret\n\nThe wreck lies at nine fathoms.\n"))
    sees(page, "1 added")
    turn_to(page, "Documents")
    page.locator(".sf-open", has_text="Secret").click()
    page.get_by_role("button", name="Forget").click()
    sees(page, "It goes for good")
    axe(page)
    page.get_by_role("button", name="Forget it for good").click()
    sees(page, "It is gone, and this receipt says so.")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download receipt").click()
    body = json.loads(Path(download.value.path()).read_text())
    assert body["removed"]["documents"] == 1
    (path,) = (kb / "receipts").glob(download.value.suggested_filename)
    assert read_receipt(path).signed
    assert "Secret" not in [item.title for item in KnowledgeBase.open(kb).documents()]
    assert not list((kb / "uploads").rglob("secret.md"))
    page.get_by_role("button", name="Dismiss", exact=True).first.click()
    assert "Secret" not in titles(page)


def test_a_stop_in_the_middle_leaves_the_base_answering(page: Page, kb: Path) -> None:
    before = {item.document for item in KnowledgeBase.open(kb).documents()}
    folder = kb.parent / "slow"
    folder.mkdir()
    for number in range(120):
        (folder / f"slow-{number}.md").write_text(f"# Slow {number}\n\nRead slowly, {number}.\n")
    turn_to(page, "Add")
    page.get_by_label("Or a folder or file on this machine").fill(str(folder))
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Add to the knowledge base").click()
    playwright.expect(page.locator(".sf-figures")).to_contain_text("of 120", timeout=20_000)
    turn_to(page, "Search")
    sees(page, "of 120")
    page.get_by_role("button", name="Stop").click()
    sees(page, "What the knowledge base held before still answers.")
    page.get_by_label("Question or words").fill("annual leave")
    page.keyboard.press("Enter")
    playwright.expect(page.locator(".sf-row").first).to_contain_text("Leave", timeout=20_000)
    assert {item.document for item in KnowledgeBase.open(kb).documents()} == before
    assert verify(kb, read_manifest(kb)).ok


def test_two_keepers_see_their_own(visit: Open, serve_script: Any, tmp_path: Path) -> None:
    kb = make(tmp_path)
    users = Users(tmp_path / "users.toml")
    users.add("ada", ["hr"], True, GOOD)
    users.add("eve", ["board"], True, GOOD)
    env = {"SUREFOOT_CHAT_KB": str(kb), "SUREFOOT_CHAT_USERS": str(tmp_path / "users.toml")}
    with serve_script(SCRIPT, tmp_path / "log", SUREFOOT_CHAT_SIGN_IN="users", **env) as url:
        for name, mine, hidden in (("ada", "Pay", "Petrel"), ("eve", "Sale", "ninety")):
            page = visit(url)
            page.get_by_label("Name").fill(name)
            page.get_by_label("Password", exact=True).fill(GOOD)
            page.get_by_role("button", name="Sign in").click()
            sees(page, "Find a document", by="label")
            has_titles(page, "Cranes", "Leave", mine)
            sees(page, "1 more is for groups that you are not in.")
            turn_to(page, "Add")
            sees(page, "Whole folders: surefoot ingest")
            assert page.get_by_label("Or a folder or file on this machine").count() == 0
            turn_to(page, "Search")
            page.get_by_label("Question or words").fill("nine million crowns harbour pilot")
            page.keyboard.press("Enter")
            playwright.expect(page.locator(".sf-row").first).to_be_visible(timeout=20_000)
            assert hidden not in page.content()


def test_a_phone_shows_it_all(visit: Open, url: str, axe: Callable[[Any], None]) -> None:
    phone = visit(url, 390, 844, "dark")
    sees(phone, "Find a document", by="label")
    playwright.expect(phone.locator(".sf-open").first).to_be_visible(timeout=20_000)
    for view in ("Documents", "Add", "Search", "Health"):
        turn_to(phone, view)
        phone.wait_for_timeout(600)
        assert phone.evaluate("document.querySelector('.stMain').scrollWidth") <= 390
        axe(phone)
    turn_to(phone, "Documents")
    phone.locator(".sf-open", has_text="Leave").click()
    sees(phone, "Passages")
    axe(phone)
