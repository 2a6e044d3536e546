"""What the CPU engine does beside what every engine promises."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# The library is loaded as the engine does it; OpenMP says what it found in its environment.
LOADED = "from rag.engines.llamacpp import share_cpus; share_cpus(); import llama_cpp"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "3000"),
        ({"GOMP_SPINCOUNT": "77"}, "77"),
        ({"OMP_WAIT_POLICY": "active"}, "30000000000"),
    ],
)
def test_waiting_threads_make_room(given: dict[str, str], expected: str) -> None:
    pytest.importorskip("llama_cpp")
    kept = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    done = subprocess.run(
        [sys.executable, "-c", LOADED],
        env={**kept, **given, "OMP_DISPLAY_ENV": "verbose"},
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    if "GOMP_SPINCOUNT" not in done.stderr:
        pytest.skip("llama.cpp is built without GCC's OpenMP here")
    assert f"GOMP_SPINCOUNT = '{expected}'" in done.stderr
