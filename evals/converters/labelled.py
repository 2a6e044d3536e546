"""Formats of labelled texts: RAGTruth, presidio-research, OpenAI's moderation set.

RAGTruth: Niu et al., 2024. The moderation set: Markov et al., 2022.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from evals.converters.source import Node, existing, node, read_document, read_lines
from evals.errors import CaseError

Row = dict[str, Any]

RAGTRUTH_TASKS = ("QA", "Summary", "Data2txt")

MODERATION_COLUMNS = {
    "S": "sexual",
    "H": "hate",
    "V": "violence",
    "HR": "harassment",
    "SH": "self_harm",
    "S3": "sexual_minors",
    "H2": "hate_threatening",
    "V2": "violence_graphic",
}


def ragtruth_cases(path: Path, split: str, tasks: Collection[str] = ()) -> Iterator[Row]:
    """Answers with the spans that annotators call invented. `tasks` empty means all three.

    Answers to one source share a cluster; `split` "all" takes the training part too.
    """
    sources = {source.name("source_id"): source for source in read_lines(_sources_of(path))}
    for response in read_lines(existing(path, "response.jsonl")):
        source = sources.get(response.name("source_id"))
        if source is None:
            raise CaseError(response.where, "its source is not in source_info.jsonl")
        task = source.text("task_type")
        if task not in RAGTRUTH_TASKS:
            raise CaseError(source.where, f"task_type is {task!r}, not {_listed(RAGTRUTH_TASKS)}")
        in_split = split == "all" or response.text("split") == split
        if in_split and (not tasks or task in tasks):
            yield _ragtruth_row(response, source, task)


def presidio_cases(path: Path) -> Iterator[Row]:
    """Sentences with the spans of personal data; sentences of one template share a cluster."""
    document = read_document(path)
    if not isinstance(document, list):
        raise CaseError(str(path), "is not a list of sentences")
    for index, item in enumerate(document):
        sentence = node(item, f"{path}, [{index}]")
        text = sentence.text("full_text")
        spans = [_presidio_span(span, text) for span in sentence.items("spans")]
        row: Row = {"id": f"{_stem(path)}-{index}", "text": text, "spans": sorted(spans)}
        if sentence.value.get("template_id") is not None:
            row["cluster"] = sentence.name("template_id")
        yield row


def moderation_cases(path: Path) -> Iterator[Row]:
    """Texts with a 0 or 1 for each category; null where the file does not say."""
    for number, line in enumerate(read_lines(path)):
        labels = {name: _flag(line, column) for column, name in MODERATION_COLUMNS.items()}
        if all(label is None for label in labels.values()):
            columns = _listed(tuple(MODERATION_COLUMNS))
            raise CaseError(line.where, f"has none of the columns {columns}")
        yield {"id": f"{_stem(path)}-{number}", "text": line.text("prompt"), "labels": labels}


def _sources_of(path: Path) -> Path:
    return existing(path, "source_info.jsonl")


def _ragtruth_row(response: Node, source: Node, task: str) -> Row:
    answer = response.text("response")
    spans = sorted({_ragtruth_span(label, answer) for label in response.items("labels")})
    row: Row = {
        "id": f"ragtruth-{response.name('id')}",
        "source": _rendered(source, task),
        "answer": answer,
        "hallucinated": bool(spans),
        "spans": [list(span) for span in spans],
        "cluster": source.name("source_id"),
        "task": task,
        "model": response.text("model"),
        "quality": response.text("quality", ""),
    }
    if task == "QA":
        row["question"] = node(source.value["source_info"], source.where).text("question")
    return row


def _rendered(source: Node, task: str) -> str:
    """The source as a text: the passages, the article, or the record as JSON."""
    info = source.value.get("source_info")
    if task == "QA":
        return node(info, f"{source.where}, source_info").text("passages")
    if isinstance(info, dict):
        return json.dumps(info, ensure_ascii=False, indent=1)
    return source.text("source_info")


def _ragtruth_span(label: Node, answer: str) -> tuple[int, int]:
    """Where the label's text stands: at its offsets, or else where it stands once in the answer."""
    start, end = label.number("start"), label.number("end")
    inside = 0 <= start < end <= len(answer)
    said = label.text("text", answer[start:end] if inside else "")
    if inside and answer[start:end].split() == said.split():
        return start, end
    if said and answer.count(said) == 1:
        start = answer.index(said)
        return start, start + len(said)
    raise CaseError(label.where, f"{said[:40]!r} does not stand at characters {start} to {end}")


def _presidio_span(span: Node, text: str) -> list[Any]:
    start, end = span.number("start_position"), span.number("end_position")
    if not 0 <= start < end <= len(text):
        size = len(text)
        raise CaseError(span.where, f"{start} to {end} is outside the text of {size} characters")
    said = span.text("entity_value", text[start:end])
    if said != text[start:end]:
        raise CaseError(span.where, f"{said[:40]!r} does not stand at characters {start} to {end}")
    return [start, end, span.text("entity_type")]


def _flag(line: Node, column: str) -> int | None:
    value = line.value.get(column)
    if value is None:
        return None
    if value not in (0, 1):
        raise CaseError(line.where, f"column {column!r} is {value!r}, not 0, 1 or null")
    return int(value)


def _stem(path: Path) -> str:
    return path.name.split(".")[0]


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:-1]) + f" or {names[-1]}"
