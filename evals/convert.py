"""Common public formats -> case files of the suites, and the corpus to ask them over.

    squad             SQuAD 1.1 or 2.0 JSON           qa, with a corpus of paragraphs
    squad-retrieval   the same file                   retrieval, with the same corpus
    beir              a BEIR folder                   retrieval, with its corpus
    ragtruth          a RAGTruth folder               grounding, with spans
    presidio          presidio-research JSON          pii
    openai-moderation OpenAI's moderation JSON lines  moderation

Rows are made as they are read (JSON that is one document is held whole).
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from evals.converters import labelled, retrieved
from ingest.errors import SurefootError

Row = Mapping[str, Any]
FORMATS = {
    "squad": "qa",
    "squad-retrieval": "retrieval",
    "beir": "retrieval",
    "ragtruth": "grounding",
    "presidio": "pii",
    "openai-moderation": "moderation",
}
SPLIT = "test"


@dataclass(frozen=True, slots=True)
class Converted:
    """Case lines of a suite, and corpus lines {"id", "title", "text"} where the format has any.

    Both are read on the way: damage is found, and raised, when the damaged line is reached.
    """

    suite: str
    cases: Iterator[Row]
    corpus: Iterator[Row] | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """How many lines were written."""

    suite: str
    cases: int
    corpus: int | None


def convert(name: str, path: Path, tasks: Sequence[str] = (), split: str = SPLIT) -> Converted:
    """What is at `path`, read as the format called `name`.

    `tasks` (RAGTruth's QA, Summary, Data2txt; none means all) and `split` (RAGTruth, BEIR) choose a
    part. Raises SurefootError, here or while reading, naming the file and the line or field.
    """
    _check(name, tasks)
    if not path.exists():
        raise SurefootError(f"there is no {path}")
    makers: dict[str, Callable[[], Iterator[Row]]] = {
        "squad": lambda: retrieved.squad_qa(path),
        "squad-retrieval": lambda: retrieved.squad_retrieval(path),
        "beir": lambda: retrieved.beir_cases(path, split),
        "ragtruth": lambda: labelled.ragtruth_cases(path, split, tasks),
        "presidio": lambda: labelled.presidio_cases(path),
        "openai-moderation": lambda: labelled.moderation_cases(path),
    }
    corpus: Iterator[Row] | None = None
    if name.startswith("squad"):
        corpus = retrieved.squad_corpus(path)
    elif name == "beir":
        corpus = retrieved.beir_corpus(path)
    return Converted(FORMATS[name], makers[name](), corpus)


def write(converted: Converted, cases: Path, corpus: Path | None = None) -> Written:
    """Write the lines (gzipped where a name ends in .gz); a file appears whole or not at all.

    Raises SurefootError for damaged input, no cases, or a corpus that the format does not have.
    """
    if corpus is not None and corpus.absolute() == cases.absolute():
        raise SurefootError(f"cases and corpus cannot both be written to {cases}")
    if corpus is not None and converted.corpus is None:
        raise SurefootError(f"this format has no documents to write to {corpus}")
    with _replacing(cases) as stream:
        count = _write_lines(stream, _unique(converted.cases))
        if count == 0:
            raise SurefootError("no cases were found; check the split and the tasks")
        documents = None
        if corpus is not None and converted.corpus is not None:
            with _replacing(corpus) as second:
                documents = _write_lines(second, _unique(converted.corpus))
    return Written(converted.suite, count, documents)


def _check(name: str, tasks: Sequence[str]) -> None:
    if name not in FORMATS:
        raise SurefootError(f"format {name!r} is not known; there are: {', '.join(FORMATS)}")
    for task in tasks:
        if task not in labelled.RAGTRUTH_TASKS:
            known = ", ".join(labelled.RAGTRUTH_TASKS)
            raise SurefootError(f"task {task!r} is not known; there are: {known}")


def _unique(rows: Iterable[Row]) -> Iterator[Row]:
    """The rows; raises SurefootError at the second one of an id."""
    met = set()
    for row in rows:
        if row["id"] in met:
            raise SurefootError(f"the id {row['id']!r} is given twice")
        met.add(row["id"])
        yield row


def _write_lines(stream: BinaryIO, rows: Iterable[Row]) -> int:
    count = 0
    for row in rows:
        stream.write(_line(row))
        count += 1
    return count


def _line(row: Row) -> bytes:
    try:
        return f"{json.dumps(row, ensure_ascii=False)}\n".encode()
    except UnicodeEncodeError:
        # Half a surrogate pair, which JSON can name and UTF-8 can't hold.
        return f"{json.dumps(row)}\n".encode()


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A stream whose bytes become the file once all went well."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as raw, _packing(raw, path.suffix == ".gz") as stream:
                yield stream
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise SurefootError(f"cannot write {path}: {error.strerror or error}") from error


@contextmanager
def _packing(raw: BinaryIO, packed: bool) -> Iterator[BinaryIO]:
    if packed:
        # Without a name and a time in it, the same lines are the same bytes.
        with gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as stream:
            yield cast(BinaryIO, stream)
    else:
        yield raw
    raw.flush()
    os.fsync(raw.fileno())
