"""Every kind of index: exact scores, no foreign row, recall, tombstones, growth, choice, files."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import index, indexing, nearest
from ingest.conditions import Condition
from ingest.errors import KnowledgeBaseError
from ingest.index import VectorIndex, load_graph
from ingest.indexing import IndexSettings
from ingest.manifest import read_manifest
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder
from ingest.types import IndexInfo
from ingest.vectors import GONE, faiss, load_index, read_faiss, rows_of, write_vectors

EMBEDDER = HashEmbedder()
DIMENSION = 32
KINDS = ("flat", "hnsw", "ivf")
GRAPHS = ("hnsw", "ivf")
# Exact search only for no vectors at all, so that a few hundred are enough for the other kinds.
SMALL = IndexSettings(flat_bytes=0, queries=32)


@pytest.fixture(autouse=True, scope="module")
def _graphs_are_walked() -> Iterator[None]:
    """Comparing a few hundred vectors is cheaper than a walk, and would be all that is tested."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest, "STEP", 0)
        yield


def clustered(count: int, seed: int = 0) -> Any:
    random = np.random.default_rng(seed)
    centres = random.standard_normal((max(1, count // 20), DIMENSION), dtype=np.float32)
    found = centres[random.integers(0, len(centres), count)]
    found = found + 0.5 * random.standard_normal((count, DIMENSION), dtype=np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def made(folder: Path, kind: Any, vectors: Any, rows: Any, few: int = 0) -> VectorIndex:
    """An index over vectors whose chunks have these rows; up to `few` rows are compared whole."""
    write_vectors(folder / "v.faiss", DIMENSION, len(rows), [(rows, vectors)])
    flat, graph = read_faiss(folder, "v.faiss"), None
    info = IndexInfo(kind, "auto", len(rows), int((rows == GONE).sum()))
    if kind != "flat":
        graph, parameters = indexing.new_graph(kind, flat)
        indexing.write_graph(graph, folder / "g.faiss")
        graph, info = read_faiss(folder, "g.faiss"), replace(info, parameters=parameters)
    return VectorIndex(
        flat, graph, indexing.measured(flat, graph, info, SMALL), few * 4 * DIMENSION
    )


# --- files


@pytest.mark.parametrize("count", [0, 1, 500])
def test_the_file_is_what_faiss_would_write(tmp_path: Path, count: int) -> None:
    vectors, rows = clustered(500)[:count], np.arange(count) * 3 + 5
    blocks = [(rows[:200], vectors[:200]), (rows[200:], vectors[200:])]
    assert write_vectors(tmp_path / "ours", DIMENSION, count, blocks) == count
    theirs = faiss.IndexIDMap2(faiss.IndexFlatIP(DIMENSION))
    theirs.add_with_ids(vectors, rows)
    faiss.write_index(theirs, str(tmp_path / "theirs"))
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


@pytest.mark.parametrize("cut", [9, 5000, 60_000])
def test_a_file_cut_short_is_refused(tmp_path: Path, cut: int) -> None:
    write_vectors(tmp_path / "v", DIMENSION, 500, [(np.arange(500), clustered(500))])
    (tmp_path / "v").write_bytes((tmp_path / "v").read_bytes()[:-cut])
    with pytest.raises(KnowledgeBaseError, match="v is damaged"):
        read_faiss(tmp_path, "v")


# --- choice


@pytest.mark.parametrize(
    ("choice", "vectors", "memory", "kind"),
    [
        ("auto", 0, 2**33, "flat"),
        ("auto", 43_000, 2**33, "flat"),
        ("auto", 44_000, 2**33, "hnsw"),
        ("auto", 200_000, 2**33, "hnsw"),
        ("auto", 200_001, 2**33, "ivf"),
        ("auto", 100_000, 2**29, "ivf"),
        ("flat", 10**6, 2**33, "flat"),
        ("hnsw", 10, 2**33, "hnsw"),
        ("ivf", 10, 2**33, "ivf"),
        ("ivf", 0, 2**33, "flat"),
    ],
)
def test_the_kind_goes_by_number_and_memory(
    choice: Any, vectors: int, memory: int, kind: str
) -> None:
    assert IndexSettings(memory=memory).kind(choice, vectors, 384) == kind


def test_the_machine_has_memory() -> None:
    assert indexing.machine_memory() > 2**28


# --- search


@pytest.mark.parametrize("kind", KINDS)
def test_hits_have_exact_scores_in_order(tmp_path: Path, kind: str) -> None:
    vectors, rows = clustered(600), np.arange(600) * 2 + 1
    rows[::7] = GONE
    found = made(tmp_path, kind, vectors, rows)
    assert len(found) == int((rows != GONE).sum())
    for query in clustered(20, seed=5):
        hits = found.search(query, 25)
        assert len({hit.row for hit in hits}) == 25
        scores = [hit.score for hit in hits]
        assert scores == sorted(scores, reverse=True)
        places = [int(np.flatnonzero(rows == hit.row)[0]) for hit in hits]
        assert np.allclose(vectors[places] @ query, scores, atol=1e-6)
    assert found.search(vectors[0], 0) == []
    assert len(found.search(vectors[0], 10_000)) == len(found)


@pytest.mark.parametrize(
    ("kind", "count"), [("flat", 0), *((kind, count) for kind in KINDS for count in (1, 2, 9))]
)
def test_hardly_any_vectors(tmp_path: Path, kind: Any, count: int) -> None:
    if count == 0 and kind != "flat":
        pytest.skip("no vectors are searched exactly")
    found = made(tmp_path, kind, clustered(9)[:count], np.arange(count))
    assert len(found.search(clustered(1)[0], 5)) == min(5, count)
    assert found.search(clustered(1)[0], 5, found.allow(np.array([], dtype=np.int64))) == []
    assert len(found.search(clustered(1)[0], 5, found.allow(np.array([0, 1, 77])))) == min(2, count)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, VectorIndex]:
    vectors, rows = clustered(900), np.random.default_rng(4).permutation(3000)[:900]
    rows[::9] = GONE
    return {k: made(tmp_path_factory.mktemp(k), k, vectors, rows, few=20) for k in KINDS}


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    share=st.sampled_from([0.001, 0.03, 0.2, 0.5, 0.95, 1.0]),
    topical=st.booleans(),
    k=st.integers(1, 150),
    seed=st.integers(0, 10**6),
)
def test_any_filter_gives_its_own_and_as_many_as_there_are(
    shared: dict[str, VectorIndex], kind: str, share: float, topical: bool, k: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    found, exact = shared[kind], shared["flat"]
    query = clustered(1, seed)[0]
    rows = np.array([hit.row for hit in exact.search(query, len(exact))])
    # Topical: what may be seen is what the question is not about, which is hardest on a graph.
    keep = rows[::-1] if topical else random.permutation(rows)
    keep = keep[: max(1, int(share * len(keep)))]
    hits = found.search(query, k, found.allow(keep))
    best = exact.search(query, k, exact.allow(keep))
    assert {hit.row for hit in hits} <= set(keep.tolist())
    assert len(hits) == len(best) == min(k, len(keep))
    good = sum(hit.score >= best[-1].score - 1e-6 for hit in hits)
    assert good >= 0.8 * len(hits) - 1


def test_one_query_wakes_no_team_of_threads(shared: dict[str, VectorIndex]) -> None:
    before = faiss.omp_get_max_threads()
    try:
        faiss.omp_set_num_threads(3)
        shared["hnsw"].search(clustered(1)[0], 5)
        assert faiss.omp_get_max_threads() == 3
        with index._one_thread():
            assert faiss.omp_get_max_threads() == 1
    finally:
        faiss.omp_set_num_threads(before)


# --- recall


@pytest.mark.parametrize("kind", GRAPHS)
def test_recall_is_measured_and_widened(
    tmp_path: Path, kind: Any, caplog: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(nearest, "_REACH", 1)
    random = np.random.default_rng(1).standard_normal((3000, DIMENSION), dtype=np.float32)
    vectors = random / np.linalg.norm(random, axis=1, keepdims=True)
    write_vectors(tmp_path / "v", DIMENSION, 3000, [(np.arange(3000), vectors)])
    flat = read_faiss(tmp_path, "v")
    graph, parameters = indexing.new_graph(kind, flat)
    name = {"hnsw": "ef_search", "ivf": "probes"}[kind]
    info = IndexInfo(kind, "auto", 3000, parameters={**parameters, name: 1})
    with caplog.at_level(logging.WARNING):
        better = indexing.measured(flat, graph, info, SMALL)
    assert better.holds
    assert better.recall >= 0.97
    assert better.parameters[name] > 1
    assert "after widening the search is" in caplog.text
    assert indexing.measured(flat, graph, better, SMALL).parameters == better.parameters


def test_a_recall_out_of_reach_is_said(tmp_path: Path, caplog: Any) -> None:
    write_vectors(tmp_path / "v", DIMENSION, 400, [(np.arange(400), clustered(400))])
    flat = read_faiss(tmp_path, "v")
    graph, parameters = indexing.new_graph("ivf", flat)
    info = IndexInfo("ivf", "auto", 400, parameters=parameters)
    found = indexing.measured(flat, graph, info, replace(SMALL, target=1.01))
    assert not found.holds
    assert found.parameters["probes"] == found.parameters["lists"]
    assert "still under 1.01" in caplog.text


# --- knowledge bases


def texts(numbers: Any) -> dict[str, str]:
    return {f"{n}.txt": f"Text {n} is of topic {n % 13} and part {n % 7}." for n in numbers}


def opened(kb: Path) -> KnowledgeBase:
    """The base, in which all must be well."""
    base = KnowledgeBase.open(kb, EMBEDDER)
    assert base.verify().problems == ()
    return base


@pytest.mark.parametrize("kind", GRAPHS)
def test_a_base_grows_forgets_and_compacts(run: Any, tree: Any, kb: Path, kind: Any) -> None:
    tree(texts(range(200)))
    run(index=replace(SMALL, choice=kind))
    first = opened(kb).info().index
    assert (first.kind, first.vectors, first.tombstones, first.trained) == (kind, 200, 0, 200)
    assert first.queries == 32

    tree(texts(range(200, 230)) | dict.fromkeys(texts(range(20))))
    run(index=SMALL, prune=True)
    base = opened(kb)
    grown = base.info().index
    assert (grown.choice, grown.vectors, grown.tombstones, grown.trained) == (kind, 230, 20, 200)
    everything = base.chunks([hit.row for hit in base.dense(EMBEDDER.embed(["text"])[0], 999)])
    assert {Path(c.path).name for c in everything} == set(texts(range(20, 230)))
    query = EMBEDDER.embed(["Text 7 is of topic 7 and part 0."])[0]
    assert "Text 7 " not in " ".join(c.text for c in everything)
    assert len(base.dense(query, 10)) == 10

    tree(dict.fromkeys(texts(range(20, 60))))
    run(index=SMALL, prune=True)
    compacted = opened(kb).info().index
    assert (compacted.vectors, compacted.tombstones, compacted.trained) == (170, 0, 170)
    assert GONE not in rows_of(load_index(kb, read_manifest(kb)))

    base.rollback()
    assert opened(kb).info().index == grown
    assert len(opened(kb).dense(query, 999)) == 210


def test_lists_for_half_as_many_are_laid_out_anew(run: Any, tree: Any, kb: Path) -> None:
    tree(texts(range(50)))
    run(index=replace(SMALL, choice="ivf"))
    tree(texts(range(50, 120)))
    run(index=SMALL)
    assert opened(kb).info().index.trained == 120


def test_another_choice_is_a_new_generation_of_the_same(run: Any, tree: Any, kb: Path) -> None:
    tree(texts(range(60)))
    run()
    query = EMBEDDER.embed(["topic 5 and part 3"])[0]
    seen = [(opened(kb).info().index.kind, opened(kb).dense(query, 5))]
    for choice in ("hnsw", "ivf", "auto"):
        report = run(index=IndexSettings(choice=choice))
        assert (report.unchanged, report.added, report.updated) == (60, 0, 0)
        seen.append((opened(kb).info().index.kind, opened(kb).dense(query, 5)))
    assert [kind for kind, _ in seen] == ["flat", "hnsw", "ivf", "flat"]
    for _, hits in seen[1:]:
        assert [hit.row for hit in hits] == [hit.row for hit in seen[0][1]]
        assert np.allclose([h.score for h in hits], [h.score for h in seen[0][1]], atol=1e-6)
    generation = opened(kb).generation
    run(index=IndexSettings(choice="auto"))
    assert opened(kb).generation == generation, "the same choice changes nothing"
    files = {file.name for file in kb.glob("*.faiss")}
    assert files == {"vectors-3.faiss", "graph-3.faiss", "vectors-4.faiss"}


def test_readers_keep_their_generation_while_files_go(run: Any, tree: Any, kb: Path) -> None:
    """A map outlives the name of its file."""
    tree(texts(range(60)))
    run(index=replace(SMALL, choice="hnsw"))
    held = VectorIndex.load(kb, read_manifest(kb))
    query = EMBEDDER.embed(["topic 5"])[0]
    before = held.search(query, 10)
    for n in range(3):
        tree(texts([100 + n]))
        run(index=SMALL)
    assert not (kb / "graph-1.faiss").exists()
    assert held.search(query, 10) == before


def test_bases_of_before_open_and_go_on(run: Any, tree: Any, kb: Path) -> None:
    """Format 1 knew only exact search, and its manifest says nothing of an index."""
    tree(texts(range(30)))
    run()
    manifest = json.loads((kb / "manifest.json").read_text())
    del manifest["index"], manifest["previous_index"]
    (kb / "manifest.json").write_text(json.dumps(manifest | {"format": 1}))
    base = opened(kb)
    assert (base.info().index.kind, base.info().index.vectors) == ("flat", 30)
    assert len(base.dense(EMBEDDER.embed(["topic"])[0], 99)) == 30
    tree(texts([77]))
    run(index=replace(SMALL, choice="ivf"))
    assert opened(kb).info().index.kind == "ivf"
    base.rollback()
    assert opened(kb).info().index.kind == "flat"


DAMAGE = [
    (lambda graph: graph.unlink(), "graph-1.faiss is missing"),
    (lambda graph: graph.write_bytes(b"junk"), "graph-1.faiss is damaged"),
    (lambda graph: graph.write_bytes(graph.read_bytes()[:-500]), "graph-1.faiss is damaged"),
]


@pytest.mark.parametrize("kind", GRAPHS)
@pytest.mark.parametrize(("damage", "words"), DAMAGE)
def test_a_damaged_graph_is_named_and_built_anew(
    run: Any, tree: Any, kb: Path, kind: Any, damage: Any, words: str
) -> None:
    tree(texts(range(60)))
    run(index=replace(SMALL, choice=kind))
    base = KnowledgeBase.open(kb)
    damage(kb / "graph-1.faiss")
    assert words in " ".join(base.verify().problems)
    with pytest.raises(KnowledgeBaseError, match=words):
        KnowledgeBase.open(kb)
    tree(texts([77]))
    run(index=SMALL)
    assert opened(kb).info().index.trained == 61


def test_a_graph_of_another_size_is_refused(run: Any, tree: Any, kb: Path) -> None:
    tree(texts(range(60)))
    run(index=replace(SMALL, choice="hnsw"))
    manifest = read_manifest(kb)
    wrong = replace(manifest, index=replace(manifest.searched, vectors=61))
    with pytest.raises(KnowledgeBaseError, match="knows 60 vectors, the manifest says 61"):
        load_graph(kb, wrong)


@pytest.mark.parametrize("step", ["write_graph", "measured"])
def test_a_job_stopped_while_it_builds_the_index(
    run: Any, tree: Any, kb: Path, monkeypatch: Any, step: str
) -> None:
    tree(texts(range(40)))
    run(index=replace(SMALL, choice="hnsw"))
    before = opened(kb).documents()
    tree(texts(range(40, 50)))

    def fail(*_: Any) -> None:
        raise RuntimeError("no space")

    monkeypatch.setattr(indexing, step, fail)
    with pytest.raises((RuntimeError, KnowledgeBaseError)):
        run(index=SMALL)
    assert opened(kb).documents() == before
    monkeypatch.undo()
    run(index=SMALL)
    assert len(opened(kb).documents()) == 50
    assert not list(kb.glob(".*.part"))


# --- access groups and metadata


@pytest.fixture
def grouped(run: Any, tree: Any, kb: Path) -> Path:
    """600 texts in eight folders, each with random groups; the last one is open to all."""
    random = np.random.default_rng(11)
    numbers = random.permutation(600)
    parts = np.split(numbers, np.sort(random.choice(600, 7, replace=False)))
    root = tree({f"{at}/{n}": t for at, p in enumerate(parts) for n, t in texts(p).items()})
    for at in range(8):
        names = random.choice(list("abcd"), random.integers(1, 3), replace=False)
        run(root / str(at), groups=frozenset(names.tolist() if at < 7 else []), index=SMALL)
    return kb


@pytest.mark.parametrize("kind", KINDS)
def test_ten_thousand_questions_meet_no_foreign_passage(
    run: Any, tree: Any, grouped: Path, kind: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(index, "EXACT_BYTES", 30 * 4 * DIMENSION)
    run(tree({}) / "7", index=replace(SMALL, choice=kind))
    base, random = opened(grouped), np.random.default_rng(3)
    chunks = {c.row: c for c in base.chunks(range(1, 601))}
    vectors = rows_of(load_index(grouped, read_manifest(grouped)))
    stored = dict(zip(vectors.tolist(), range(600), strict=True))
    table = index.matrix(load_index(grouped, read_manifest(grouped))).copy()
    good = total = 0
    for _ in range(3334):
        asker = frozenset(random.choice(list("abcdx"), random.integers(0, 4)).tolist())
        query = random.standard_normal(DIMENSION).astype(np.float32) * 0.1
        query += table[random.integers(600)]
        hits = base.dense(query / np.linalg.norm(query), 10, asker)
        mine = [row for row, c in chunks.items() if not c.groups or c.groups & asker]
        assert all(not (g := chunks[hit.row].groups) or g & asker for hit in hits)
        assert len(hits) == min(10, len(mine))
        best = np.sort(table[[stored[row] for row in mine]] @ query)[::-1][: len(hits)]
        floor = best[-1] / np.linalg.norm(query) - 1e-5
        good += sum(hit.score >= floor for hit in hits)
        total += len(hits)
    assert good / total >= (0.97 if kind != "flat" else 1.0)


def test_metadata_restricts_both_searches(run: Any, tree: Any, kb: Path) -> None:
    files = {
        f"{n}.md": f"---\nauthor: {'Ada' if n % 3 else 'Bo'}\nlanguage: en\n---\nText {n}.\n"
        for n in range(12)
    }
    tree(files)
    run(index=replace(SMALL, choice="hnsw"))
    base, query = opened(kb), EMBEDDER.embed(["Text 3"])[0]
    authors = {r.document: r.metadata.get("author") for r in base.documents()}
    assert set(authors.values()) == {"Ada", "Bo"}
    for asked, count in (
        ({"author": "Bo"}, 4),
        ({"author": "Ada", "language": "en"}, 8),
        ({"author": "Ada", "language": "de"}, 0),
        ({}, 12),
    ):
        where = tuple(Condition(key, value) for key, value in asked.items())
        for hits in (base.dense(query, 99, where=where), base.lexical(["text"], 99, where=where)):
            assert len(hits) == count
            found = {authors[c.document] for c in base.chunks([hit.row for hit in hits])}
            assert not asked or found <= {asked["author"]}
