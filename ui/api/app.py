"""The FastAPI application: routes, errors, what surrounds them, and the OpenAPI document."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from ingest.errors import SurefootError
from ui.api import routes_ask, routes_documents, routes_feedback, routes_health, routes_openai
from ui.api.envelope import Envelope
from ui.api.errors import as_api_error, error_response
from ui.api.security import harden
from ui.api.service import Service, service_of

ABOUT = """Answers from your documents, cited, guarded and checked.

Every route but the health checks needs a key: `Authorization: Bearer KEY`. A key sees the documents
of its groups, and those that are open to all.
"""
# Codes that refuse a request, as against those that find fault with it, by the word for metrics.
REFUSED = {
    "invalid_api_key": "key",
    "scope": "scope",
    "groups": "scope",
    "rate_limit_exceeded": "rate",
    "insufficient_quota": "quota",
    "too_many_requests": "share",
    "busy": "queue",
    "warming": "queue",
    "draining": "draining",
}


def create_app(service: Service) -> FastAPI:
    """The whole API over one service. It has no page: those of FastAPI load scripts from afar."""
    app = FastAPI(
        title="Surefoot",
        version=version("surefoot"),
        description=ABOUT,
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    for module in (routes_openai, routes_ask, routes_documents, routes_feedback, routes_health):
        app.include_router(module.router)
    for kind in (SurefootError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, refuse)
    harden(app, service.config)
    app.add_middleware(Envelope, service=service)
    app.openapi_schema = _document(app)
    return app


def _document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, without the 422 that FastAPI would give: here that is a 400."""
    document = app.openapi()
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
    return document


def refuse(request: Request, error: Exception) -> Response:
    """The response to what was raised; a refusal of work is counted, and noted in the audit log."""
    known = as_api_error(error)
    if (why := REFUSED.get(known.code)) is not None:
        service = service_of(request)
        service.meter.refused(why)
        by = getattr(request.state, "by", "")
        if times := 1 if by else service.strangers.met():
            more = {"times": times} if times > 1 else {}
            service.audit.note("refused", by, status=known.status, why=known.code, **more)
    headers = error.headers if isinstance(error, HTTPException) else None
    return error_response(known, headers)
