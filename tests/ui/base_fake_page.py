"""The real page over a real small base that is embedded by hashes: documents that say "slowly" are
slow to take in.
"""

import runpy
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import rag.assemble
import rag.pipeline
import ui
from ingest.testing import HashEmbedder
from rag.scan import ScanReport


class Slowly(HashEmbedder):
    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        if any("slowly" in text for text in texts):
            time.sleep(0.05)
        return super().count_tokens(texts)


def play() -> None:
    assemble: Any = rag.assemble
    assemble.open_bulk_embedder = Slowly
    assemble.open_embedder = HashEmbedder
    assemble.scan_passages = lambda *_: ScanReport(0, 0)
    pipeline: Any = rag.pipeline
    pipeline.Assistant = SimpleNamespace(open=lambda *_: None)
    runpy.run_path(str(Path(ui.__file__).parent / "chat.py"), run_name="__main__")


if __name__ == "__main__":
    play()
