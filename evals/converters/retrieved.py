"""Formats with documents: SQuAD 1.1 and 2.0, and BEIR folders.

SQuAD: Rajpurkar et al., 2016 and 2018. BEIR: Thakur et al., 2021.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evals.converters.source import (
    Node,
    existing,
    node,
    read_document,
    read_lines,
)
from evals.errors import CaseError
from evals.lines import numbered

Row = dict[str, Any]


def squad_qa(path: Path) -> Iterator[Row]:
    """Questions with their accepted answers; those that SQuAD 2.0 calls impossible have none."""
    for paragraph, name in _paragraphs(path):
        for question in paragraph.items("qas"):
            yield {**_query(question, name), "answers": _answers(question, paragraph)}


def squad_retrieval(path: Path) -> Iterator[Row]:
    """Questions that have an answer, and the paragraph that holds it."""
    for paragraph, name in _paragraphs(path):
        for question in paragraph.items("qas"):
            if _answers(question, paragraph):
                yield _query(question, name)


def squad_corpus(path: Path) -> Iterator[Row]:
    """Every paragraph as a document called "Title#n"."""
    for paragraph, name in _paragraphs(path):
        title = name.rpartition("#")[0].replace("_", " ")
        yield {"id": name, "title": title, "text": paragraph.text("context")}


def beir_cases(path: Path, split: str) -> Iterator[Row]:
    """Queries that have a relevant document in the split. Grades over 0 count as relevant."""
    relevant = _relevant(existing(path, f"qrels/{split}.tsv"))
    asked = 0
    for query in read_lines(existing(path, "queries.jsonl")):
        name = query.name("_id")
        if documents := relevant.get(name):
            asked += 1
            yield {"id": name, "query": query.text("text"), "relevant": documents}
    if asked < len(relevant):
        missing = len(relevant) - asked
        raise CaseError(str(path), f"{missing} queries of qrels/{split}.tsv are not in its queries")


def beir_corpus(path: Path) -> Iterator[Row]:
    for document in read_lines(existing(path, "corpus.jsonl")):
        yield {
            "id": document.name("_id"),
            "title": document.text("title", ""),
            "text": document.text("text"),
        }


def _paragraphs(path: Path) -> Iterator[tuple[Node, str]]:
    """Paragraphs with their names. Articles of one title go on counting."""
    counts: dict[str, int] = defaultdict(int)
    for article in node(read_document(path), str(path)).items("data"):
        title = article.text("title")
        for paragraph in article.items("paragraphs"):
            yield paragraph, f"{title}#{counts[title]}"
            counts[title] += 1


def _query(question: Node, paragraph: str) -> Row:
    return {
        "id": question.name("id"),
        "query": question.text("question"),
        "relevant": [paragraph],
        "cluster": paragraph,
    }


def _answers(question: Node, paragraph: Node) -> list[str]:
    """Accepted answers, each once. Raises CaseError if one does not stand in the paragraph."""
    if question.value.get("is_impossible") is True:
        return []
    context = paragraph.text("context")
    found = []
    for answer in question.items("answers"):
        text = answer.text("text")
        if text not in context:
            raise CaseError(answer.where, f"{text[:40]!r} does not stand in its paragraph")
        found.append(text)
    if not found:
        raise CaseError(question.where, "has no answers and is not said to be impossible")
    return list(dict.fromkeys(found))


def _relevant(path: Path) -> dict[str, list[str]]:
    """Query -> relevant documents, from lines "query, document, grade" below a heading."""
    found: dict[str, list[str]] = {}
    for number, line in numbered(path):
        fields = line.decode("utf-8-sig", "replace").rstrip("\r\n").split("\t")
        if number == 1 and fields[-1] == "score":
            continue
        grade = _grade(fields)
        if grade is None:
            raise CaseError(f"{path}:{number}", "is not: query, document, grade (by tabs)")
        if grade > 0:
            found.setdefault(fields[0], []).append(fields[1])
    return {query: list(dict.fromkeys(documents)) for query, documents in found.items()}


def _grade(fields: list[str]) -> int | None:
    if len(fields) != 3 or not all(fields):
        return None
    try:
        return int(fields[2])
    except ValueError:
        return None
