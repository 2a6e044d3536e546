"""How long a reader waits for the chat's first page, beside the emptiest page of Streamlit.

Each round starts a server of its own and waits until it says that it is up. `seconds` is the first
page that it ever draws, `next_page_s` the middle one of those after it, which come while the chat
loads its model. A real Chromium draws each with nothing cached; the page is there when its heading
and the box to type in are.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from evals.bench.clients import Address, ready
from evals.bench.harness import Contest, Measure, Say, Side
from evals.bench.machine import installed
from evals.bench.serve import COMMAND, surefoot
from evals.sample import DOCUMENTS
from rag.errors import SurefootError

SIZE = 4
_PATIENCE_S = 60.0
_FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run")
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BARE = 'import streamlit as st\nst.html("<h1>Bare</h1>")\nst.chat_input("Ask")\n'
_HEADING, _BOX = ".stMain h1", "[data-testid=stChatInputTextArea]"


class NoBrowser(SurefootError):
    """There is nothing to draw pages with."""


def plan(size: int, workspace: Path, say: Say) -> list[Contest]:
    """`size` pages after the first of each server. Raises NoBrowser."""
    if find_spec("playwright") is None:
        raise NoBrowser("this bench needs playwright: pip install playwright")
    kb, bare = workspace / "kb", workspace / "bare.py"
    say("ingesting the sample documents")
    surefoot("ingest", str(DOCUMENTS), "--kb", str(kb))
    bare.write_text(BARE, encoding="utf-8")
    chat = [*COMMAND, "chat", "--kb", str(kb), "--no-browser", "--port"]
    plain = [sys.executable, "-m", "streamlit", "run", str(bare), "--server.headless", "true"]
    plain += ["--browser.gatherUsageStats", "false", "--server.fileWatcherType", "none"]
    plain += ["--server.address", "127.0.0.1", "--server.port"]
    sides = (
        Side("surefoot chat", installed("surefoot") or "source", partial(_round, chat, size)),
        Side("an empty page", installed("streamlit") or "none", partial(_round, plain, size)),
    )
    what = f"{len(list(DOCUMENTS.iterdir()))} sample documents, {size} more pages a server"
    return [Contest("the first page", what, sides, ("seconds", "next_page_s"))]


def _round(command: Sequence[str], size: int) -> Measure:
    with _served(command) as url, _browser() as chromium:
        first, *more = [paint(chromium, url) for _ in range(size + 1)]
    return Measure(first, {"next_page_s": median(more)})


def paint(browser: Any, url: str) -> float:
    """Seconds from going there to a heading and a box to type in; nothing is cached."""
    context = browser.new_context()
    page = context.new_page()
    began = time.perf_counter()
    page.goto(url, wait_until="commit")
    for part in (_HEADING, _BOX):
        page.wait_for_selector(part, timeout=1000 * _PATIENCE_S)
    took = time.perf_counter() - began
    context.close()
    return took


@contextmanager
def _browser() -> Iterator[Any]:
    """A Chromium of this machine, or Playwright's own. Raises NoBrowser."""
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as driver:
        binary = next(filter(None, map(shutil.which, _BROWSERS)), None)
        try:
            chromium = driver.chromium.launch(executable_path=binary, args=list(_FLAGS))
        except Error as error:
            raise NoBrowser("no Chromium is installed: playwright install chromium") from error
        yield chromium
        chromium.close()


@contextmanager
def _served(command: Sequence[str]) -> Iterator[str]:
    """A page server until the end; its address once it answers. Raises SurefootError."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [*command, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait(("127.0.0.1", port), server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def _wait(address: Address, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end and server.poll() is None:
        if ready(address, "/_stcore/health"):
            return
        time.sleep(0.05)
    raise SurefootError("the page's server did not start")
