"""`surefoot eval convert`: public formats to case files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ui.options import JsonOption

FormatArgument = Annotated[
    str,
    typer.Argument(
        metavar="FORMAT",
        help="squad, squad-retrieval, beir, ragtruth, presidio or openai-moderation.",
    ),
]
PathArgument = Annotated[Path, typer.Argument(help="The file or folder in that format.")]
OutOption = Annotated[
    Path, typer.Option("--out", "-o", help="The case file to write (.jsonl or .jsonl.gz).")
]
CorpusOption = Annotated[
    Path | None, typer.Option("--corpus", help="Where to write the documents, for ingest.")
]
TaskOption = Annotated[
    list[str] | None, typer.Option("--task", help="ragtruth: QA, Summary or Data2txt; repeat.")
]
SplitOption = Annotated[str, typer.Option("--split", help="beir, ragtruth: which part (or all).")]


def convert(
    format_: FormatArgument,
    path: PathArgument,
    out: OutOption,
    corpus: CorpusOption = None,
    task: TaskOption = None,
    split: SplitOption = "test",
    json: JsonOption = False,
) -> None:
    """Turn a public data set into cases, and its documents into a corpus for ingest.

    Examples:

      surefoot eval convert squad dev-v2.0.json --out cases.jsonl --corpus corpus.jsonl

      surefoot eval convert beir scifact/ --out cases.jsonl --corpus corpus.jsonl

      surefoot eval convert ragtruth dataset/ --task QA --out ragtruth-qa.jsonl
    """
    from dataclasses import asdict

    from evals.convert import convert as converted
    from evals.convert import write
    from ingest.errors import SurefootError
    from ui.console import emit_json

    for target in (out, corpus):
        if target and target.exists() and path.exists() and target.samefile(path):
            raise SurefootError(f"{target} is what is to be converted; name another file")
    written = write(converted(format_, path, tuple(task or ()), split), out, corpus)
    if json:
        emit_json({**asdict(written), "out": str(out), "corpus_out": str(corpus or "") or None})
        return
    typer.echo(f"{written.cases} cases for the suite {written.suite} in {out}")
    if written.corpus is not None:
        typer.echo(f"{written.corpus} documents in {corpus}")
