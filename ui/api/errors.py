"""Errors as clients of the OpenAI API know them: a status, and `{"error": {...}}` with one line.

What a caller can mend is said in full. Of what only the keeper can mend, the line goes to the log.
"""

from __future__ import annotations

import logging
import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from evals.review.types import ReviewError
from ingest.errors import (
    IncompatibleKnowledgeBase,
    KnowledgeBaseBusy,
    KnowledgeBaseError,
    SurefootError,
)
from ingest.selection import UnknownDocument, UnknownKey
from rag.errors import EngineError, FilterError, ModelCorrupt, ModelUnavailable, PromptTooLong
from rag.turns import ConversationError, UnknownConversation
from ui.api.admission import Busy, ClientLeft
from ui.api.keys import KeyStoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

LOG = logging.getLogger("surefoot.serve")
RETRY_S = 5.0
_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}
# The first that fits counts; any other SurefootError is the caller's to mend.
_KNOWN: tuple[tuple[type[SurefootError], int, str], ...] = (
    (PromptTooLong, 400, "context_length_exceeded"),
    (UnknownDocument, 404, "unknown_document"),
    (UnknownKey, 400, "unknown_condition"),
    (UnknownConversation, 404, "unknown_conversation"),
    (ConversationError, 400, "conversation"),
    (ClientLeft, 400, "client_left"),
    (KnowledgeBaseBusy, 503, "knowledge_base_busy"),
    (IncompatibleKnowledgeBase, 503, "knowledge_base_unusable"),
    (KnowledgeBaseError, 503, "knowledge_base_unusable"),
    (EngineError, 503, "engine_failed"),
    (ModelUnavailable, 503, "model_unavailable"),
    (ModelCorrupt, 503, "model_unavailable"),
    (FilterError, 503, "filter_unavailable"),
    (KeyStoreError, 503, "keys_unreadable"),
    (ReviewError, 503, "review_unwritable"),
)
_FAULTS = {
    "knowledge_base_busy": "the knowledge base is being written; try again in a moment",
    "knowledge_base_unusable": "the knowledge base cannot be used; its keeper's log says why",
    "engine_failed": "the model failed; nothing of what it said is kept",
    "model_unavailable": "a model that is needed is not there",
    "keys_unreadable": "the keys cannot be read",
    "review_unwritable": "the review queue cannot be written",
    "filter_unavailable": "a safety filter is not there, and nothing is answered without it",
}


class ApiError(SurefootError):
    """A refusal: `status` and `code` for a program, the line for a person.

    `retry_after` are seconds after which it may go better; `param` is the field at fault.
    """

    def __init__(
        self,
        status: int,
        code: str,
        line: str,
        retry_after: float | None = None,
        param: str | None = None,
    ) -> None:
        self.status = status
        self.code = code
        self.line = line
        self.retry_after = retry_after
        self.param = param
        super().__init__(line)


def as_api_error(error: Exception) -> ApiError:
    """The refusal that an error comes to. What nobody foresaw is a 500, without its words."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, RequestValidationError):
        return _invalid(error)
    if isinstance(error, HTTPException):
        code = _CODES.get(error.status_code, "refused")
        return ApiError(error.status_code, code, str(error.detail))
    if isinstance(error, Busy):
        code = "too_many_requests" if error.status == 429 else "busy"
        return ApiError(error.status, code, str(error), error.retry_after)
    if isinstance(error, SurefootError):
        return _known(error)
    LOG.error("unexpected %s", type(error).__name__)
    return ApiError(500, "internal", "something went wrong here; the request's id finds it")


def error_body(error: ApiError) -> dict[str, Any]:
    """The body of a refusal."""
    kind = _TYPES.get(
        error.status, "server_error" if error.status > 499 else "invalid_request_error"
    )
    words = {"message": error.line, "type": kind, "param": error.param, "code": error.code}
    return {"error": words}


def error_response(error: ApiError, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The whole refusal, with Retry-After where there is a time."""
    extra = dict(headers or {})
    if error.retry_after is not None:
        extra["retry-after"] = str(max(1, math.ceil(error.retry_after)))
    if error.status == HTTPStatus.UNAUTHORIZED:
        extra["www-authenticate"] = "Bearer"
    return JSONResponse(error_body(error), error.status, extra)


def _known(error: SurefootError) -> ApiError:
    found = (row[1:] for row in _KNOWN if isinstance(error, row[0]))
    status, code = next(found, (400, "invalid_request"))
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        # Where the base lies on this machine is nobody's business.
        line = error.problem if isinstance(error, KnowledgeBaseError) else str(error)
        return ApiError(status, code, line)
    LOG.error("%s", error)
    return ApiError(status, code, _FAULTS[code], RETRY_S)


def _invalid(error: RequestValidationError) -> ApiError:
    """What is wrong with the first field that is wrong; never its value."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if part not in ("body", "query"))
    return ApiError(
        400, "invalid_request", f"{place or 'body'}: {first['msg']}", param=place or None
    )
