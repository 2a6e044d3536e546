"""What tests share: paths of the real models, and a lock on the network for unit tests."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from rag.errors import SurefootError
from rag.models import resolve

SMALL_LM = "qwen2.5-coder-0.5b"


def _model(name: str) -> Path:
    try:
        return resolve(name)
    except SurefootError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def embedder_path() -> Path:
    return _model("all-minilm-l6-v2")


@pytest.fixture(scope="session")
def ner_path() -> Path:
    return _model("en-core-web-sm")


@pytest.fixture(scope="session")
def small_lm_path() -> Path:
    return _model(SMALL_LM)


@pytest.fixture(scope="session")
def within() -> Callable[[float, Callable[[], object]], None]:
    """within(seconds, call): call() takes less of the CPU, at the best of three tries.

    One try may meet a collection of the whole suite's garbage, or a machine that does other work.
    """

    def check(limit_s: float, call: Callable[[], object]) -> None:
        times = []
        while len(times) < 3 and min(times, default=limit_s) >= limit_s:
            began = time.process_time()
            call()
            times.append(time.process_time() - began)
        assert min(times) < limit_s

    return check


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test leaves this machine: connections to anything but loopback fail at once."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else ""
        if self.family != socket.AF_UNIX and host not in {"127.0.0.1", "::1", "localhost"}:
            raise OSError(f"a test tried to reach {address}")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)
    return


def pytest_configure() -> None:
    # Started in the background by a shell, we ignore Ctrl-C, and so would what the tests start.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # A busy machine makes any example slow once; how long a test may take, pytest-timeout says.
    settings.register_profile("surefoot", deadline=None)
    settings.load_profile("surefoot")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ["HF_HUB_OFFLINE"] = "1"
