"""Ingesting five times the documents takes no more memory."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from evals.bench.memory import Peak, growth, high_water, run

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the high-water mark")


@linux
def test_memory_stays_flat(tmp_path: Path) -> None:
    said: list[str] = []
    peaks = run([200, 1000], tmp_path, model=False, say=said.append)
    assert [(peak.documents, peak.again) for peak in peaks] == [
        (200, False), (200, True), (1000, False), (1000, True)
    ]  # fmt: skip
    first, _, largest, again = peaks
    assert first.chunks >= 400
    assert largest.chunks >= 2000
    assert again.chunks == 0
    # Whatever is held by the document shows: the texts alone are 2 MB a thousand.
    assert largest.peak_mib < first.peak_mib * 1.10
    assert again.peak_mib < first.peak_mib * 1.10
    assert 0 < first.worker_mib < 200
    assert json.loads(said[-1])["flat"]


@linux
def test_marks_of_processes_that_are_gone() -> None:
    assert high_water() > 1
    assert high_water(0) == 0


@pytest.mark.parametrize(("last", "flat"), [(109.0, True), (111.0, False)])
def test_growth_is_from_fewest_to_most(last: float, flat: bool) -> None:
    peaks = [Peak(size, False, 0, 0.0, 0.0, mib, 0.0) for size, mib in ((20, last), (10, 100.0))]
    assert growth(peaks) == {"grown": last / 100, "flat": flat}
