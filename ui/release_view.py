"""Releases as JSON and as lines for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rag.releases.gates import Figure
from rag.releases.rows import Event, State
from rag.releases.trial import Trial
from rag.releases.variant import Variant
from ui.review_view import printable

Json = dict[str, Any]


def role(name: str, state: State) -> str:
    """What a variant does now: "stable", "canary", "shadow" or ""."""
    if state.trial is not None and state.trial.variant == name:
        return "shadow" if state.trial.shadow else "canary"
    return "stable" if state.stable == name else ""


def variant_line(variant: Variant, state: State) -> str:
    made = variant.lineage
    note = f"  “{printable(made.note)}”" if made.note else ""
    what = f"{variant.name}  {variant.model}  {variant.sha256[:12]}"
    return f"{role(variant.name, state) or '-':>6}  {made.made}  {what}{note}"


def variant_lines(variant: Variant) -> Iterator[str]:
    """Everything about a variant but its settings in full."""
    model = variant.model_sha256 or "unknown: its files are not on this machine"
    index = "latest" if variant.index is None else f"generation {variant.index}"
    rows = {
        "variant": f"{variant.name}  sha256 {variant.sha256}",
        "model": f"{variant.model}  sha256 {model}",
        "prompt": f"sha256 {variant.template}",
        "settings": f"sha256 {variant.settings_sha256}",
        "index": index,
        "parent": variant.lineage.parent or "none",
        "made": f"{variant.lineage.made} by {printable(variant.lineage.command)}",
    }
    yield from (f"{name:>9}: {value}" for name, value in rows.items())


def trial_json(trial: Trial) -> Json:
    """A trial with its counts, and the verdict on them."""
    verdict = trial.verdict()
    return {**asdict(trial), "verdict": asdict(verdict)}


def trial_lines(trial: Trial) -> Iterator[str]:
    """How a trial is going, gate by gate."""
    verdict, what = trial.verdict(), "Shadow" if trial.shadow else "Canary"
    yield f"{what}: {trial.variant} beside {trial.baseline}, {trial.share:.0%} of conversations"
    yield f"  verdict: {verdict.decision} ({verdict.why})"
    yield from (f"  {_figure(item)}" for item in verdict.figures)
    if trial.notes:
        notes = ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in trial.notes.items())
        yield f"  copies: {notes}"


def event_line(event: Event) -> str:
    why = f": {printable(event.why)}" if event.why else ""
    return f"{event.at}  {event.variant} {event.kind} by {printable(event.by)}{why}"


def _figure(item: Figure) -> str:
    canary, base = (
        f"{hits} of {n}"
        for hits, n in ((item.canary, item.of_canary), (item.baseline, item.of_baseline))
    )
    strongest = max(item.worse, item.over)
    return (
        f"{item.gate:<11} {canary}, baseline {base}; evidence {strongest:.2g} of {item.needed:.0f}"
    )
