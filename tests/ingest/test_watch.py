"""Bursts of changes under a folder are told of once; what is hidden or the base's own is not."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ingest.watch import CannotFollow, changes


class Follower:
    """Counts what `changes` tells of, in a thread."""

    def __init__(self, root: Path, skip: Path, **options: Any) -> None:
        self.times = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, args=(root, skip), kwargs=options)
        self._thread.start()

    def _follow(self, root: Path, skip: Path, **options: Any) -> None:
        for _ in changes([root], skip, stop=self._stop, quiet_ms=100, **options):
            self.times += 1

    def reaches(self, times: int, seconds: float = 10) -> bool:
        deadline = time.monotonic() + seconds
        while self.times < times and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.times >= times

    def end(self) -> None:
        self._stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.mark.parametrize("poll", [False, True])
def test_changes(tmp_path: Path, poll: bool) -> None:
    root = tmp_path / "docs"
    kb = root / "kb"
    kb.mkdir(parents=True)
    follower = Follower(root, kb, poll=poll)
    try:
        assert follower.reaches(1)
        for path in (kb / "surefoot.db", root / ".hidden.txt"):
            path.write_text("x")
        time.sleep(1.0)
        assert follower.times == 1
        for number in range(5):
            (root / f"{number}.txt").write_text("text")
        assert follower.reaches(2)
        (root / "sub").mkdir()
        (root / "sub" / "deep.txt").write_text("text")
        assert follower.reaches(3)
        (root / "1.txt").unlink()
        assert follower.reaches(4)
        (root / ".surefoot.toml").write_text("groups = ['hr']")
        assert follower.reaches(5)
    finally:
        follower.end()


def test_what_is_not_there_cannot_be_followed(tmp_path: Path) -> None:
    with pytest.raises(CannotFollow, match="not found"):
        next(changes([tmp_path / "none"], tmp_path / "kb"))
