"""`surefoot eval`: a batch evaluation with intervals, a gate, a report; resumable."""

from __future__ import annotations

import inspect
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from evals.suites import SUITES
from ui.commands import convert, judge, review
from ui.commands.eval_runs import diff, report
from ui.options import GroupOption, JsonOption, ModelOption, Stopped

SOME_FAILED, GATE_SAYS_NO = 3, 4

app = typer.Typer(
    help="""Measure it, with intervals, and decide by numbers. No network is needed.

\b
surefoot eval qa --cases cases.jsonl --kb kb                  measure
surefoot eval qa --cases cases.jsonl --kb kb --baseline RUN   compare; exit 4 if it fell
surefoot eval qa --cases cases.jsonl --kb kb --calibrate      choose when to keep silent
surefoot eval diff RUN RUN                                    which cases turned
""",
    no_args_is_help=True,
    rich_markup_mode=None,
)

CasesOption = Annotated[
    list[Path],
    typer.Option("--cases", "-c", help="A case file (.jsonl, .jsonl.gz); repeat for more."),
]
KbOption = Annotated[
    Path | None, typer.Option("--kb", envvar="SUREFOOT_KB", help="The knowledge base's folder.")
]
OutOption = Annotated[
    Path | None, typer.Option("--out", "-o", help="The run's folder. Default: one by its content.")
]
BaselineOption = Annotated[
    Path | None, typer.Option("--baseline", "-b", help="A run to compare with, case by case.")
]
GatesOption = Annotated[
    Path | None, typer.Option("--gates", help="Absolute limits. Default: ./gates.toml, if there.")
]
SampleOption = Annotated[
    int | None, typer.Option("--sample", min=1, help="Only so many cases, chosen at random.")
]
SeedOption = Annotated[int, typer.Option("--seed", help="Chooses the sample.")]
SliceOption = Annotated[
    list[str] | None, typer.Option("--slice", help="Report by this field too; repeat for more.")
]
TimeOption = Annotated[float, typer.Option("--case-seconds", min=0.1, help="Time for one case.")]
WorkersOption = Annotated[
    int, typer.Option("--workers", min=1, max=64, help="Batches under way at once.")
]
CalibrateOption = Annotated[
    bool,
    typer.Option(
        "--calibrate",
        help="Ask with the gate open, choose the trust to answer from, keep it with the base.",
    ),
]
TargetOption = Annotated[
    float,
    typer.Option("--target-risk", help="With --calibrate: the share of answers that may be wrong."),
]
OF_QA = {"calibrate", "target_risk"}


def _suite_command(name: str) -> Callable[..., None]:
    def command(
        cases: CasesOption,
        kb: KbOption = None,
        out: OutOption = None,
        baseline: BaselineOption = None,
        gates: GatesOption = None,
        sample: SampleOption = None,
        seed: SeedOption = 0,
        slice_: SliceOption = None,
        model: ModelOption = None,
        group: GroupOption = None,
        case_seconds: TimeOption = 120.0,
        workers: WorkersOption = 1,
        calibrate: CalibrateOption = False,
        target_risk: TargetOption = 0.05,
        json: JsonOption = False,
    ) -> None:
        from evals.attempt import Limits
        from evals.evaluation import Request, perform
        from ui.evaluation import LiveProgress

        request = Request(
            suite=name,
            cases=tuple(cases),
            kb=kb,
            out=out,
            baseline=baseline,
            gates=gates,
            sample=sample,
            seed=seed,
            slices=tuple(slice_ or ()),
            model=model,
            groups=frozenset(group or ()),
            limits=Limits(seconds=case_seconds, workers=workers),
            command=shlex.join(["surefoot", *sys.argv[1:]]),
            target_risk=target_risk if calibrate else None,
        )
        with LiveProgress() as progress:
            try:
                done = perform(request, progress)
            except KeyboardInterrupt:
                kept = f": {progress.done} of {progress.total} cases are kept" * progress.begun
                raise Stopped(f"stopped{kept}; the same command goes on") from None
        _end(done, json)

    if name != "qa":
        _without(command, OF_QA)
    command.__doc__ = _HELP.format(what=SUITES[name].capitalize(), name=name, kb=_KB.get(name, ""))
    return command


def _without(command: Callable[..., None], names: set[str]) -> None:
    """Hide options that would mean nothing; they keep their defaults."""
    whole = inspect.signature(command, eval_str=True)
    kept = [item for item in whole.parameters.values() if item.name not in names]
    command.__signature__ = whole.replace(parameters=kept)  # type: ignore[attr-defined]


_KB = {"retrieval": " --kb kb", "qa": " --kb kb"}
_HELP = """{what}?

    Stopped anywhere, the same command goes on. Exit 3: some cases failed; 4: the gate says no.

    Examples:

      surefoot eval {name} --cases cases.jsonl{kb} --out runs/{name}

      surefoot eval {name} --cases a.jsonl.gz --cases b.jsonl.gz{kb} --sample 200 --json

      surefoot eval {name} --cases cases.jsonl{kb} --baseline runs/{name}
    """


def _end(done: Any, json: bool) -> None:
    """Print what came of it, and say by the exit code whether it may be released."""
    from ui.console import emit_json
    from ui.evaluation import print_results

    if json:
        emit_json(done.json())
    else:
        print_results(done)
    if done.calibrated is not None and done.calibrated.chosen is None:
        raise typer.Exit(GATE_SAYS_NO)
    if done.gate is not None and done.gate.verdict == "fail":
        raise typer.Exit(GATE_SAYS_NO)
    if done.run.results["failed"]:
        raise typer.Exit(SOME_FAILED)


for _name in SUITES:
    app.command(_name)(_suite_command(_name))
app.command("diff")(diff)
app.command("report")(report)
app.command("convert")(convert.convert)
app.command("judge")(judge.judge)
app.add_typer(review.app, name="review")
