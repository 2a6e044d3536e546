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
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

import ui

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]

Serve = Callable[..., AbstractContextManager[str]]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    binaries = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    binary = next(filter(None, binaries), None)
    if binary is None:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=binary, args=FLAGS)
        yield chromium
        chromium.close()


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
