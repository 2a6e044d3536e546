"""Query terms and fusion as tables; groups and completeness with a small index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.build import ingest
from ingest.chunk import ChunkSettings
from ingest.conditions import Condition
from ingest.selection import UnknownKey
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder
from ingest.types import Hit, StoredChunk, Vectors
from rag.config import RetrieveConfig
from rag.errors import ConfigError
from rag.fusion import fuse, query_terms
from rag.retrieve import Retriever


@pytest.mark.parametrize(
    ("question", "terms"),
    [
        ("What does error E-42 mean?", ["error", "E-42", "42", "mean"]),
        ("Is it on?", ["Is", "it", "on"]),
        ("leave Leave LEAVE", ["leave", "Leave", "LEAVE"]),
        ("v1.2 of the TG-200/3", ["v1.2", "v1", "2", "TG-200/3", "TG", "200", "3"]),
        ("Ada's time-sharing, her A/B", ["Ada", "time", "sharing", "her", "A/B"]),
        ("naïve Straße 北京", ["naïve", "Straße", "北京"]),
        ("  ?!  ", []),
    ],
)
def test_query_terms(question: str, terms: list[str]) -> None:
    assert query_terms(question, 32) == terms


def test_a_long_question_keeps_its_codes() -> None:
    words = [f"word{chr(97 + i % 26)}{'x' * (i % 5)}" for i in range(300)]
    terms = query_terms(" ".join([*words, "BD-40", "Skarra"]), 16)
    assert len({term.lower() for term in terms}) == 16
    assert {"BD-40", "Skarra"} <= set(terms)


@given(
    st.dictionaries(st.integers(0, 50), st.floats(-1, 1), min_size=1),
    st.floats(0, 1),
)
def test_fused_scores_are_bounded_and_sorted(dense: dict[int, float], weight: float) -> None:
    lexical = {row: abs(score) * 9 for row, score in dense.items() if row % 2}
    fused = fuse(dense, lexical, weight)
    scores = [item.score for item in fused]
    assert sorted(scores, reverse=True) == scores
    assert all(-1e-9 <= score <= 1 + 1e-6 for score in scores)
    assert {item.row for item in fused} == set(dense)


def test_without_a_word_in_common_meaning_decides_alone() -> None:
    assert [item.row for item in fuse({1: 0.2, 2: 0.9}, {}, 0.1)] == [2, 1]


class ListIndex:
    """Chunks in memory; groups as the knowledge base applies them."""

    def __init__(self, texts: Sequence[str], groups: Sequence[frozenset[str]]) -> None:
        self.embedder = HashEmbedder()
        self.texts = list(texts)
        self.groups = list(groups)
        self.vectors = self.embedder.embed(self.texts)

    def _seen(self, row: int, groups: frozenset[str]) -> bool:
        return not self.groups[row] or bool(self.groups[row] & groups)

    def dense(self, vector: Vectors, k: int, groups: frozenset[str]) -> list[Hit]:
        rows = [row for row in range(len(self.texts)) if self._seen(row, groups)]
        hits = [Hit(row, float(self.vectors[row] @ vector)) for row in rows]
        return sorted(hits, key=lambda hit: -hit.score)[:k]

    def lexical(
        self,
        terms: Sequence[str],
        k: int,
        groups: frozenset[str],
        rows: Sequence[int] | None = None,
    ) -> list[Hit]:
        wanted = {term.lower() for term in terms}
        hits = []
        for row, text in enumerate(self.texts):
            score = len(wanted & set(text.lower().split()))
            if score and self._seen(row, groups) and (rows is None or row in rows):
                hits.append(Hit(row, float(score)))
        return sorted(hits, key=lambda hit: -hit.score)[:k]

    def similarity(self, vector: Vectors, rows: Sequence[int]) -> list[float]:
        return [float(np.dot(self.vectors[row], vector)) for row in rows]

    def families(self, rows: Sequence[int]) -> dict[int, int]:
        return {}

    def chunks(self, rows: Sequence[int]) -> list[StoredChunk]:
        return [
            StoredChunk(
                r,
                f"c{r}",
                f"d{r}",
                f"d{r}.md",
                f"T{r}",
                0,
                len(self.texts[r]),
                self.texts[r],
                (),
                None,
                self.groups[r],
            )
            for r in rows
        ]


def test_best_first_with_parts() -> None:
    index = ListIndex(["cats purr", "dogs bark loudly", "fish swim"], [frozenset()] * 3)
    found = Retriever(index, index.embedder, RetrieveConfig()).retrieve("dogs bark")
    assert found[0].text == "dogs bark loudly"
    assert [p.rank for p in found] == [1, 2, 3]
    assert found[0].lexical == 2.0
    assert 0 < found[0].dense <= 1


@given(st.data())
def test_no_passage_outside_the_askers_groups(data: st.DataObject) -> None:
    names = st.frozensets(st.sampled_from("abcd"), max_size=3)
    groups = data.draw(st.lists(names, min_size=1, max_size=12))
    asker = data.draw(names)
    index = ListIndex([f"word{i} ferry" for i in range(len(groups))], groups)
    for passage in Retriever(index, index.embedder, RetrieveConfig()).retrieve("ferry", asker):
        assert not passage.groups or passage.groups & asker


def test_conditions_are_part_of_the_search(tmp_path: Path) -> None:
    """One in forty meets them, and none of the others takes its place or lends it its score."""
    root, kb = tmp_path / "docs", tmp_path / "kb"
    root.mkdir()
    for n in range(40):
        author, body = ("Ng", "An apple.") if n == 7 else ("Li", f"The ferry of harbour {n}.")
        front = f"---\nauthor: {author}\ndate: 2024-01-{n % 28 + 1:02}\n---\n"
        (root / f"{n}.md").write_text(front + body)
    ingest([root], kb, HashEmbedder())
    config = RetrieveConfig(top=2, candidates=3)
    retriever = Retriever(KnowledgeBase.open(kb), HashEmbedder(), config)
    ng = Condition("author", "Ng")
    assert [p.text for p in retriever.retrieve("ferry harbour", where=(ng,))] == ["An apple."]
    assert retriever.retrieve("ferry", where=(ng, Condition("date", "2024-02", ">="))) == []
    late = retriever.retrieve("ferry harbour", where=(Condition("date", "2024-01-20", ">="),))
    assert len(late) == 2
    assert all(int(Path(p.path).stem) % 28 >= 19 for p in late)
    with pytest.raises(UnknownKey, match="knows no 'autor'"):
        retriever.retrieve("ferry", where=(Condition("autor", "Ng"),))


def test_an_index_without_conditions_refuses_them() -> None:
    index = ListIndex(["ferry"], [frozenset()])
    with pytest.raises(ConfigError, match="can't be searched by conditions"):
        Retriever(index, index.embedder, RetrieveConfig()).retrieve(
            "ferry", where=(Condition("author", "Ng"),)
        )


def handbook(sections: Sequence[int]) -> str:
    """Sections of so many sentences; the number of each is a word of its own."""
    parts = []
    for at, count in enumerate(sections):
        said = (f"Ferry rule {at}x{n} is kept by crew{at}x{n}." for n in range(count))
        parts.append(f"# Part {at}\n\n{' '.join(said)}")
    return "\n\n".join(parts)


@pytest.fixture(scope="module")
def long_base(tmp_path_factory: pytest.TempPathFactory) -> KnowledgeBase:
    root, kb = tmp_path_factory.mktemp("docs"), tmp_path_factory.mktemp("kb")
    (root / "a.md").write_text(handbook([12, 3, 30]))
    (root / "b.md").write_text(handbook([25, 1, 8]))
    ingest([root], kb, HashEmbedder(), chunking=ChunkSettings(max_tokens=24, small_tokens=6))
    return KnowledgeBase.open(kb)


@settings(max_examples=60, deadline=None)
@given(
    widen=st.sampled_from([1, 60, 200, 700, 5000]),
    top=st.integers(1, 9),
    words=st.lists(st.sampled_from(["1x0", "0x7", "2x15", "crew0x3", "rule", "kept"]), min_size=1),
)
def test_wider_passages_are_exact_and_repeat_nothing(
    long_base: KnowledgeBase, widen: int, top: int, words: list[str]
) -> None:
    question = " ".join(words)
    narrow = Retriever(long_base, HashEmbedder(), RetrieveConfig()).retrieve(question, top=top)
    wide = Retriever(long_base, HashEmbedder(), RetrieveConfig(widen=widen)).retrieve(
        question, top=top
    )
    assert [(p.rank, p.document, p.score) for p in wide] == [
        (p.rank, p.document, p.score) for p in narrow
    ]
    for found, passage in zip(narrow, wide, strict=True):
        assert (
            long_base.document_text(passage.document)[passage.start : passage.end] == passage.text
        )
        assert 0 <= found.start - passage.start <= widen
        assert 0 <= passage.end - found.end <= widen
        assert passage.text.endswith(".")
        assert passage.text[0] in "F#"
        assert passage.text.count("# Part") <= 1
        assert "# Part" not in passage.text[1:]
        beside = [p for p in wide if p.document == passage.document and p is not passage]
        assert all(p.end <= passage.start or passage.end <= p.start for p in beside)


def test_a_wide_passage_is_wider(long_base: KnowledgeBase) -> None:
    config = RetrieveConfig(widen=5000)
    passage = Retriever(long_base, HashEmbedder(), config).retrieve("crew2x15", top=1)[0]
    assert passage.text.count("Ferry rule 2x") == 30


def test_an_index_that_knows_no_neighbours_is_as_before() -> None:
    index = ListIndex(["cats purr", "dogs bark"], [frozenset()] * 2)
    found = Retriever(index, index.embedder, RetrieveConfig(widen=500)).retrieve("dogs")
    assert [p.text for p in found] == ["dogs bark", "cats purr"]
