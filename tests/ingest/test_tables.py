"""Rows, JSON and source code: every line can be read alone, and nothing of a file is lost."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.metadata import iso_date, normalised
from ingest.readers.border import guarded
from ingest.readers.plain import PLAIN_READERS
from ingest.types import Failure, ParsedDocument


def parse(kind: str, data: bytes | str, path: str = "x/people.csv") -> ParsedDocument:
    whole = data.encode() if isinstance(data, str) else data
    parsed = guarded(PLAIN_READERS[kind], whole, path)
    assert isinstance(parsed, ParsedDocument), parsed
    position = 0
    for section in parsed.sections:
        assert position <= section.start < section.end <= len(parsed.text)
        position = section.end
    return parsed


def lines(kind: str, data: bytes | str) -> list[str]:
    return parse(kind, data).text.split("\n")


# Comma and tab separated values


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("name,age\nAda,36\n", ["name | age", "name: Ada | age: 36"]),
        ("name;age\nAda;36,5\n", ["name | age", "name: Ada | age: 36,5"]),
        ("name\tage\nAda\t36\n", ["name | age", "name: Ada | age: 36"]),
        ("name|age\nAda|36\n", ["name | age", "name: Ada | age: 36"]),
        ("\ufeffname,age\r\nAda,36\r\n", ["name | age", "name: Ada | age: 36"]),
        ('name,note\nAda,"a, ""b""\nand c"\n', ["name | note", 'name: Ada | note: a, "b" and c']),
        ("name,2019,2020\nAda,1,2\n", ["name | 2019 | 2020", "name: Ada | 2019: 1 | 2020: 2"]),
        ("1,2\n3,4\n", ["1 | 2", "3 | 4"]),
        (
            "name,age\nAda,36,extra\nBob\n",
            ["name | age", "name: Ada | age: 36 | extra", "name: Bob"],
        ),
        ("name,,age\nAda,x,\n", ["name | age", "name: Ada | x"]),
        ("name\nAda\n\nBob\n", ["name", "name: Ada", "name: Bob"]),
        ("only one line, with a comma", ["only one line | with a comma"]),
    ],
)
def test_each_row_names_its_columns(data: str, expected: list[str]) -> None:
    assert lines("csv", data) == expected


def test_a_quotation_mark_that_is_never_closed_swallows_nothing() -> None:
    rows = "".join(f"{n},text {n}\n" for n in range(500))
    assert lines("csv", f'number,text\n7,"odd\n{rows}')[-1] == "number: 499 | text: text 499"


def test_fields_of_any_size() -> None:
    long = "word " * 60_000
    assert len(lines("csv", f"name,text\nAda,{long}\n")[1]) > 290_000


def test_encodings() -> None:
    text = "article;texte\n1;Tous les êtres humains naissent libres et égaux en dignité.\n" * 9
    for encoding in ("cp1252", "utf-16", "utf-8-sig"):
        found = lines("csv", text.encode(encoding))[1]
        assert found.startswith("article: 1 | texte: Tous les êtres humains naissent libres")


CELL = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp", "Cf"]), max_size=9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(CELL, min_size=2, max_size=4), min_size=1, max_size=6))
def test_for_every_table_no_cell_is_lost(rows: list[list[str]]) -> None:
    written = io.StringIO()
    csv.writer(written).writerows([["name", "value", "a", "b"], *rows])
    result = guarded(PLAIN_READERS["csv"], written.getvalue().encode(), "a.csv")
    assert isinstance(result, ParsedDocument)
    for cell in (cell for row in rows for cell in row):
        assert cell in result.text


# JSON


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": 1, "b": {"c": True, "d": None}}, ["a: 1", "b.c: true", "b.d: null"]),
        ({"tags": ["x", "y"], "none": []}, ["tags: x, y", "none: []"]),
        ([{"id": 1, "n": {"x": 2}}, {"id": 2}], ["id: 1 | n.x: 2", "id: 2"]),
        ({"rows": [{"a": 1, "b": 2}]}, ["rows: a: 1 | b: 2"]),
        ({"text": "one\ntwo"}, ["text: one", "two"]),
        ([[1, 2], [3]], ["1, 2", "3"]),
        ("word", ["word"]),
        (12345678901234567890123, ["12345678901234567890123"]),
    ],
)
def test_json(value: Any, expected: list[str]) -> None:
    assert lines("json", json.dumps(value)) == expected


def test_numbers_keep_their_digits() -> None:
    assert lines("json", '{"a": 1.10, "b": 1e5, "c": 0.1000000000000000055}') == [
        "a: 1.10",
        "b: 1e5",
        "c: 0.1000000000000000055",
    ]


@pytest.mark.parametrize("data", ['{"a": 1, // why\n}', "{", "[1, 2", "[" * 5000, "NaN,"])
def test_what_is_nearly_json_is_text(data: str) -> None:
    assert parse("json", data).text == data


def test_json_sections() -> None:
    value = {"name": "x", "parts": [{"a": 1}, {"a": 2}], "note": {"text": "word " * 200}}
    parsed = parse("json", json.dumps(value), "x/made.json")
    assert [(section.kind, section.headings) for section in parsed.sections] == [
        ("table", ("made",)),
        ("table", ("made", "parts")),
        ("prose", ("made", "note")),
    ]


def test_json_lines_that_are_no_corpus() -> None:
    data = '{"a": 1, "b": "x"}\n\n{"a": 2\n[3, 4]\n'
    assert lines("jsonl", data) == ["a: 1 | b: x", '{"a": 2', "3, 4"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(categories=["L"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(categories=["L"]), max_size=5), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(JSON)
def test_for_every_value_all_strings_are_there(value: Any) -> None:
    result = guarded(PLAIN_READERS["json"], json.dumps(value).encode(), "a.json")
    if isinstance(result, Failure):
        assert not any(map(str.strip, strings(value)))
        return
    for text in strings(value):
        assert text in result.text


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in strings(part)]
    if isinstance(value, list):
        return [text for part in value for text in strings(part)]
    return [value] if isinstance(value, str) else []


# Source code

PYTHON = '''"""Doc."""
import os

# What it does.
@decorated
def first(x):
    return x


class Second:
    def method(self):
        def inner():
            return 1
'''


@pytest.mark.parametrize(
    ("path", "code", "language", "names"),
    [
        ("a/tool.py", PYTHON, "python", ["", "first", "Second"]),
        ("a.go", "package main\n\nfunc Run() {\n}\n", "go", ["main", "Run"]),
        ("a.rs", "use x;\npub(crate) fn run() {\n}\nimpl Foo {\n}\n", "rust", ["", "run", "Foo"]),
        ("a.js", "export default function go() {}\n", "javascript", ["go"]),
        ("a.c", "#include <x.h>\nstatic int run(int a)\n{\n}\n", "c", ["", "run"]),
        ("a.sql", "CREATE TABLE users (\n id int);\n", "sql", ["users"]),
        ("a.yaml", "a: 1\nb:\n  - c\n", "yaml", [""]),
    ],
)
def test_code_is_cut_between_definitions(
    path: str, code: str, language: str, names: list[str]
) -> None:
    parsed = parse("code", code, path)
    assert parsed.text == code
    assert "".join(code[part.start : part.end] for part in parsed.sections) == code
    assert [part.headings[1] if part.headings[1:] else "" for part in parsed.sections] == names
    assert parsed.metadata == {"code_language": language}


def test_comments_and_decorators_stay_with_what_they_belong_to() -> None:
    parsed = parse("code", PYTHON, "a.py")
    part = parsed.sections[1]
    assert parsed.text[part.start : part.end].startswith("# What it does.\n@decorated\ndef first")


# Metadata


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"Author": " Ada "}, {"author": "Ada"}),
        ({"creator": "Ada", "x": "1"}, {"author": "Ada", "x": "1"}),
        ({"creator": "Bob", "author": "Ada"}, {"creator": "Bob", "author": "Ada"}),
        ({"lastmod": "2024-01-02", "empty": " "}, {"modified": "2024-01-02"}),
        ({"creationdate": "D:20240102030405+01'00'"}, {"date": "2024-01-02T03:04:05+01:00"}),
        ({"created": "2024-01-02T03:04:05Z"}, {"date": "2024-01-02T03:04:05+00:00"}),
        ({"lang": "en_us.UTF-8"}, {"language": "en-US"}),
        ({"language": "Plain English"}, {"language": "Plain English"}),
        ({"tags": "a, b"}, {"keywords": "a, b"}),
    ],
)
def test_metadata_has_one_name_for_one_thing(
    found: dict[str, str], expected: dict[str, str]
) -> None:
    assert normalised(found) == expected


@given(st.text(max_size=40) | st.from_regex(r"D:\d{4,14}[+-]\d\d'\d\d", fullmatch=True))
def test_every_date_stays_or_becomes_one(value: str) -> None:
    once = iso_date(value)
    assert iso_date(once) == once


def test_the_head_of_a_page_and_front_matter() -> None:
    from ingest.readers.registry import read

    page = (
        "---\nauthor: Ada\n---\n<html lang=de><head><meta name=author content=Bob>"
        "<meta property='article:published_time' content='2024-01-02'></head><p>words"
    )
    parsed = guarded(read, page.encode(), "a.html")
    assert isinstance(parsed, ParsedDocument)
    assert parsed.text == "words"
    assert parsed.metadata == {"author": "Ada", "date": "2024-01-02", "language": "de"}
