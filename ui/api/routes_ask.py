"""Surefoot's own way to ask: answers and passages as the command line prints them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from rag.types import Answer, AnswerEvent, Message, Shown
from ui.api.answering import Ask, respond
from ui.api.caller import REFUSALS, Asker, Caller, Searcher, Wired
from ui.api.chat import event, trace_id
from ui.api.conditions import where_of
from ui.api.errors import ApiError, as_api_error, error_body
from ui.api.run import EventStream, Run, begun, whole
from ui.api.service import Service
from ui.api.wire import (
    EVENTS,
    AnswerReply,
    AskBody,
    ConversationsReply,
    ErrorReply,
    Removed,
    SearchBody,
    SearchReply,
)
from ui.held import Held
from ui.view import answer_json, passage_json, sentence_json

STREAMED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer, or server-sent events: `stage`, `sentence`, then `answer`.",
        "content": EVENTS,
    }
}
MISSING: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorReply, "description": "There is none of this name."}
}
router = APIRouter(tags=["Questions"], responses=REFUSALS)


@router.post("/ask", response_model=AnswerReply, responses=STREAMED)
async def ask(request: Request, service: Wired, caller: Asker, body: AskBody) -> Response:
    """One cited answer. With `stream`, sentences come as soon as they may be shown."""
    loop, parent = asyncio.get_running_loop(), request.headers.get("traceparent")
    asked = await loop.run_in_executor(service.chores, _asked, service, caller, body, parent)
    run = Run(service.life, service.pool, partial(respond, service, asked))
    if not body.stream:
        return JSONResponse(reply(await whole(run, request)))
    return EventStream(run, _events(await begun(run, request)))


@router.post("/search", response_model=SearchReply)
async def search(service: Wired, caller: Searcher, body: SearchBody) -> JSONResponse:
    """Passages with their scores; no language model is asked."""
    loop = asyncio.get_running_loop()
    return JSONResponse(await loop.run_in_executor(service.chores, _found, service, caller, body))


@router.get("/conversations", response_model=ConversationsReply)
def conversations(service: Wired, caller: Asker) -> JSONResponse:
    """The conversations of this key, the latest first."""
    mine = caller.owns("")
    rows = [
        {
            "name": found.name.removeprefix(mine),
            "created": found.created,
            "updated": found.updated,
            "turns": len(found.turns),
        }
        for found in service.conversations.all(caller.key.groups)
        if found.name.startswith(mine)
    ]
    return JSONResponse({"conversations": rows})


@router.delete("/conversations/{name}", response_model=Removed, responses=MISSING)
def remove(service: Wired, caller: Asker, name: str) -> JSONResponse:
    """Remove a conversation of this key with all its turns."""
    service.conversations.delete(caller.owns(name), caller.key.groups)
    return JSONResponse({"removed": True})


def reply(answer: Answer) -> dict[str, Any]:
    """An answer as `ask --json` prints it, its trace by the id that /traces takes."""
    return {**answer_json(answer), "trace": trace_id(answer)}


def _asked(service: Service, caller: Caller, body: AskBody, parent: str | None) -> Ask:
    """The question of a request. Raises ApiError, ConversationError."""
    if body.history and body.conversation:
        line = "give history or conversation, not both"
        raise ApiError(400, "invalid_request", line, param="conversation")
    groups = caller.groups(body.groups)
    told = tuple(Message(turn.role, turn.content) for turn in body.history)
    held = None
    if body.conversation:
        name = caller.owns(body.conversation)
        held = Held(service.conversations, name, groups, service.conversations.turns(name, groups))
    return Ask(
        question=body.question,
        key=caller.key,
        groups=groups,
        conversation=held.key if held is not None else secrets.token_hex(8),
        history=held.history if held is not None else told,
        where=where_of(body.where),
        held=held,
        parent=parent,
    )


async def _events(events: AsyncIterator[AnswerEvent]) -> AsyncIterator[str]:
    try:
        async for item in events:
            if isinstance(item, Answer):
                yield event(reply(item), "answer")
            elif isinstance(item, Shown):
                yield event(sentence_json(item.sentence), "sentence")
            else:
                yield event({"stage": item.stage, "ms": item.ms}, "stage")
    except Exception as error:  # noqa: BLE001  the head has been sent; this is how a stream fails
        yield event(error_body(as_api_error(error)), "error")


def _found(service: Service, caller: Caller, body: SearchBody) -> dict[str, Any]:
    retriever = service.router.pick("").assistant.retriever
    groups, where = caller.groups(body.groups), where_of(body.where)
    passages = retriever.retrieve(body.question, groups, body.top, where)
    return {"passages": [passage_json(passage) for passage in passages]}
