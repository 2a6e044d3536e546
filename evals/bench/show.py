"""A bench's result as JSON and as lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from evals.bench.harness import BenchResult, ContestResult, Ratio, SideResult, Spread


def as_json(result: BenchResult) -> dict[str, Any]:
    """The object that `--json` prints."""
    value = asdict(result)
    value["machine"]["packages"] = dict(result.machine.packages)
    value["busy"] = result.busy
    return value


def lines(result: BenchResult) -> Iterator[str]:
    """Every side with its times and figures (median [min to max]), and the ratios."""
    for contest in result.contests:
        yield from _contest(contest)
        yield ""
    facts = result.machine
    yield f"{facts.cpu}, {facts.cores} cores, {facts.system}, Python {facts.python}"
    yield ", ".join(f"{name} {version}" for name, version in facts.packages)
    load = f"load {result.load_before:.1f} before, {result.load_after:.1f} after"
    yield f"{load}; again with: {result.command}"
    if result.busy:
        yield "the machine was busy with something else: these times are not to be quoted"


def _contest(contest: ContestResult) -> Iterator[str]:
    yield f"{contest.name}: {contest.what}"
    for side in contest.sides:
        yield from _side(side)
    for ratio in contest.ratios:
        yield _ratio(contest.sides[0].name, ratio)
    for missing in contest.missing:
        yield f"  not installed: {missing.name} ({missing.install})"


def _side(side: SideResult) -> Iterator[str]:
    yield f"  {side.name} ({side.version})"
    yield f"    {'seconds':<26} {_spread(side.seconds)}"
    for name, spread in side.figures.items():
        yield f"    {name:<26} {_spread(spread)}"


def _ratio(ours: str, ratio: Ratio) -> str:
    note = f"; {ratio.note}" if ratio.note else ""
    return f"  {ratio.of}, {ratio.peer} / {ours}: {_spread(ratio.spread)}{note}"


def _spread(spread: Spread) -> str:
    if spread.min == spread.max:
        return _number(spread.median)
    low, high = _number(spread.min), _number(spread.max)
    return f"{_number(spread.median)} [{low} to {high}]"


def _number(value: float) -> str:
    """Three significant digits, thousands in full."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
