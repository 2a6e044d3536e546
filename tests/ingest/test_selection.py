"""One language for conditions: what it reads, what it holds of, and searches that keep to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import index, nearest
from ingest.build import ingest
from ingest.conditions import Condition, Where
from ingest.indexing import IndexSettings
from ingest.selection import UnknownKey
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder

EMBEDDER = HashEmbedder()
SMALL = IndexSettings(flat_bytes=0, queries=32)


def where(*texts: str) -> Where:
    found = [Condition.parse(text) for text in texts]
    assert None not in found
    return tuple(item for item in found if item)


# --- the language

READ = [
    ("author=Ng", ("author", "=", "Ng")),
    (" author = A. Person ", ("author", "=", "A. Person")),
    ("formula=a=b", ("formula", "=", "a=b")),
    ("note=", ("note", "=", "")),
    ("dc:subject=x", ("dc:subject", "=", "x")),
    ("my key=x", ("my key", "=", "x")),
    ("date>=2024", ("date", ">=", "2024")),
    ("date <= 2024-02-29", ("date", "<=", "2024-02-29")),
    ("version>=-1.5", ("version", ">=", "-1.5")),
    ("page<=7", ("page", "<=", "7")),
    ("date>=2024-01-01T10:00:00Z", ("date", ">=", "2024-01-01T10:00:00Z")),
]
UNREAD = [
    "",
    "author",
    "=x",
    ">=3",
    "date>2024",
    "date>=",
    "date>=soon",
    "date>=2024-13-01",
    "date<=2023-02-29",
    "title>=3",
    "path<=2024-01-01",
    "heading>=2",
]


@pytest.mark.parametrize(("text", "parts"), READ)
def test_what_is_read(text: str, parts: tuple[str, str, str]) -> None:
    found = Condition.parse(text)
    assert found is not None
    assert (found.key, found.sign, found.value) == parts
    assert Condition.parse(str(found)) == found


@pytest.mark.parametrize("text", UNREAD)
def test_what_is_not_read(text: str) -> None:
    assert Condition.parse(text) is None


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    found = Condition.parse(text)
    assert found is None or Condition.parse(str(found)) == found


@given(st.text(max_size=12), st.sampled_from(["d>=2024-03", "n<=5", "d>=2024-03-01T01:00:00Z"]))
def test_any_value_compares_or_does_not(value: str, text: str) -> None:
    assert where(text)[0].meets(value) in (True, False)


HELD = [
    ("author=Ng", "Ng", True),
    ("author=Ng", "ng", False),
    ("author=Ng", "Li, Ng", True),
    ("author=Ng", "Li; Ng", True),
    ("author=Li, Ng", "Li, Ng", True),
    ("author=Ng", "Ngata", False),
    ("keywords=ship", "ship, crane", True),
    ("client=Acme", "Acme, Inc.", False),
    ("date>=2024", "2024-01-01", True),
    ("date>=2024", "2023-12-31", False),
    ("date<=2024", "2024-12-31", True),
    ("date<=2024", "2025", False),
    ("date>=2024-03", "2024-03-01T00:00:00+00:00", True),
    ("date<=2024-03", "2024-03-31T23:59:59+00:00", True),
    ("date<=2024-02-29", "2024-03-01", False),
    ("date>=2024-01-01", "2024-01-01T00:30:00+02:00", True),
    ("date>=2024-01-01T00:00:00Z", "2024-01-01T00:30:00+02:00", False),
    ("date<=2024-05-01", "Wed, 01 May 2024 10:00:00 +0000", True),
    ("date>=2024-05-02", "Wed, 01 May 2024 10:00:00 +0000", False),
    ("date>=2024-03-01", "2024", False),
    ("date>=2024-01-01", "some day", False),
    ("version>=10", "9", False),
    ("version>=10", "10.5", True),
    ("version<=-1", "-2", True),
    ("version>=10", "ten", False),
    ("version>=2024-01-01", "7", False),
    ("version>=10", "2024-05-01", False),
]


@pytest.mark.parametrize(("text", "found", "holds"), HELD)
def test_what_it_holds_of(text: str, found: str, holds: bool) -> None:
    assert where(text)[0].meets(found) is holds


# --- searches that keep to it


@dataclass(frozen=True, slots=True)
class Text:
    """What a document of the test says of itself, and who may see it."""

    name: str
    authors: tuple[str, ...]
    day: str | None
    version: int | None
    groups: frozenset[str]

    def body(self) -> str:
        front = [f"author: [{', '.join(self.authors)}]"] if self.authors else []
        front += [f"date: {self.day}"] if self.day else []
        front += [f"version: {self.version}"] if self.version is not None else []
        front += [f"groups: [{', '.join(sorted(self.groups))}]"] if self.groups else []
        number = int(self.name[:3])
        text = f"Text {number} is of topic {number % 7} and part {number % 11}."
        return "\n".join(["---", *front, "---", f"# Topic {number % 3}", "", text, ""])


KINDS = ("flat", "hnsw", "ivf")
COUNT = 240


def corpus() -> list[Text]:
    random = np.random.default_rng(8)
    found = []
    for number in range(COUNT):
        authors = random.choice(["Bo", "Cy", "Di"], random.integers(0, 3), replace=False).tolist()
        day = f"20{random.integers(18, 27):02}-{random.integers(1, 13):02}-15"
        groups = random.choice(["hr", "it"], random.integers(0, 2), replace=False).tolist()
        found.append(
            Text(
                f"{number:03}.md",
                ("Ada",) if number in (3, 130) else tuple(authors),
                day if random.random() < 0.8 else None,
                int(random.integers(0, 9)) if random.random() < 0.7 else None,
                frozenset(groups),
            )
        )
    return found


TEXTS = {text.name: text for text in corpus()}


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, KnowledgeBase]]:
    """The same texts under each kind of index, whose graphs are walked whatever that costs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest, "STEP", 0)
        patch.setattr(index, "EXACT_BYTES", 12 * 4 * EMBEDDER.dimension)
        root = tmp_path_factory.mktemp("docs")
        for text in TEXTS.values():
            (root / text.name).write_text(text.body(), encoding="utf-8")
        found = {}
        for kind in KINDS:
            kb = tmp_path_factory.mktemp(kind) / "kb"
            ingest([root], kb, EMBEDDER, index=replace(SMALL, choice=kind))
            found[kind] = KnowledgeBase.open(kb, EMBEDDER)
            assert found[kind].info().index.kind == kind
        yield found
        for base in found.values():
            base.close()


# Each condition with what it means, said in another way than the program's.
MEANT: dict[str, Any] = {
    "author=Ada": lambda t: "Ada" in t.authors,
    "author=Bo": lambda t: "Bo" in t.authors,
    "author=Cy": lambda t: "Cy" in t.authors,
    "author=Nobody": lambda t: False,
    "version=4": lambda t: t.version == 4,
    "version>=3": lambda t: t.version is not None and t.version >= 3,
    "version<=6": lambda t: t.version is not None and t.version <= 6,
    "date>=2022": lambda t: t.day is not None and int(t.day[:4]) >= 2022,
    "date<=2024-06": lambda t: t.day is not None and t.day < "2024-07",
    "date>=2020-02-16": lambda t: t.day is not None and t.day > "2020-02-15",
    "group=hr": lambda t: "hr" in t.groups,
    "heading=Topic 1": lambda t: int(t.name[:3]) % 3 == 1,
}


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    asked=st.lists(st.sampled_from(sorted(MEANT)), min_size=1, max_size=3, unique=True),
    asker=st.frozensets(st.sampled_from(["hr", "it"])),
    k=st.sampled_from([1, 5, 40, 300]),
    seed=st.integers(0, 10**6),
)
def test_every_hit_meets_every_condition_and_the_best_are_found(
    bases: dict[str, KnowledgeBase],
    kind: str,
    asked: list[str],
    asker: frozenset[str],
    k: int,
    seed: int,
) -> None:
    base, flat = bases[kind], bases["flat"]
    chunks = {c.row: TEXTS[Path(c.path).name] for c in base.chunks(range(1, COUNT + 1))}
    allowed = [
        row
        for row, text in chunks.items()
        if (not text.groups or text.groups & asker) and all(MEANT[item](text) for item in asked)
    ]
    query = np.random.default_rng(seed).standard_normal(EMBEDDER.dimension).astype(np.float32)
    query /= np.linalg.norm(query)
    best = sorted(
        zip(flat.similarity(query, allowed), allowed, strict=True), key=lambda p: (-p[0], p[1])
    )[:k]
    hits = base.dense(query, k, asker, where(*asked))
    assert {hit.row for hit in hits} <= set(allowed)
    assert len(hits) == len(best)
    if best:
        floor = best[-1][0] - 1e-5
        good = sum(hit.score >= floor for hit in hits)
        assert good == len(best) if kind == "flat" else good >= 0.8 * len(best) - 1
    if kind == "flat":
        assert np.allclose([hit.score for hit in hits], [score for score, _ in best], atol=1e-5)
    words = base.lexical(["text"], k, asker, where=where(*asked))
    every = {hit.row: hit.score for hit in base.lexical(["text"], COUNT, asker)}
    assert {hit.row for hit in words} <= set(allowed)
    expected = sorted((every[row] for row in allowed), reverse=True)[:k]
    assert np.allclose([hit.score for hit in words], expected)


def test_a_filter_of_two_in_hundreds_finds_both(bases: dict[str, KnowledgeBase]) -> None:
    """However far away they are, and however few are asked for."""
    both = frozenset({"hr", "it"})
    for base in bases.values():
        for seed in range(20):
            query = np.random.default_rng(seed).standard_normal(EMBEDDER.dimension)
            hits = base.dense(query.astype(np.float32), 2, both, where("author=Ada"))
            names = {Path(c.path).name for c in base.chunks([hit.row for hit in hits])}
            assert names == {"003.md", "130.md"}


def test_rows_and_conditions_together(bases: dict[str, KnowledgeBase]) -> None:
    base, both = bases["flat"], frozenset({"hr", "it"})
    rows = [hit.row for hit in base.lexical(["text"], 99, both, where=where("author=Ada"))]
    assert len(rows) == 2
    assert [h.row for h in base.lexical(["text"], 9, both, rows[:1], where("author=Ada"))] == rows[
        :1
    ]
    assert base.lexical(["text"], 9, both, rows, where("author=Bo")) == []
    assert base.among(where("author=Ada")).lexical(["text"], 9, both, rows[1:])[0].row == rows[1]


def test_documents_by_condition(bases: dict[str, KnowledgeBase]) -> None:
    base = bases["flat"]
    for asked, holds in MEANT.items():
        if asked.startswith("heading"):
            continue
        names = {Path(record.path).name for record in base.documents(where(asked))}
        assert names == {name for name, text in TEXTS.items() if holds(text)}
    counts = {item.key: item.documents for item in base.metadata_keys()}
    assert counts["version"] == sum(text.version is not None for text in TEXTS.values())
    assert set(counts) == {"author", "date", "version"}


@pytest.mark.parametrize("asked", [("autor=Ada",), ("author=Ada", "when>=2024"), ("date!=2024",)])
def test_an_unknown_key_is_named_with_those_there_are(
    bases: dict[str, KnowledgeBase], asked: tuple[str, ...]
) -> None:
    query = EMBEDDER.embed(["text"])[0]
    base = bases["hnsw"]
    for search in (
        lambda: base.dense(query, 3, where=where(*asked)),
        lambda: base.lexical(["text"], 3, where=where(*asked)),
        lambda: base.documents(where(*asked)),
    ):
        with pytest.raises(UnknownKey, match=r"known are document, path, .*author, date") as error:
            search()
        assert error.value.exit_code == 2
        assert "\n" not in str(error.value)


def test_documents_have_no_page(bases: dict[str, KnowledgeBase]) -> None:
    with pytest.raises(UnknownKey, match="knows no 'page'"):
        bases["flat"].documents(where("page=1"))


def test_a_key_of_hidden_documents_is_unknown(run: Any, tree: Any, kb: Path) -> None:
    """Else the error would tell who may not see it that it is there."""
    tree(
        {
            "open.md": "---\nauthor: Bo\n---\nOpen text.",
            "hidden.md": "---\nsalary: 9\ngroups: [hr]\n---\nHidden text.",
        }
    )
    run()
    base, query = KnowledgeBase.open(kb, EMBEDDER), EMBEDDER.embed(["text"])[0]
    assert len(base.dense(query, 9, frozenset({"hr"}), where("salary>=5"))) == 1
    assert base.dense(query, 9, frozenset({"hr"}), where("salary>=10")) == []
    for asked in ("salary>=5", "salary=9", "nothing=x"):
        with pytest.raises(UnknownKey) as error:
            base.dense(query, 9, frozenset(), where(asked))
        assert "salary" not in error.value.known


def test_paths_pages_and_newer_generations(run: Any, tree: Any, kb: Path) -> None:
    root = tree({"a/x.md": "Same text.", "b/x.md": "Same text.", "b/y.md": "Other text."})
    run()
    base, query = KnowledgeBase.open(kb, EMBEDDER), EMBEDDER.embed(["text"])[0]
    for folder, count in (("a", 1), ("b", 2), ("", 2), ("c", 0)):
        path = str(root / folder)
        assert len(base.dense(query, 9, where=where(f"path={path}"))) == count
        assert len(base.lexical(["text"], 9, where=where(f"path={path}"))) == count
    assert base.dense(query, 9, where=where("page>=1")) == []
    tree({"c/z.md": "New text."})
    run()
    assert len(base.dense(query, 9, where=where(f"path={root / 'c'}"))) == 1
    assert len(base.lexical(["text"], 9, where=where(f"path={root / 'c'}"))) == 1
