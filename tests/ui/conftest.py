"""A real Chromium, and page servers for it, for the tests of every page."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

import ui
from ui import cli

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]

Serve = Callable[..., AbstractContextManager[str]]
BOX = "[data-testid=stChatInputTextArea]"
GRAVE = ("serious", "critical")
# What fades in has no contrast yet. What pulses for ever, or is halted, is waited for two seconds.
SETTLED = """() => Promise.race([
  Promise.allSettled(document.getAnimations().map((one) => one.finished)),
  new Promise((done) => setTimeout(done, 2000)),
])"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        chromium = launch(driver)
        if chromium is None:
            pytest.skip("no Chromium is installed: playwright install chromium")
        yield chromium
        chromium.close()


def launch(driver: Any) -> Any:
    """The system's Chromium, else playwright's own; None if neither is installed."""
    binaries = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    binary = next(filter(None, binaries), driver.chromium.executable_path)
    if not Path(binary).exists():
        return None
    return driver.chromium.launch(executable_path=binary, args=FLAGS)


@pytest.fixture(scope="session")
def axe() -> Callable[[Any], None]:
    """axe(page) fails if axe-core has a serious or critical finding on the page as it stands."""
    sync = pytest.importorskip("axe_playwright_python.sync_playwright")
    checker = sync.Axe()

    def check(page: Any) -> None:
        page.evaluate(SETTLED)
        found = checker.run(page, options={"resultTypes": ["violations"]}).response["violations"]
        grave = [rule for rule in found if rule["impact"] in GRAVE]
        assert not grave, "\n".join(map(complaint, grave))

    return check


# No script has run for longer than the page waits between two looks at what can be asked next:
# what comes now moves nothing away from under a click.
AT_REST = """() => new Promise((resolve) => {
  const app = document.querySelector('.stApp');
  let since = performance.now();
  const look = setInterval(() => {
    if (app.dataset.testScriptState !== 'notRunning') since = performance.now();
    if (performance.now() - since < 800) return;
    clearInterval(look);
    resolve();
  }, 20);
})"""


class Visit:
    """A page of the chat with what it complained about and what it asked the network for."""

    def __init__(self, page: Any, url: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.asked: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.goto(url)
        page.wait_for_selector(BOX, timeout=60_000)

    def ask(self, question: str, wait_s: float = 30) -> Any:
        """Ask, and wait for the end of the answer."""
        ends = self.page.locator("[class*=st-key-feedback-], .sf-trouble")
        before = ends.count()
        self.say(question)
        ends.nth(before).wait_for(timeout=wait_s * 1000)
        self.page.evaluate(AT_REST)
        return self.page

    def press(self, part: Any) -> None:
        """Click once nothing moves, and wait until all that follows from it has come to rest."""
        self.page.evaluate(SETTLED)
        part.click()
        self.page.evaluate(SETTLED)
        self.page.evaluate(AT_REST)

    def say(self, question: str) -> None:
        """Ask, and wait for nothing."""
        self.page.fill(BOX, question)
        self.page.keyboard.press("Enter")

    def begin_anew(self) -> None:
        self.page.get_by_role("button", name="New conversation", exact=True).click()
        self.page.locator(".sf-welcome").wait_for()
        self.page.evaluate(AT_REST)

    def check(self) -> None:
        """No complaint, and nothing was asked of another machine."""
        here = ("http://127.0.0.1", "data:", "blob:")
        assert self.complaints == []
        assert [url for url in self.asked if not url.startswith(here)] == []

    def _heard(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(message.text)


@pytest.fixture(scope="session")
def fake_chat(tmp_path_factory: pytest.TempPathFactory, serve_script: Serve) -> Iterator[str]:
    """The address of the chat over a made-up assistant."""
    folder = tmp_path_factory.mktemp("chat")
    kb = folder / "kb"
    kb.mkdir()
    script = Path(__file__).with_name("chat_fake_page.py")
    with serve_script(script, folder / "log", SUREFOOT_CHAT_KB=str(kb)) as url:
        yield url


@pytest.fixture
def visits(browser: Any) -> Iterator[Callable[..., Visit]]:
    """visits(url, option=value...): a reader of their own in the chat."""
    with ExitStack() as opened:

        def visit(url: str, **options: Any) -> Visit:
            context = browser.new_context(**{"viewport": {"width": 1280, "height": 860}, **options})
            opened.callback(context.close)
            return Visit(context.new_page(), url)

        yield visit


@pytest.fixture
def visit(visits: Callable[..., Visit], fake_chat: str) -> Visit:
    return visits(fake_chat)


def complaint(rule: dict[str, Any]) -> str:
    """A finding of axe-core: the rule, and the first places that break it."""
    places = [f"  {node['html'][:200]}: {node['failureSummary']}" for node in rule["nodes"][:3]]
    return "\n".join([f"{rule['id']} ({rule['impact']}): {rule['help']}", *places])


@pytest.fixture(scope="session")
def serve_script() -> Serve:
    """serve_script(script, log, NAME=value...): a Streamlit script's address while it is needed."""

    def serve(script: Path, log: Path, **env: str) -> AbstractContextManager[str]:
        port = free_port()
        words = ["streamlit", "run", str(script)]
        words += ["--server.port", str(port), "--server.address", "127.0.0.1"]
        words += ["--server.headless", "true", "--server.fileWatcherType", "none"]
        return served(words, port, log, env)

    return serve


@pytest.fixture(scope="session")
def serve_chat() -> Serve:
    """serve_chat(kb, model, log): the address of `surefoot chat` while it is needed."""

    def serve(kb: Path, model: str, log: Path) -> AbstractContextManager[str]:
        port = free_port()
        words = ["ui.cli", "chat", "--kb", str(kb)]
        words += ["--model", model, "--port", str(port), "--no-browser"]
        return served(words, port, log, {})

    return serve


@contextmanager
def served(words: list[str], port: int, log: Path, env: dict[str, str]) -> Iterator[str]:
    """A page server, `python -m words`, until the end; its address once it answers."""
    url = f"http://127.0.0.1:{port}"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=Path(ui.__file__).parent,
            env={**os.environ, **env},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(f"{url}/_stcore/health", server, log)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=20)


def wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert server.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"no page within a minute: {log.read_text()}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def surefoot(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Callable[..., tuple[int, str, str]]:
    """surefoot(word...): the command's exit code and what it printed, in this process."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["surefoot", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        found = capsys.readouterr()
        return int(end.value.code or 0), found.out, found.err

    return run
