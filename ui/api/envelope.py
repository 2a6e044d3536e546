"""What surrounds every request: an id in its response, its counts, one line in the log.

Pure ASGI. The log names route, status, time and key; never a question, a name or a secret.
"""

from __future__ import annotations

import logging
import secrets
import time

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.api.service import Service

HEADER = "x-request-id"
# What is refused before a route sees it, by the word for metrics.
REFUSED = {413: "size", 504: "timeout"}
UNROUTED = "(none)"
LOG = logging.getLogger("surefoot.serve")


class Envelope:
    """The outermost of our middlewares."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        id, began, status = secrets.token_hex(12), time.perf_counter(), 499
        state = scope.setdefault("state", {})
        state["id"] = id

        async def mark(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = id
            await send(message)

        try:
            with self._service.life.busy():
                await self._app(scope, receive, mark)
        finally:
            self._tell(scope, status, time.perf_counter() - began)

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path_format", UNROUTED)
        state = scope["state"]
        self._service.meter.requested(route, status, seconds)
        if (why := REFUSED.get(status)) is not None:
            self._service.meter.refused(why)
        LOG.info(
            "%s %s %s %d %.0f ms key=%s",
            state["id"], scope["method"], route, status, seconds * 1000, state.get("by", "-"),
        )  # fmt: skip
