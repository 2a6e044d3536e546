"""What comes after an answer: its trace, and what its reader thinks of it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from evals.review.store import answer_of
from evals.review.types import Asked, Source
from ui.api.caller import REFUSALS, Judge, Reader, Wired
from ui.api.traces import read_trace
from ui.api.wire import ErrorReply, FeedbackBody, FeedbackReply

MISSING: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorReply, "description": "There is none of this id for this key."}
}
SOURCES: dict[str, Source] = {"bad": "thumbs-down", "flag": "flag"}
router = APIRouter(tags=["Answers"], responses={**REFUSALS, **MISSING})


@router.get("/traces/{id}", response_model=dict[str, Any])
def trace(service: Wired, caller: Reader, id: str) -> JSONResponse:
    """What an answer rests on: prompt, passages, model, seed, verdicts, timings."""
    return JSONResponse(read_trace(service.kb / "traces", id, caller.key.groups))


@router.post("/feedback", response_model=FeedbackReply)
def feedback(service: Wired, caller: Judge, body: FeedbackBody) -> JSONResponse:
    """A good answer is counted; one that is doubted goes to review."""
    record = read_trace(service.kb / "traces", body.trace, caller.key.groups)
    if body.verdict == "good":
        service.review.thumbs_up()
        return JSONResponse({"noted": True, "item": None})
    asked = Asked(record["question"], answer_of(record["answer"]))
    item = service.review.report(asked, SOURCES[body.verdict], body.reason)
    return JSONResponse({"noted": True, "item": item})
