"""The benches of hybrid search: made-up words by Zipf's law, FTS5's finds, and LangChain's side."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from evals.bench import hybrid
from evals.bench.hybrid import STOP, Zipf
from ingest.langchain import LangchainEmbeddings
from ingest.testing import HashEmbedder


def test_words_follow_the_law_and_questions_leave_the_commonest_out() -> None:
    zipf = Zipf()
    assert zipf.texts(3, 5) == zipf.texts(3, 5) != zipf.texts(4, 5)
    counts = Counter(" ".join(zipf.texts(0, 500)).split())
    first, tenth = hybrid._word(0), hybrid._word(9)
    assert counts.most_common(1)[0][0] == first
    assert 2 < counts[first] / counts[tenth] < 6
    words = zipf.question(1, 500, 5).split()
    assert len(set(words)) == 5
    assert not set(words) & {hybrid._word(rank) for rank in range(STOP)}


def test_hybrid_in_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hybrid, "QUESTIONS", 8)
    lines: list[str] = []
    hybrid.run(600, tmp_path / "kb", lines.append)
    found = {line["what"]: line for line in map(json.loads, lines) if "what" in line}
    assert found["retrieve"]["n"] == 8
    assert found["retrieve"]["p50_ms"] <= found["retrieve"]["p95_ms"]
    assert found["lexical, FTS5"]["overlap@10"] == found["lexical, FTS5"]["overlap@100"] == 1
    hybrid.run(600, tmp_path / "kb", lines.append)
    assert sum("fill_s" in line for line in lines) == 1, "a base that is there is used"


def test_the_ensemble_finds_what_it_is_asked_for() -> None:
    for name in ("langchain_community", "langchain_classic", "rank_bm25"):
        pytest.importorskip(name)
    from evals.bench.peers.ensemble import Ensemble

    texts = [
        f"{word} is kept on deck {at}" for at, word in enumerate(Zipf().texts(0, 1)[0].split())
    ]
    embedder = HashEmbedder(64)
    ensemble = Ensemble(texts, embedder.embed(texts), LangchainEmbeddings(embedder), 3)
    assert ensemble.search(texts[7])[0] == 7
    assert len(ensemble.search("deck")) == 3
