"""The README's curl lines and its OpenAI client are run as printed, against a real server."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from evals.sample import DOCUMENTS

pytestmark = [pytest.mark.e2e, pytest.mark.models]

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
PRINTED = "127.0.0.1:8700"
START, *ASKED = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)[0].strip().splitlines()
PYTHON = next(
    code for code in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "OpenAI" in code
)
SMALL = {"SUREFOOT_ENGINE_MODEL": "qwen2.5-coder-0.5b", "SUREFOOT_SERVE_TIMEOUT_S": "300"}


@dataclass(frozen=True)
class Served:
    """A server on some free port, and a key for it."""

    address: str
    key: str

    def run(self, words: list[str]) -> str:
        environment = {**os.environ, "KEY": self.key}
        done = subprocess.run(
            words, env=environment, capture_output=True, text=True, check=False, timeout=600
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, small_lm_path: Path, surefoot: Any
) -> Iterator[Served]:
    place = tmp_path_factory.mktemp("served")
    shutil.copytree(DOCUMENTS, place / "docs")
    assert surefoot("ingest", "docs/", "--kb", "kb", cwd=place).code == 0
    key = json.loads(surefoot("keys", "add", "laptop", "--kb", "kb", "--json", cwd=place).out)
    program = str(Path(sys.executable).with_name("surefoot"))
    words = [program, *START.replace("8700", "0").rstrip(" &").split()[1:]]
    with subprocess.Popen(
        words, cwd=place, stderr=subprocess.PIPE, text=True, env={**os.environ, **SMALL}
    ) as process:
        assert process.stderr is not None
        address = re.search(r"127\.0\.0\.1:\d+", process.stderr.readline())
        assert address is not None
        try:
            ready(f"http://{address.group()}/readyz")
            yield Served(address.group(), key["secret"])
        finally:
            process.terminate()


def ready(url: str) -> None:
    end = time.monotonic() + 300
    while httpx.get(url).status_code != 200:
        assert time.monotonic() < end
        time.sleep(0.3)


def test_it_is_started_as_printed() -> None:
    assert START == "surefoot serve --kb kb --port 8700 &"
    assert all(PRINTED in line for line in (*ASKED, PYTHON))


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
@pytest.mark.parametrize("line", ASKED)
def test_curl(line: str, served: Served) -> None:
    said = json.loads(served.run(["bash", "-c", line.replace(PRINTED, served.address)]))
    assert said
    assert "error" not in said


def test_the_openai_client(served: Served) -> None:
    said = served.run([sys.executable, "-c", PYTHON.replace(PRINTED, served.address)])
    assert "answered" in said
    assert "annual-leave.md" in said
