"""Public formats to our case lines: right fields and offsets, and a clear word about damage."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from typer.testing import CliRunner

from evals.convert import FORMATS, convert, write
from ingest.errors import SurefootError

SQUAD = {
    "version": "v2.0",
    "data": [
        {
            "title": "Harbour_law",
            "paragraphs": [
                {"context": "Ports tax ships.", "qas": []},
                {
                    "context": "The pier is 40 m long, that is forty metres.",
                    "qas": [
                        {
                            "id": "q1",
                            "question": "How long is the pier?",
                            "is_impossible": False,
                            "answers": [
                                {"text": "40 m", "answer_start": 12},
                                {"text": "forty metres", "answer_start": 31},
                                {"text": "40 m", "answer_start": 12},
                            ],
                        },
                        {
                            "id": "q2",
                            "question": "How deep is it?",
                            "is_impossible": True,
                            "answers": [],
                            "plausible_answers": [{"text": "40 m", "answer_start": 12}],
                        },
                    ],
                },
            ],
        },
        {"title": "Harbour_law", "paragraphs": [{"context": "Again.", "qas": []}]},
    ],
}
SOURCES = [
    {
        "source_id": "14",
        "task_type": "QA",
        "source": "MARCO",
        "source_info": {"question": "how to cook beets", "passages": "passage 1:Boil.\n\n"},
        "prompt": "...",
    },
    {"source_id": "15", "task_type": "Summary", "source": "News", "source_info": "A long story."},
    {
        "source_id": "16",
        "task_type": "Data2txt",
        "source": "Yelp",
        "source_info": {"name": "Café Ü", "stars": 3.0},
    },
]
RESPONSES = [
    {
        "id": "1",
        "source_id": "14",
        "model": "m",
        "temperature": 0.7,
        "labels": [
            {"start": 10, "end": 22, "text": "for 3 hours.", "label_type": "Evident Baseless Info"},
            {"start": 0, "end": 4, "text": "Boil", "label_type": "Subtle Conflict"},
        ],
        "split": "test",
        "quality": "good",
        "response": "Boil beet for 3 hours.",
    },
    {
        "id": "2",
        "source_id": "15",
        "model": "m",
        "labels": [],
        "split": "train",
        "quality": "truncated",
        "response": "A story.",
    },
    {
        "id": "3",
        "source_id": "16",
        "model": "n",
        "labels": [],
        "split": "test",
        "quality": "good",
        "response": "Café Ü has three stars.",
    },
]
PRESIDIO = [
    {
        "full_text": "Ann lives in Oslo.",
        "masked": "{{name}} lives in {{city}}.",
        "spans": [
            {
                "entity_type": "GPE",
                "entity_value": "Oslo",
                "start_position": 13,
                "end_position": 17,
            },
            {
                "entity_type": "PERSON",
                "entity_value": "Ann",
                "start_position": 0,
                "end_position": 3,
            },
        ],
        "template_id": 7,
        "metadata": {"Gender": "female"},
    },
    {"full_text": "Nobody here.", "spans": [], "template_id": None},
]
MODERATION = [
    {"prompt": "one", "S": 1, "H": 0, "V": 0, "HR": 0, "SH": 0, "S3": 0, "H2": 0, "V2": 0},
    {"prompt": "two", "V": 1, "H2": None},
]


def jsonl(path: Path, rows: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def document(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def ragtruth(folder: Path, responses: list[Any] = RESPONSES, sources: list[Any] = SOURCES) -> Path:
    jsonl(folder / "response.jsonl", responses)
    jsonl(folder / "source_info.jsonl", sources)
    return folder


def beir(folder: Path, qrels: str) -> Path:
    jsonl(folder / "corpus.jsonl.gz", [{"_id": "d1", "title": "T", "text": "x", "metadata": {}}])
    jsonl(folder / "queries.jsonl", [{"_id": "1", "text": "why?"}, {"_id": "2", "text": "who?"}])
    (folder / "qrels").mkdir()
    (folder / "qrels" / "test.tsv").write_text(qrels, encoding="utf-8")
    return folder


def test_squad_gives_questions_with_and_without_answers(tmp_path: Path) -> None:
    found = convert("squad", document(tmp_path / "dev.json", SQUAD))
    assert found.suite == "qa"
    assert list(found.cases) == [
        {
            "id": "q1",
            "query": "How long is the pier?",
            "relevant": ["Harbour_law#1"],
            "cluster": "Harbour_law#1",
            "answers": ["40 m", "forty metres"],
        },
        {
            "id": "q2",
            "query": "How deep is it?",
            "relevant": ["Harbour_law#1"],
            "cluster": "Harbour_law#1",
            "answers": [],
        },
    ]
    assert found.corpus is not None
    corpus = list(found.corpus)
    assert [row["id"] for row in corpus] == ["Harbour_law#0", "Harbour_law#1", "Harbour_law#2"]
    assert {row["title"] for row in corpus} == {"Harbour law"}
    assert corpus[2]["text"] == "Again."


def test_squad_retrieval_takes_what_has_an_answer(tmp_path: Path) -> None:
    found = convert("squad-retrieval", document(tmp_path / "dev.json", SQUAD))
    assert [(row["id"], row["relevant"]) for row in found.cases] == [("q1", ["Harbour_law#1"])]


def test_beir_joins_queries_and_judgements(tmp_path: Path) -> None:
    qrels = "query-id\tcorpus-id\tscore\n1\td1\t2\n1\td9\t1\n1\td1\t1\n2\td1\t0\r\n"
    found = convert("beir", beir(tmp_path, qrels))
    assert list(found.cases) == [{"id": "1", "query": "why?", "relevant": ["d1", "d9"]}]
    assert found.corpus is not None
    assert list(found.corpus) == [{"id": "d1", "title": "T", "text": "x"}]


def test_ragtruth_spans_are_the_annotators(tmp_path: Path) -> None:
    rows = list(convert("ragtruth", ragtruth(tmp_path)).cases)
    assert [row["id"] for row in rows] == ["ragtruth-1", "ragtruth-3"]
    first, second = rows
    assert first["spans"] == [[0, 4], [10, 22]]
    marked = [first["answer"][start:end] for start, end in first["spans"]]
    assert marked == ["Boil", "for 3 hours."]
    assert first["hallucinated"] is True
    assert (first["question"], first["cluster"]) == ("how to cook beets", "14")
    assert first["source"] == "passage 1:Boil.\n\n"
    assert (second["hallucinated"], second["spans"]) == (False, [])
    assert "Café Ü" in second["source"]
    assert "question" not in second


@pytest.mark.parametrize(
    ("tasks", "split", "ids"),
    [
        (("QA",), "test", ["1"]),
        (("Summary",), "all", ["2"]),
        ((), "all", ["1", "2", "3"]),
        (("Data2txt", "QA"), "test", ["1", "3"]),
        (("Summary",), "test", []),
    ],
)
def test_ragtruth_by_task_and_split(
    tmp_path: Path, tasks: tuple[str, ...], split: str, ids: list[str]
) -> None:
    rows = convert("ragtruth", ragtruth(tmp_path), tasks, split).cases
    assert [row["id"] for row in rows] == [f"ragtruth-{name}" for name in ids]


def test_presidio_spans_and_templates(tmp_path: Path) -> None:
    rows = list(convert("presidio", document(tmp_path / "synth_v2.json", PRESIDIO)).cases)
    assert rows == [
        {
            "id": "synth_v2-0",
            "text": "Ann lives in Oslo.",
            "spans": [[0, 3, "PERSON"], [13, 17, "GPE"]],
            "cluster": "7",
        },
        {"id": "synth_v2-1", "text": "Nobody here.", "spans": []},
    ]


def test_openai_moderation_keeps_what_is_unknown_unknown(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "samples-1680.jsonl.gz", MODERATION)
    first, second = convert("openai-moderation", path).cases
    assert first["labels"] == {
        "sexual": 1,
        "hate": 0,
        "violence": 0,
        "harassment": 0,
        "self_harm": 0,
        "sexual_minors": 0,
        "hate_threatening": 0,
        "violence_graphic": 0,
    }
    assert second["labels"]["violence"] == 1
    assert second["labels"]["sexual"] is None
    assert second["labels"]["hate_threatening"] is None
    assert (second["id"], second["text"]) == ("samples-1680-1", "two")


def edited(value: Any, *place: Any, new: Any = None) -> Any:
    """A copy with one field replaced, or removed where `new` is None."""
    copy = json.loads(json.dumps(value))
    at = copy
    for key in place[:-1]:
        at = at[key]
    if new is None:
        del at[place[-1]]
    else:
        at[place[-1]] = new
    return copy


QA = ("data", 0, "paragraphs", 1, "qas", 0)
DAMAGED: list[tuple[str, Any, str]] = [
    ("squad", [], "is a list, not an object"),
    ("squad", {}, "'data' is missing"),
    ("squad", {"data": {"a": 1}}, "'data' is a dict, not a list"),
    ("squad", edited(SQUAD, "data", 0, "title"), r"data\[0\]: field 'title' is missing"),
    ("squad", edited(SQUAD, *QA, "id"), r"qas\[0\]: field 'id' is missing"),
    ("squad", edited(SQUAD, *QA, "answers"), r"qas\[0\]: field 'answers' is missing"),
    ("squad", edited(SQUAD, *QA, "answers", new=[]), "has no answers"),
    ("squad", edited(SQUAD, *QA, "answers", 0, "text", new="zz"), r"answers\[0\]: 'zz' does not"),
    ("squad", edited(SQUAD, *QA, "question", new=3), "'question' is a int, not a text"),
    ("presidio", {"a": 1}, "not a list"),
    ("presidio", ["x"], r"\[0\]: is a str, not an object"),
    ("presidio", edited(PRESIDIO, 0, "full_text"), "'full_text' is missing"),
    ("presidio", edited(PRESIDIO, 0, "spans", 0, "end_position", new=99), "outside the text of 18"),
    (
        "presidio",
        edited(PRESIDIO, 0, "spans", 0, "start_position", new=12),
        "'Oslo' does not stand",
    ),
    ("presidio", edited(PRESIDIO, 0, "spans", 0, "start_position", new=True), "whole number"),
    ("openai-moderation", [1], r":1: is a int"),
    ("openai-moderation", edited(MODERATION, 0, "S", new=2), "column 'S' is 2, not 0, 1 or null"),
    ("openai-moderation", edited(MODERATION, 1, "prompt"), ":2: field 'prompt' is missing"),
    ("openai-moderation", [{"prompt": "x"}], "none of the columns S, H, V"),
]


@pytest.mark.parametrize(("name", "value", "problem"), DAMAGED)
def test_damage_is_named(tmp_path: Path, name: str, value: Any, problem: str) -> None:
    if name == "openai-moderation":
        path = jsonl(tmp_path / "in.jsonl", value)
    else:
        path = document(tmp_path / "in.json", value)
    with pytest.raises(SurefootError, match=problem) as caught:
        list(convert(name, path).cases)
    assert str(path) in str(caught.value)


RAGTRUTH_DAMAGED: list[tuple[Any, Any, str]] = [
    (edited(RESPONSES, 0, "source_id", new="99"), SOURCES, "response.jsonl:1: its source is not"),
    (edited(RESPONSES, 0, "labels"), SOURCES, "'labels' is missing"),
    (edited(RESPONSES, 0, "labels", 0, "text", new="zz"), SOURCES, "'zz' does not stand"),
    (RESPONSES, edited(SOURCES, 0, "task_type", new="Poem"), "task_type is 'Poem', not QA"),
    (RESPONSES, edited(SOURCES, 0, "source_info", new="x"), "source_info: is a str"),
]


@pytest.mark.parametrize(("responses", "sources", "problem"), RAGTRUTH_DAMAGED)
def test_ragtruth_damage(tmp_path: Path, responses: Any, sources: Any, problem: str) -> None:
    with pytest.raises(SurefootError, match=problem):
        list(convert("ragtruth", ragtruth(tmp_path, responses, sources)).cases)


def test_a_ragtruth_label_a_little_off_is_found_by_its_text(tmp_path: Path) -> None:
    moved = edited(RESPONSES, 0, "labels", 0, "start", new=2)
    first = next(convert("ragtruth", ragtruth(tmp_path, moved)).cases)
    assert [first["answer"][a:b] for a, b in first["spans"]] == ["Boil", "for 3 hours."]


@pytest.mark.parametrize(
    ("qrels", "problem"),
    [
        ("1\td1\n", r"test.tsv:1: is not: query, document, grade"),
        ("query-id\tcorpus-id\tscore\n1\td1\tyes\n", r"test.tsv:2"),
        ("1\td1\t²\n", r"test.tsv:1"),
        ("77\td1\t1\n", "1 queries of qrels/test.tsv are not in its queries"),
    ],
)
def test_beir_damage(tmp_path: Path, qrels: str, problem: str) -> None:
    with pytest.raises(SurefootError, match=problem):
        list(convert("beir", beir(tmp_path, qrels)).cases)


@pytest.mark.parametrize("name", sorted(FORMATS))
@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, b"\x1f\x8b\x08bad"])
def test_hostile_files(tmp_path: Path, name: str, data: bytes) -> None:
    folder = name in {"beir", "ragtruth"}
    path = tmp_path / "in"
    if folder:
        (path / "qrels").mkdir(parents=True)
        for file in ("response.jsonl", "source_info.jsonl", "queries.jsonl", "qrels/test.tsv"):
            (path / file).write_bytes(data)
    else:
        path.write_bytes(data)
    with pytest.raises(SurefootError):
        write(convert(name, path), tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()
    assert [item.name for item in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_the_wrong_kind_of_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(SurefootError, match="there is no"):
        convert(name, tmp_path / "missing")
    file = tmp_path / "file"
    file.write_text("{}")
    with pytest.raises(SurefootError):
        list(convert(name, file if name in {"beir", "ragtruth"} else tmp_path).cases)


def test_unknown_names(tmp_path: Path) -> None:
    with pytest.raises(SurefootError, match="format 'csv' is not known; there are: squad"):
        convert("csv", tmp_path)
    with pytest.raises(SurefootError, match="task 'qa' is not known; there are: QA"):
        convert("ragtruth", tmp_path, ("qa",))


def test_written_files_are_whole_and_the_same_every_time(tmp_path: Path) -> None:
    source = document(tmp_path / "dev.json", SQUAD)
    outs = []
    for name in ("a", "b"):
        cases, corpus = tmp_path / f"{name}.jsonl.gz", tmp_path / f"{name}-corpus.jsonl"
        done = write(convert("squad", source), cases, corpus)
        assert (done.suite, done.cases, done.corpus) == ("qa", 2, 3)
        outs.append((cases.read_bytes(), corpus.read_bytes()))
    assert outs[0] == outs[1]
    lines = gzip.decompress(outs[0][0]).decode().splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["q1", "q2"]


def test_a_failure_leaves_the_old_file_as_it_was(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("old")
    bad = document(tmp_path / "bad.json", edited(SQUAD, *QA[:-1], 1, "id", new="q1"))
    with pytest.raises(SurefootError, match="'q1' is given twice"):
        write(convert("squad", bad), out)
    assert out.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2


def test_what_cannot_be_written(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "m.jsonl", MODERATION)
    with pytest.raises(SurefootError, match="no documents"):
        write(convert("openai-moderation", path), tmp_path / "o.jsonl", tmp_path / "c.jsonl")
    with pytest.raises(SurefootError, match="cannot both"):
        write(convert("squad", path), tmp_path / "o.jsonl", tmp_path / "o.jsonl")
    with pytest.raises(SurefootError, match="cannot write"):
        write(convert("openai-moderation", path), path / "o.jsonl")
    empty = ragtruth(tmp_path / "r", [RESPONSES[1]])
    with pytest.raises(SurefootError, match="no cases were found"):
        write(convert("ragtruth", empty), tmp_path / "o.jsonl")


TEXTS = st.text(st.characters(exclude_categories=()), min_size=1, max_size=20)


@example(before="\ud83d", said="x", after="é")
@given(before=TEXTS, said=TEXTS, after=TEXTS)
def test_offsets_survive_any_text(
    tmp_path_factory: pytest.TempPathFactory, before: str, said: str, after: str
) -> None:
    folder = tmp_path_factory.mktemp("any")
    text, start = before + said + after, len(before)
    span = {
        "entity_type": "X",
        "entity_value": said,
        "start_position": start,
        "end_position": start + len(said),
    }
    source = document(folder / "in.json", [{"full_text": text, "spans": [span]}])
    write(convert("presidio", source), folder / "out.jsonl")
    row = json.loads((folder / "out.jsonl").read_text(encoding="utf-8"))
    # JSON joins two halves of a surrogate pair that stand side by side.
    if not any("\ud800" <= char <= "\udfff" for char in text):
        (found,) = row["spans"]
        assert row["text"][found[0] : found[1]] == said


def test_the_command(tmp_path: Path) -> None:
    import typer

    from ui.commands.convert import convert as command

    app = typer.Typer()
    app.command()(command)
    source, out = document(tmp_path / "dev.json", SQUAD), tmp_path / "cases.jsonl"
    call = ["squad", str(source), "--out", str(out), "--corpus", str(tmp_path / "c.jsonl")]
    done = CliRunner().invoke(app, [*call, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["cases"] == 2
    assert "2 cases for the suite qa" in CliRunner().invoke(app, call).stdout
    over = CliRunner().invoke(app, ["squad", str(source), "--out", str(source)])
    assert isinstance(over.exception, SurefootError)
