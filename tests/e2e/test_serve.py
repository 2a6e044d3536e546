"""`surefoot serve` as a process with a real model: asked over HTTP, and ended in good order."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

pytestmark = pytest.mark.e2e
SUREFOOT = Path(sys.executable).with_name("surefoot")
# A busy machine may take its time; what is tested is the order, not the speed.
PATIENT = {"SUREFOOT_SERVE_DRAIN_S": "240", "SUREFOOT_SERVE_TIMEOUT_S": "300"}
QUESTION = "How many days of annual leave do staff get?"


@dataclass
class Process:
    """A server process; `said` grows as it writes to standard error."""

    popen: subprocess.Popen[str]
    said: list[str]

    @property
    def url(self) -> str:
        found = re.search(r"http://\S+?:\d+", wait_for(lambda: "".join(self.said)))
        assert found is not None, self.said
        return found.group()

    def stop(self) -> int:
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(timeout=300)


def wait_for(value: Any, seconds: float = 120.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := value()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return found


def start(kb: Path, *options: str) -> Process:
    words = [str(SUREFOOT), "serve", "--kb", str(kb), "--port", "0", *options]
    environment = {**os.environ, "SUREFOOT_ENGINE_MODEL": "qwen2.5-coder-0.5b", **PATIENT}
    popen = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment)
    said: list[str] = []
    assert popen.stderr is not None
    threading.Thread(target=lambda: said.extend(popen.stderr or ()), daemon=True).start()
    return Process(popen, said)


def ready(url: str) -> bool:
    return httpx.get(f"{url}/readyz", timeout=5).status_code == 200


@pytest.fixture(scope="module")
def kb(sample_kb: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(sample_kb, tmp_path_factory.mktemp("served") / "kb"))


@pytest.fixture(scope="module")
def secret(kb: Path, surefoot: Any) -> str:
    scopes = ("ask", "search", "read", "write", "feedback", "metrics")
    options = [word for scope in scopes for word in ("--scope", scope)]
    done = surefoot("keys", "add", "tester", "--kb", str(kb), *options, "--json")
    assert done.code == 0, done.err
    return str(done.json()["secret"])


@pytest.fixture(scope="module")
def served(kb: Path, secret: str) -> Iterator[Process]:
    process = start(kb)
    wait_for(lambda: ready(process.url))
    yield process
    if process.popen.poll() is None:
        process.stop()


def test_the_openai_client_and_curl_get_the_same_cited_answer(served: Process, secret: str) -> None:
    client = openai.OpenAI(base_url=f"{served.url}/v1", api_key=secret, max_retries=0)
    asked: Any = [{"role": "user", "content": QUESTION}]
    whole = client.chat.completions.create(model="surefoot", messages=asked)
    chunks = client.chat.completions.create(model="surefoot", messages=asked, stream=True)
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    headers = {"authorization": f"Bearer {secret}"}
    plain = httpx.post(
        f"{served.url}/ask", json={"question": QUESTION}, headers=headers, timeout=300
    ).json()
    text = whole.choices[0].message.content
    assert text == said == plain["answer"]
    extra: Any = whole.choices[0].message.model_extra
    assert extra["surefoot"]["sentences"][0]["citations"]
    assert plain["model"]["name"] == "qwen2.5-coder-0.5b"
    trace = httpx.get(f"{served.url}/traces/{plain['trace']}", headers=headers).json()
    assert trace["answer"]["text"] == text


def test_a_term_signal_ends_it_in_good_order(
    served: Process, secret: str, kb: Path, surefoot: Any
) -> None:
    headers = {"authorization": f"Bearer {secret}"}
    done: list[httpx.Response] = []

    def ask() -> None:
        body = {"question": "Who is the harbour master?"}
        done.append(httpx.post(f"{served.url}/ask", json=body, headers=headers, timeout=300))

    client = threading.Thread(target=ask)
    client.start()
    time.sleep(0.3)
    assert served.stop() == 0
    client.join()
    assert done[0].status_code == 200
    assert "Traceback" not in "".join(served.said)
    checked = surefoot("audit", "verify", "--kb", str(kb), "--json")
    assert checked.code == 0, checked.err


def test_without_a_key_it_says_how_to_make_one_and_ends_while_it_loads(
    sample_kb: Path, tmp_path: Path
) -> None:
    process = start(Path(shutil.copytree(sample_kb, tmp_path / "kb")))
    wait_for(lambda: "surefoot keys add NAME --kb" in "".join(process.said))
    refused = httpx.post(f"{process.url}/ask", json={"question": QUESTION})
    assert refused.status_code == 401
    assert "surefoot keys add NAME --kb DIR" in refused.json()["error"]["message"]
    assert process.stop() == 0


def test_what_cannot_be_served_is_said_in_one_line(kb: Path, surefoot: Any, tmp_path: Path) -> None:
    missing = surefoot("serve", "--kb", str(tmp_path / "nothing"))
    unknown = surefoot("serve", "--kb", str(kb), "--port", "0", "--model", str(tmp_path / "x.gguf"))
    elsewhere = surefoot("serve", "--kb", str(kb), "--host", "192.0.2.1")
    for done in (missing, unknown, elsewhere):
        assert done.code == 2, done.err
    assert "cannot listen on 192.0.2.1" in elsewhere.err
