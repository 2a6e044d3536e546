"""Ten thousand questions by random groups over every kind of index: nothing foreign is shown.

The whole search is on: second stage, links, wider passages, near-duplicates, conditions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest import index, nearest
from ingest.build import ingest
from ingest.conditions import Condition
from ingest.indexing import IndexSettings
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder
from rag.config import RetrieveConfig
from rag.retrieve import Retriever

KINDS = ("flat", "hnsw", "ivf")
QUESTIONS = 3334
DOCUMENTS = 160
NAMES = ("Ada Quill", "Bo Marsh", "Cy Tern", "Di Holm")
EVERYTHING = RetrieveConfig(
    top=6, candidates=8, links=3, widen=200, rerank_top=4, rerank_weight=0.7
)


class Lengths:
    """A second stage without a model; what it reads is kept."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        self.read = list(passages)
        return [float(len(passage) % 7) for passage in passages]


@pytest.fixture(autouse=True, scope="module")
def _graphs_are_walked() -> Iterator[None]:
    """A base this small would be compared whole, and no graph be tested."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest, "STEP", 0)
        patch.setattr(index, "EXACT_BYTES", 0)
        yield


def written(folder: Path, part: int, owners: str) -> Path:
    """Texts that say whose they are, some twice, each naming a person of any part."""
    root = folder / str(part)
    root.mkdir()
    random = np.random.default_rng(part)
    for n in range(DOCUMENTS // 8):
        name, other = random.choice(NAMES, 2)
        berth = n if n % 4 else 0
        body = f"Berth {berth} is kept by {name} for the ferry. {other} owns key {berth}x{part}."
        front = f"---\ndate: 202{part % 6}-01-{n + 1:02}\nowners: {owners or 'all'}\n---\n"
        (root / f"{n}.md").write_text(f"{front}{body} Group mark {owners or 'all'}.")
    return root


@pytest.fixture(scope="module", params=KINDS)
def grouped(request: Any, tmp_path_factory: pytest.TempPathFactory) -> KnowledgeBase:
    """Eight folders, each with random groups; the last one is open to all."""
    folder, random = tmp_path_factory.mktemp(request.param), np.random.default_rng(11)
    kb = folder / "kb"
    settings = IndexSettings(choice=request.param, flat_bytes=0, queries=8)
    for part in range(8):
        some = sorted(random.choice(list("abcd"), random.integers(1, 3), replace=False).tolist())
        owners = some if part < 7 else []
        root = written(folder, part, "".join(owners))
        ingest([root], kb, HashEmbedder(), groups=frozenset(owners), index=settings)
    base = KnowledgeBase.open(kb)
    assert base.info().index.kind == request.param
    return base


def test_ten_thousand_questions_show_nothing_foreign(grouped: KnowledgeBase) -> None:
    random, reader = np.random.default_rng(3), Lengths()
    retriever = Retriever(grouped, HashEmbedder(), EVERYTHING, reader)
    owners = {record.document: record.groups for record in grouped.documents()}
    late = (Condition("date", "2022-06", ">="),)
    shown = linked = twins = 0
    for n in range(QUESTIONS):
        asker = frozenset(random.choice(list("abcdx"), random.integers(0, 4)).tolist())
        question = f"Who of {random.choice(NAMES)} has berth {random.integers(40)}?"
        reader.read = []
        passages = retriever.retrieve(question, asker, where=late if n % 5 == 0 else ())
        for passage in passages:
            assert not passage.groups or passage.groups & asker
            for document in (passage.document, *passage.also, *passage.older):
                assert not owners[document] or owners[document] & asker
            marks = passage.text.rpartition("Group mark ")[2].rstrip(".")
            assert marks == "all" or set(marks) & asker
        assert all(
            text.endswith("mark all.") or set(text[:-1].rpartition(" ")[2]) & asker
            for text in reader.read
        )
        shown += len(passages)
        linked += sum(passage.linked for passage in passages)
        twins += sum(len(passage.also) for passage in passages)
    assert min(shown, linked, twins) > 0
