"""Pictures of every page: `make screenshots`, or `python tests/ui/screenshots.py DIR [NAME]...`.

Light and dark, at desktop and phone width, over the sample documents and a made-up past. NAMEs
choose among the states; a picture is DIR/NAME-WIDTH-SCHEME.png.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from conftest import SETTLED, free_port, launch, served
from pictured_page import DENTAL, LEAVE, LINE, ORDER
from playwright.sync_api import sync_playwright
from test_evaluations_page import made
from test_operations_page import lived

from evals.sample import DOCUMENTS
from ingest.build import ingest
from ingest.testing import HashEmbedder
from ui.users import Users

SCRIPT = Path(__file__).with_name("pictured_page.py")
SIZES = ({"width": 1280, "height": 860}, {"width": 390, "height": 844})
SCHEMES = ("light", "dark")
WAIT_MS = 60_000
BOX = "[data-testid=stChatInputTextArea]"
DONE = "[data-test-script-state=notRunning]"
Page = Any
Act = Callable[[Page], None]


@dataclass(frozen=True, slots=True)
class State:
    """A page in a state: at which server, its address, and what is done to it."""

    name: str
    server: str
    path: str
    act: Act


def sees(selector: str) -> Act:
    return lambda page: page.wait_for_selector(selector, timeout=WAIT_MS)


def asked(question: str) -> Act:
    def act(page: Page) -> None:
        page.wait_for_selector(BOX, timeout=WAIT_MS)
        page.fill(BOX, question)
        page.keyboard.press("Enter")
        page.wait_for_selector(".sf-answer, .sf-state", timeout=WAIT_MS)
        page.wait_for_selector("[class*=st-key-feedback-]", timeout=WAIT_MS)

    return act


def cited(page: Page) -> None:
    asked(LEAVE)(page)
    page.wait_for_selector(DONE, timeout=WAIT_MS)
    page.locator(".sf-chip").first.click()
    page.wait_for_selector(".sf-card:popover-open", timeout=WAIT_MS)


def explained(page: Page) -> None:
    asked(LEAVE)(page)
    page.get_by_text("Why this answer").click()
    page.wait_for_selector("text=Passages found", timeout=WAIT_MS)


def latest_run(page: Page) -> None:
    sees("[class*=evaluations-row-]")(page)
    page.locator("[class*=evaluations-open-] button").first.click()
    page.wait_for_url("**run=**", timeout=WAIT_MS)
    page.get_by_role("tab", name="Compare").wait_for(timeout=WAIT_MS)


def compared(page: Page) -> None:
    latest_run(page)
    page.get_by_role("tab", name="Compare").click()
    page.get_by_label("Compare with").first.wait_for(timeout=WAIT_MS)


def one_document(page: Page) -> None:
    page.get_by_role("button", name="Annual Leave Policy").click(timeout=WAIT_MS)
    page.wait_for_selector(".st-key-base-one", timeout=WAIT_MS)


STATES = (
    State("first", "new", "", sees("h1")),
    State("sign-in", "users", "", sees("h1")),
    State("chat-empty", "open", "", sees("h1")),
    State("chat-answer", "open", "", asked(LEAVE)),
    State("chat-citation", "open", "", cited),
    State("chat-why", "open", "", explained),
    State("chat-redacted", "open", "", asked(LINE)),
    State("chat-unknown", "open", "", asked(DENTAL)),
    State("chat-blocked", "open", "", asked(ORDER)),
    State("base", "open", "/base", sees("h1")),
    State("document", "open", "/base", one_document),
    State("evaluations", "open", "/evaluations", sees("[class*=evaluations-row-]")),
    State("evaluation", "open", "/evaluations", latest_run),
    State("compare", "open", "/evaluations", compared),
    State("review", "open", "/review", sees(".st-key-review-head")),
    State("operations", "open", "/operations", sees(".st-key-operations h2")),
)


def furnish(folder: Path) -> Path:
    """The sample documents as a base that was lived with: answers, runs, a release, users."""
    documents = folder / "documents"
    shutil.copytree(DOCUMENTS, documents)
    kb = folder / "merrow-sound"
    for part in sorted(path for path in documents.iterdir() if path.is_dir()):
        groups = frozenset({"people"}) if part.name == "people" else frozenset[str]()
        ingest([part], kb, HashEmbedder(), groups=groups)
    lived(kb)
    for name, missed in (("pii-before", 0.3), ("pii-now", 0.1)):
        made(kb, name, missed)
    Users(folder / "users.toml").add("ada", ["people"], True, "correct horse")
    return kb


@contextmanager
def servers(folder: Path, kb: Path, wanted: Sequence[State]) -> Iterator[dict[str, str]]:
    """The addresses of those that are needed, by name."""
    here = {"SUREFOOT_CHAT_KB": str(kb), "SUREFOOT_CHAT_GROUPS": "people"}
    environments = {
        "open": here,
        "new": {"SUREFOOT_CHAT_KB": "", "HOME": str(folder)},
        "users": here | {"SUREFOOT_CHAT_USERS": str(folder / "users.toml")},
    }
    environments["users"] |= {"SUREFOOT_CHAT_SIGN_IN": "users", "SUREFOOT_CHAT_GROUPS": ""}
    with ExitStack() as stack:
        urls = {}
        for name in dict.fromkeys(state.server for state in wanted):
            port = free_port()
            words = ["streamlit", "run", str(SCRIPT), "--server.port", str(port)]
            words += ["--server.address", "127.0.0.1", "--server.headless", "true"]
            words += ["--server.fileWatcherType", "none", "--client.toolbarMode", "minimal"]
            one = served(words, port, folder / f"{name}.log", environments[name])
            urls[name] = stack.enter_context(one)
        yield urls


def flag(page: Page, url: str) -> None:
    """An answer that waits for a reviewer."""
    page.goto(url)
    asked(LEAVE)(page)
    page.get_by_role("button", name="Bad answer").first.click()
    page.wait_for_selector("[data-testid=stSidebarNavLink]:has-text('· 1')", timeout=WAIT_MS)


def visits(
    chromium: Any, urls: dict[str, str], wanted: Sequence[State], size: Any, scheme: str
) -> Iterator[tuple[State, Page]]:
    """Each state, settled, and its page."""
    context = chromium.new_context(viewport=size, color_scheme=scheme)
    page = context.new_page()
    for state in wanted:
        page.goto(urls[state.server] + state.path)
        state.act(page)
        page.wait_for_selector(DONE, timeout=WAIT_MS)
        page.evaluate(SETTLED)
        yield state, page
    context.close()


@contextmanager
def opened(folder: Path, chromium: Any, wanted: Sequence[State]) -> Iterator[dict[str, str]]:
    """The addresses of a furnished world below `folder`."""
    with servers(folder, furnish(folder), wanted) as urls:
        if "open" in urls:
            page = chromium.new_page()
            flag(page, urls["open"])
            page.close()
        yield urls


def main(out: Path, names: Sequence[str]) -> None:
    wanted = [state for state in STATES if not names or state.name in names]
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        chromium = launch(driver)
        if chromium is None:
            sys.exit("no Chromium is installed: playwright install chromium")
        with opened(Path(folder), chromium, wanted) as urls:
            for scheme, size in product(SCHEMES, SIZES):
                for state, page in visits(chromium, urls, wanted, size, scheme):
                    page.wait_for_timeout(400)
                    page.screenshot(path=out / f"{state.name}-{size['width']}-{scheme}.png")
        chromium.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
