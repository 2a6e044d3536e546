"""`surefoot eval judge`: a language model as judge of a finished run."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ui.options import JsonOption, ModelOption

if TYPE_CHECKING:
    from evals.judge.verdict import Judge, Way

SOME_FAILED = 3

RunArgument = Annotated[Path, typer.Argument(help="A run's folder.", metavar="RUN")]
AgainstOption = Annotated[
    Path | None, typer.Option("--against", help="Another run: which answers are better?")
]
RubricOption = Annotated[
    str,
    typer.Option(
        "--rubric",
        help="correctness, faithfulness, helpfulness, pairwise, or a .toml file of your own.",
    ),
]
LabelsOption = Annotated[
    str, typer.Option("--labels", help="The cases' field that holds people's labels.")
]


class By(StrEnum):
    auto = "auto"
    score = "score"
    text = "text"


ByOption = Annotated[
    By, typer.Option("--by", help="Read the judge's probabilities, or parse its replies.")
]


def judge(
    run: RunArgument,
    rubric: RubricOption = "",
    against: AgainstOption = None,
    model: ModelOption = None,
    labels: LabelsOption = "human",
    by: ByOption = By.auto,
    json: JsonOption = False,
) -> None:
    """Let a model judge a run's answers, and say how far it agrees with people.

    Verdicts are kept in the run's folder: what was judged once is not judged again. Exit 3: some
    cases got no verdict.

    Examples:

      surefoot eval judge runs/qa --rubric correctness --labels human

      surefoot eval judge runs/new --against runs/old --rubric pairwise --model Qwen/Qwen3-8B
    """
    from evals.evaluation import run_folder
    from evals.judge.runs import judge_pair, judge_run, render
    from evals.rundir import Run
    from ui.console import emit_json

    finished = Run.load(run_folder(run))
    other = Run.load(run_folder(against)) if against else None
    made = _judge(rubric or ("pairwise" if against else "correctness"), model, by)
    if other is not None:
        report = judge_pair(finished, other, made, labels, _tick)
    else:
        report = judge_run(finished, made, labels, _tick)
    if json:
        emit_json(report.json())
    else:
        for line in render(report):
            typer.echo(line)
    if report.unscored:
        raise typer.Exit(SOME_FAILED)


def _judge(rubric: str, model: str | None, by: By) -> Judge:
    from evals.judge.rubric import load_rubric
    from evals.judge.verdict import Judge
    from rag.assemble import open_engine
    from rag.config import load

    # A rubric that can't be used is said before a model is loaded.
    loaded, config = load_rubric(rubric), load().with_model(model)
    ways: dict[By, Way | None] = {By.auto: None, By.score: "score", By.text: "text"}
    return Judge(open_engine(config), loaded, ways[by])


def _tick(done: int, total: int) -> None:
    """A line that is written over, on a terminal only."""
    from ui.console import ERR

    if ERR.is_terminal:
        ERR.print(f"judged {done} of {total}", end="\n" if done == total else "\r")
