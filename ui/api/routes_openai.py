"""The OpenAI-compatible routes: an unchanged client of that API asks the documents."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from rag.types import Answer, AnswerEvent, Shown
from ui.api.answering import Ask, decoding, respond
from ui.api.caller import REFUSALS, Asker, Caller, Wired, needs
from ui.api.chat import Even, Framing, event, question_of, sampling_of
from ui.api.conditions import where_of
from ui.api.errors import ApiError, as_api_error, error_body
from ui.api.run import EventStream, Run, begun, whole
from ui.api.service import Service
from ui.api.wire import EVENTS, ErrorReply
from ui.api.wire_openai import (
    ChatBody,
    ChatReply,
    EmbeddingBody,
    EmbeddingsReply,
    ModelsReply,
    unknown_fields,
)

MODEL = "surefoot"
OWNER = "surefoot"
UNKNOWN: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorReply, "description": "There is no such model."}
}
STREAMED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A completion, or chunks of it as server-sent events up to `[DONE]`.",
        "content": EVENTS,
    }
}
router = APIRouter(prefix="/v1", tags=["OpenAI-compatible"], responses=REFUSALS)


@router.post("/chat/completions", response_model=ChatReply, responses={**UNKNOWN, **STREAMED})
async def chat(request: Request, service: Wired, caller: Asker, body: ChatBody) -> Response:
    """Answer the last user message from the documents, with citations in `surefoot`."""
    ask, framing = _asked(service, caller, body, request.state.id)
    ask = replace(ask, parent=request.headers.get("traceparent"))
    run = Run(service.life, service.pool, partial(respond, service, ask))
    if not body.stream:
        return JSONResponse(framing.whole(await whole(run, request)))
    with_usage = body.stream_options is not None and body.stream_options.include_usage
    return EventStream(run, _chunks(framing, await begun(run, request), with_usage))


@router.get("/models", response_model=ModelsReply, dependencies=[Depends(needs("ask"))])
def models(service: Wired) -> JSONResponse:
    """The models that may be named in a request."""
    names = (MODEL, _served(service), service.embedder().name)
    rows = [
        {"id": name, "object": "model", "created": 0, "owned_by": OWNER}
        for name in dict.fromkeys(names)
    ]
    return JSONResponse({"object": "list", "data": rows})


@router.post(
    "/embeddings",
    response_model=EmbeddingsReply,
    responses=UNKNOWN,
    dependencies=[Depends(needs("search"))],
)
async def embeddings(service: Wired, body: EmbeddingBody) -> JSONResponse:
    """Texts as unit vectors of the base's embedder."""
    loop = asyncio.get_running_loop()
    return JSONResponse(await loop.run_in_executor(service.chores, _embedded, service, body))


def _asked(service: Service, caller: Caller, body: ChatBody, id: str) -> tuple[Ask, Framing]:
    """The question of a request, and the frame of its reply. Raises ApiError."""
    served = _served(service)
    if body.model not in (MODEL, served):
        raise _no_model(body.model, f"{MODEL}, {served}")
    question, history = question_of(body)
    if not question.strip():
        line = "the last message must be the user's, and hold the question"
        raise ApiError(400, "invalid_request", line, param="messages")
    options, first = body.surefoot, next(m.text for m in body.messages if m.role == "user")
    ask = Ask(
        question=question,
        key=caller.key,
        groups=caller.groups(options.groups),
        conversation=_conversation(caller, body.user or first),
        history=history,
        where=where_of(options.where),
        sampling=sampling_of(body),
    )
    chosen = service.router.pick(ask.conversation).assistant
    frame = Framing(
        id=f"chatcmpl-{id}",
        model=chosen.engine.name,
        ignored=unknown_fields(body),
        passages=options.passages,
        most=decoding(chosen, ask).max_tokens,
    )
    return ask, frame


async def _chunks(
    framing: Framing, events: AsyncIterator[AnswerEvent], with_usage: bool
) -> AsyncIterator[str]:
    """The reply in chunks. What goes wrong once it has begun is said in an event of its own."""
    even = Even()
    yield event(framing.chunk({"role": "assistant", "content": ""}))
    try:
        async for item in events:
            if isinstance(item, Shown) and (text := even.delta(item.sentence.text)):
                yield event(framing.chunk({"content": text}))
            elif isinstance(item, Answer):
                yield event(framing.last(item))
                if with_usage:
                    yield event(framing.usage(item))
    except Exception as error:  # noqa: BLE001  the head has been sent; this is how a stream fails
        yield event(error_body(as_api_error(error)))
    yield "data: [DONE]\n\n"


def _served(service: Service) -> str:
    """The name of the model that answers who is on no trial."""
    return service.router.pick("").assistant.engine.name


def _conversation(caller: Caller, mark: str) -> str:
    """The same for every turn of a conversation, whose first message a client sends again."""
    return hashlib.sha256(f"{caller.key.id}\0{mark}".encode()).hexdigest()[:32]


def _embedded(service: Service, body: EmbeddingBody) -> dict[str, Any]:
    embedder = service.embedder()
    if body.model != embedder.name:
        raise _no_model(body.model, embedder.name)
    if body.dimensions not in (None, embedder.dimension):
        line = f"{embedder.name} has {embedder.dimension} dimensions"
        raise ApiError(400, "invalid_request", line, param="dimensions")
    texts = [body.input] if isinstance(body.input, str) else body.input
    vectors = embedder.embed(texts).astype("<f4")
    packed = body.encoding_format == "base64"
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": base64.b64encode(row.tobytes()).decode() if packed else row.tolist(),
        }
        for index, row in enumerate(vectors)
    ]
    tokens = sum(embedder.count_tokens(texts))
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": embedder.name, "usage": usage}


def _no_model(name: str, known: str) -> ApiError:
    line = f"there is no model {name!r} here; there is {known}"
    return ApiError(404, "model_not_found", line, param="model")
