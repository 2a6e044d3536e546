"""One knowledge base of the sample documents, built once by the real command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from evals.sample import DOCUMENTS

SUREFOOT = Path(sys.executable).with_name("surefoot")


@dataclass(frozen=True)
class Done:
    """A finished command."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Done]


def run_surefoot(*arguments: str, stdin: bytes = b"", cwd: Path | None = None, **env: str) -> Done:
    """The installed command, with the small model unless told otherwise."""
    environment = {**os.environ, "SUREFOOT_ENGINE_MODEL": "qwen2.5-coder-0.5b", **env}
    done = subprocess.run(
        [str(SUREFOOT), *arguments],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        env=environment,
        check=False,
        timeout=900,
    )
    result = Done(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "Traceback" not in result.err + result.out, result.err
    return result


@pytest.fixture(scope="session")
def surefoot() -> Run:
    return run_surefoot


@pytest.fixture(scope="session")
def sample_kb(
    tmp_path_factory: pytest.TempPathFactory, embedder_path: Path, small_lm_path: Path
) -> Path:
    kb = tmp_path_factory.mktemp("kb") / "sample"
    done = run_surefoot("ingest", str(DOCUMENTS), "--kb", str(kb), "--json")
    assert done.code == 0, done.err
    report = done.json()
    assert report["added"] == sum(1 for path in DOCUMENTS.rglob("*") if path.is_file())
    return kb
