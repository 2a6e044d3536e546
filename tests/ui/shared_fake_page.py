"""The real page over a real small base; a made-up assistant reads out the best passage.

It finds with the groups that the page hands on, and repeats the question, so that an answer says
whose it is.
"""

import runpy
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import rag.assemble
import rag.pipeline
import ui
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder
from rag.config import RetrieveConfig
from rag.retrieve import Retriever
from rag.types import (
    Answer,
    AnswerEvent,
    Citation,
    ModelRef,
    Passage,
    Sentence,
    Shown,
    StageDone,
    TokenUse,
)


class Reading:
    """Sentence by sentence: the question, then the first sentence of the best passage."""

    def __init__(self, kb: Path) -> None:
        embedder = HashEmbedder()
        index = KnowledgeBase.open(kb, embedder)
        self._retriever = Retriever(index, embedder, RetrieveConfig())

    def stream(
        self,
        question: str,
        history: Sequence[Any] = (),
        groups: frozenset[str] = frozenset(),
        cancel: Event | None = None,
        **_: Any,
    ) -> Iterator[AnswerEvent]:
        found = self._retriever.retrieve(question, groups)
        yield StageDone("retrieve", 5.0)
        said = [Sentence(f"You asked: {question} ", None)]
        yield Shown(said[0])
        time.sleep(0.5)  # others ask meanwhile
        said.append(Sentence(*quote(found[0])) if found else Sentence("Nothing was found.", None))
        yield Shown(said[1])
        yield made(said, found)


def quote(passage: Passage) -> tuple[str, float, tuple[Citation, ...]]:
    text = passage.text.strip().splitlines()[-1].split(". ")[0]
    start = passage.start + passage.text.index(text)
    cited = Citation(passage.document, passage.path, passage.page, start, start + len(text), text)
    return text, 0.9, (cited,)


def made(said: list[Sentence], found: Sequence[Passage]) -> Answer:
    return Answer(
        status="answered",
        text="".join(sentence.text for sentence in said),
        sentences=tuple(said),
        passages=tuple(found),
        findings=(),
        tokens=TokenUse(40, 20, 4096),
        timings_ms={"retrieve": 5.0, "total": 300.0},
        model=ModelRef("reader", "ab" * 32),
        trace="",
    )


def play() -> None:
    pipeline: Any = rag.pipeline
    assemble: Any = rag.assemble
    assemble.open_bulk_embedder = HashEmbedder
    pipeline.Assistant = SimpleNamespace(open=lambda kb, *_: Reading(Path(kb)))
    runpy.run_path(str(Path(ui.__file__).parent / "chat.py"), run_name="__main__")


if __name__ == "__main__":
    play()
