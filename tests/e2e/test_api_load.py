"""200 clients of one server: nobody is lost, everything is in the audit log, memory stays flat."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from threading import Event, Thread

import pytest

from evals.bench.clients import Reply, crowd
from evals.bench.serve import add_key, serving
from rag.audit_chain import read_lines, verify

pytestmark = pytest.mark.e2e

CLIENTS = 200
EACH = 4
SHARED = 10
PROGRAM = (sys.executable, str(Path(__file__).with_name("scripted_server.py")))
SETTINGS = {"SUREFOOT_SERVE_WORKERS": "4", "SUREFOOT_SERVE_QUEUE": "48"}
FLAT = 1.05


def questions(clients: int, words: str) -> list[list[str]]:
    """Half of the clients ask what others ask too, the other half what nobody else asks."""

    def number(client: int, turn: int) -> int:
        return (client + turn) % SHARED if client % 2 else client * EACH + turn

    return [
        [f"How many days of leave {words} {number(client, turn)}?" for turn in range(EACH)]
        for client in range(clients)
    ]


@contextmanager
def watched(pid: int) -> Iterator[list[int]]:
    """The resident memory of a process in bytes, looked at five times a second."""
    seen, done = list[int](), Event()

    def look() -> None:
        while not done.wait(0.2):
            pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
            seen.append(int(pages) * 4096)

    thread = Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux' /proc")
def test_200_clients_lose_nothing(sample_kb: Path, tmp_path: Path) -> None:
    kb = tmp_path / "kb"
    shutil.copytree(sample_kb, kb)
    keys = [add_key(kb, f"key-{number}") for number in range(5)]
    with serving(kb, tmp_path / "serve.log", PROGRAM, **SETTINGS) as server:
        # Every thread of the server has its own connection to the base: only now have all.
        first = crowd(server.address, keys, questions(CLIENTS, "to begin with"), 120)
        with watched(server.pid) as memory:
            replies = crowd(server.address, keys, questions(CLIENTS, "in case"), 120)
    lost = [reply for reply in (*first, *replies) if not reply.settled]
    assert not lost, lost[:3]
    assert len(replies) == CLIENTS * EACH
    made, known = (sum(r.answered and r.made is how for r in replies) for how in (True, False))
    assert min(made, known, len(replies) - made - known) > 0, "made, from the cache, and refused"
    recorded = Counter(str(line["kind"]) for line in read_lines(kb / "audit"))
    assert recorded == expected([*first, *replies])
    assert verify(kb / "audit").ok
    third = len(memory) // 3
    before, after = median(memory[:third]), median(memory[-third:])
    assert after <= FLAT * before, f"{before / 1e6:.0f} MB, then {after / 1e6:.0f} MB"


def expected(replies: list[Reply]) -> Counter[str]:
    """One record a request, of the kind that its client saw."""
    made = [reply.answer for reply in replies if reply.answered and reply.made]
    known = sum(reply.answered and not reply.made for reply in replies)
    refused = sum(reply.refused for reply in replies)
    return +Counter({**Counter(map(str, made)), "cached": known, "refused": refused})
