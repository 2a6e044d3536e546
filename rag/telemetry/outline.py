"""The spans of an answer by OpenTelemetry's GenAI conventions, as plain data. Pure.

They hold numbers and fixed words: no question, prompt, answer, quote or document name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

from rag.telemetry.measures import (
    StageTime,
    failure_cause,
    finding_counts,
    finish_reason,
    outcome_cause,
    retrieval_of,
    stage_times,
)
from rag.types import Action, Answer

Attribute = str | bool | int | float | Sequence[str]
Attributes = Mapping[str, Attribute]

PROVIDER = "surefoot"
# What the model does: it reads the prompt and is asked if the answer is there, then writes.
_MODEL_STAGES = frozenset({"check", "generate", "regenerate"})
_GUARDED = {"guard_question": "question", "guard_passages": "passage"}


@dataclass(frozen=True, slots=True)
class Outline:
    """A span: from and to, and its events, in milliseconds since the question."""

    name: str
    start_ms: float
    end_ms: float
    attributes: Attributes = field(default_factory=dict)
    events: tuple[tuple[str, float], ...] = ()
    inside: tuple[Outline, ...] = ()


def of_answer(answer: Answer, variant: str, max_tokens: int) -> Outline:
    """The whole answer, and within it each stage; what the model did has a span of its own."""
    stages = stage_times(answer.timings_ms)
    attributes = {
        **_operation("invoke_workflow"),
        "gen_ai.workflow.name": "answer",
        "surefoot.variant": variant,
        "surefoot.status": answer.status,
        "surefoot.cause": outcome_cause(answer),
        "surefoot.sentences.withheld": answer.withheld,
    }
    own = tuple(_stage(stage, answer) for stage in stages if stage.name not in _MODEL_STAGES)
    asked = tuple(_stage(stage, answer) for stage in stages if stage.name in _MODEL_STAGES)
    model = (_model(asked, answer, max_tokens),) if asked else ()
    return Outline(
        "invoke_workflow answer",
        0.0,
        max((stage.end_ms for stage in stages), default=0.0),
        attributes,
        _events(answer, first_shown="surefoot.first_shown"),
        tuple(sorted((*own, *model), key=lambda item: item.start_ms)),
    )


def of_failure(error: BaseException, variant: str, ms: float) -> Outline:
    """A question without an answer after `ms`; the error by its kind, not its words."""
    attributes = {
        **_operation("invoke_workflow"),
        "gen_ai.workflow.name": "answer",
        "surefoot.variant": variant,
        "error.type": failure_cause(error),
    }
    return Outline("invoke_workflow answer", 0.0, ms, attributes)


def _model(stages: tuple[Outline, ...], answer: Answer, max_tokens: int) -> Outline:
    attributes: dict[str, Attribute] = {
        **_operation("chat"),
        "gen_ai.request.model": answer.model.name,
        "gen_ai.response.model": answer.model.name,
        "gen_ai.request.stream": True,
        "gen_ai.usage.input_tokens": answer.tokens.prompt,
        "gen_ai.usage.output_tokens": answer.tokens.completion,
        "gen_ai.usage.cache_read.input_tokens": answer.tokens.cached,
        "gen_ai.response.finish_reasons": (finish_reason(answer, max_tokens),),
        "surefoot.model.sha256": answer.model.sha256,
    }
    start = stages[0].start_ms
    first = answer.timings_ms.get("first_token")
    if first is not None:
        attributes["gen_ai.response.time_to_first_chunk"] = max(0.0, first - start) / 1000
    return Outline(
        f"chat {answer.model.name}",
        start,
        stages[-1].end_ms,
        attributes,
        _events(answer, first_token="gen_ai.first_token"),  # noqa: S106  (no password)
        stages,
    )


def _stage(stage: StageTime, answer: Answer) -> Outline:
    name = "retrieval surefoot" if stage.name == "retrieve" else stage.name
    return Outline(name, stage.start_ms, stage.end_ms, _about(stage.name, answer))


def _about(stage: str, answer: Answer) -> Attributes:
    """What is known of a stage beside its times."""
    if stage == "retrieve":
        return {
            **_operation("retrieval"),
            "surefoot.passages": len(answer.passages),
            "surefoot.best_score": max((p.score for p in answer.passages), default=0.0),
            "surefoot.result": retrieval_of(answer) or "none",
        }
    if stage in _GUARDED:
        return _guarded(_GUARDED[stage], answer)
    return {"surefoot.dropped": len(answer.tokens.dropped)} if stage == "budget" else {}


def _guarded(stage: str, answer: Answer) -> dict[str, Attribute]:
    """How many findings of a stage met with each action."""
    found = {f"surefoot.findings.{action}": 0 for action in get_args(Action)}
    for (where, _, action), count in finding_counts(answer).items():
        if where == stage:
            found[f"surefoot.findings.{action}"] += count
    return dict(found)


def _operation(name: str) -> dict[str, Attribute]:
    return {"gen_ai.operation.name": name, "gen_ai.provider.name": PROVIDER}


def _events(answer: Answer, **names: str) -> tuple[tuple[str, float], ...]:
    at = answer.timings_ms
    return tuple((name, at[timing]) for timing, name in names.items() if timing in at)
