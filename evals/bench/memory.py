"""How much memory an ingest takes at most, by how many documents there are.

Run by hand: `python -m evals.bench.memory --sizes 1000,20000`. Each size is ingested into a new
base and then once more, unchanged, each time in a fresh process. Files are generated; every
twentieth is HTML, which is read in a worker. The embedder is a fake of no size, so that nothing
hides what the rest takes; with `--model` it is the real one. Figures are high-water marks of
resident memory as Linux keeps them (VmHWM); no other system tells them of workers.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from evals.bench.machine import load_average, machine
from evals.bench.texts import write_notes
from ingest.testing import HashEmbedder
from ingest.types import Vectors

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from ingest.types import Embedder

DIMENSION = 384
FLAT = 1.10
_HTML = 20
_LOOK_SECONDS = 0.02
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Peak:
    """One ingest: what it did, and the most MiB that its process and its largest worker took.

    `before_mib` is what the process took when everything was loaded that does not depend on files.
    """

    documents: int
    again: bool
    chunks: int
    seconds: float
    before_mib: float
    peak_mib: float
    worker_mib: float


class Fake(HashEmbedder):
    """Unit vectors drawn from a text's hash; unlike its parent it remembers no words."""

    def __init__(self) -> None:
        super().__init__(DIMENSION)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Of shape (n, 384)."""
        seeds = (list(text.encode()) for text in texts)
        drawn = [np.random.default_rng(seed).standard_normal(DIMENSION) for seed in seeds]
        found = np.asarray(drawn, dtype=np.float32).reshape(-1, DIMENSION)
        unit: Vectors = found / np.linalg.norm(found, axis=1, keepdims=True)
        return unit


def high_water(pid: int | str = "self") -> float:
    """The most MiB that a process has taken; 0 where that is not told or it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    found = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(found[0]) * 1024 / _MIB if found else 0.0


class _Workers:
    """The largest high-water mark of any child process, looked at while a job runs."""

    def __init__(self) -> None:
        self.mib = 0.0
        self._done = threading.Event()

    @contextmanager
    def watched(self) -> Iterator[None]:
        thread = threading.Thread(target=self._look)
        thread.start()
        try:
            yield
        finally:
            self._done.set()
            thread.join()

    def _look(self) -> None:
        while not self._done.wait(_LOOK_SECONDS):
            self.mib = max([self.mib, *map(high_water, _children())])


def _children() -> list[str]:
    try:
        threads = list(Path("/proc/self/task").iterdir())
        found = [pid for each in threads for pid in (each / "children").read_text().split()]
    except OSError:
        return []
    # Until a started process becomes another program it shows what its parent took (which is why
    # getrusage does not do either).
    mine = _command("self")
    return [pid for pid in found if _command(pid) not in (b"", mine)]


def _command(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def write_files(folder: Path, count: int) -> None:
    """`count` Markdown files, every twentieth made HTML."""
    write_notes(folder, count)
    for path in sorted(folder.iterdir())[::_HTML]:
        paragraphs = path.read_text(encoding="utf-8").split("\n\n")
        body = "\n".join(f"<p>{each}</p>" for each in paragraphs)
        path.with_suffix(".html").write_text(f"<html><body>{body}</body></html>", encoding="utf-8")
        path.unlink()


def measure(files: Path, kb: Path, model: bool, to: Connection) -> None:
    """Ingest `files` in this process and send a Peak. Meant for a process of its own."""
    from ingest.build import ingest

    embedder = _embedder(model)
    embedder.embed(["Is it loaded?"])
    before, workers, began = high_water(), _Workers(), time.perf_counter()
    with workers.watched():
        report = ingest([files], kb, embedder)
    peak = Peak(
        documents=report.added + report.unchanged,
        again=report.unchanged > 0,
        chunks=report.chunks,
        seconds=round(time.perf_counter() - began, 2),
        before_mib=round(before, 1),
        peak_mib=round(high_water(), 1),
        worker_mib=round(workers.mib, 1),
    )
    to.send(peak)


def _embedder(model: bool) -> Embedder:
    if not model:
        return Fake()
    from rag.assemble import open_embedder

    return open_embedder()


def apart(files: Path, kb: Path, model: bool = False) -> Peak:
    """`measure` in a fresh process. Raises EOFError where that did not end well."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=measure, args=(files, kb, model, theirs))
    process.start()
    theirs.close()
    try:
        peak: Peak = ours.recv()
        return peak
    finally:
        process.join()


def run(
    sizes: Sequence[int], workspace: Path, model: bool, say: Callable[[str], None]
) -> list[Peak]:
    """All sizes, first and again; one JSON object a line, and how much more the largest took."""
    say(json.dumps({"machine": asdict(machine()), "load": load_average(), "model": model}))
    peaks = []
    for size in sizes:
        files, kb = workspace / f"files-{size}", workspace / f"kb-{size}"
        write_files(files, size)
        for _ in range(2):
            peaks.append(apart(files, kb, model))
            say(json.dumps(asdict(peaks[-1])))
    for again in (False, True):
        say(json.dumps({"again": again, **growth([each for each in peaks if each.again == again])}))
    return peaks


def growth(peaks: Sequence[Peak]) -> dict[str, float | bool]:
    """The peak of most documents over that of fewest, and whether that counts as flat."""
    ordered = sorted(peaks, key=lambda peak: peak.documents)
    grown = ordered[-1].peak_mib / ordered[0].peak_mib
    return {"grown": round(grown, 3), "flat": grown <= FLAT}


def main() -> None:
    """`python -m evals.bench.memory --sizes 1000,20000 [--model] [--dir DIR]`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--sizes", default="1000,20000", help="how many documents, by commas")
    parser.add_argument("--model", action="store_true", help="embed with the default model")
    parser.add_argument("--dir", type=Path, help="where to work (default: a temporary folder)")
    given = parser.parse_args()
    if not Path("/proc/self/status").exists():
        sys.exit("this system does not tell how much memory a process took at most")
    with TemporaryDirectory(dir=given.dir) as folder:
        sizes = [int(size) for size in given.sizes.split(",")]
        run(sizes, Path(folder), given.model, lambda line: print(line, flush=True))


if __name__ == "__main__":
    main()
