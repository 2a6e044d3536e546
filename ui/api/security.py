"""What every request goes through before a route sees it: limits, doors and headers. Pure ASGI.

From the outside in: headers (and a last resort for what went wrong), host, origin, time, body.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from contextlib import suppress

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag.config import ServeConfig
from ui.api.errors import RETRY_S, ApiError, error_body

UPLOADS = "/documents"
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
LOG = logging.getLogger("surefoot.api")
_MB = 10**6
_LAST_WORD_SECONDS = 2.0
_DISCARDED_MB = 64


def harden(app: Starlette, config: ServeConfig) -> None:
    """Put the limits and headers of `config` around all routes of `app`."""
    # What is added last stands outside.
    app.add_middleware(
        BodyLimit, body=int(config.body_mb * _MB), upload=int(config.upload_mb * _MB)
    )
    app.add_middleware(TimeLimit, seconds=config.timeout_s)
    if config.cors:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=config.cors,
            allow_methods=("GET", "POST", "DELETE"),
            allow_headers=("Authorization", "Content-Type"),
            expose_headers=("Retry-After",),
        )
    if config.hosts:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=config.hosts, www_redirect=False)
    app.add_middleware(SecurityHeaders)


class SecurityHeaders:
    """Sets HEADERS on every response. What no route caught becomes a 500 without particulars."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        response = _Response(send, HEADERS)
        try:
            await self._app(scope, receive, response.send)
        except Exception as error:
            # The message may hold what was asked; SUREFOOT_DEBUG=1 shows it, and where it was.
            debug = bool(os.environ.get("SUREFOOT_DEBUG"))
            LOG.error("unexpected %s in %s", type(error).__name__, scope["path"], exc_info=debug)
            await response.refuse(ApiError(500, "internal", "something went wrong in the server"))
        return None


class BodyLimit:
    """Refuses a body of more than `body` bytes with 413, or `upload` where documents are sent.

    Without an announced length bytes are counted. Who sends too much and is not refused at the door
    (`Expect: 100-continue`) is read on for a moment: a client that is still sending would see a
    reset connection, not the 413.
    """

    def __init__(self, app: ASGIApp, body: int, upload: int) -> None:
        self._app = app
        self._body = body
        self._upload = upload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        limit = self._upload if _is_upload(scope) else self._body
        response, counted = _Response(send), _Counted(receive, limit)
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and int(announced) > limit:
            if "expect" not in Headers(scope=scope):
                await _discard(receive)
            return await response.refuse(_too_large(limit))
        try:
            await self._app(scope, counted.receive, counted.guarded(response.send))
        except _TooLarge:
            LOG.info("a body of more than %d bytes was not read", limit)
        if counted.exceeded:
            if counted.more:
                await _discard(receive)
            await response.refuse(_too_large(limit))
        return None


class TimeLimit:
    """Ends a request after `seconds`: with 504, or a stream with an error as its last event.

    A route that works in a thread goes on until it is done or looks at its own `cancel`.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        response = _Response(send)
        route = asyncio.ensure_future(self._app(scope, receive, response.send))
        try:
            await asyncio.wait({route}, timeout=self._seconds)
            if route.done():
                return route.result()
            await self._end(response)
        finally:
            if not route.done():
                route.cancel()
                await asyncio.wait({route})
        return None

    async def _end(self, response: _Response) -> None:
        """The last word, for a client that reads it; one that doesn't is cut off."""
        problem = f"it took more than {self._seconds:g} seconds"
        late = ApiError(504, "timeout", problem, retry_after=RETRY_S)
        try:
            async with asyncio.timeout(_LAST_WORD_SECONDS):
                await response.refuse(late)
        except TimeoutError:
            LOG.info("a client that did not read was cut off")


class _TooLarge(Exception):
    pass


class _Counted:
    """A body that is read up to `limit` bytes. `more` of it may still come."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self.more = True
        self._receive = receive
        self._left = limit

    @property
    def exceeded(self) -> bool:
        return self._left < 0

    async def receive(self) -> Message:
        message = await self._receive()
        self.more = bool(message.get("more_body"))
        self._left -= len(message.get("body", b""))
        if self.exceeded:
            raise _TooLarge
        return message

    def guarded(self, send: Send) -> Send:
        """`send`, silent once there was too much: the framework makes a 400 of any failure."""

        async def quiet(message: Message) -> None:
            if not self.exceeded:
                await send(message)

        return quiet


class _Response:
    """What is sent to one client, so that it can be ended in good order at any moment."""

    def __init__(self, send: Send, headers: dict[str, str] | None = None) -> None:
        self._send = send
        self._headers = headers or {}
        self._started = self._ended = self._events = False

    async def send(self, message: Message) -> None:
        """Pass a message of the route on; none, once the response has been ended."""
        if not self._ended:
            await self._pass(message)

    async def refuse(self, error: ApiError) -> None:
        """An error as JSON, or as a stream's last event; what has begun otherwise is cut off."""
        if self._ended:
            return
        self._ended = True
        body = json.dumps(error_body(error)).encode()
        if not self._started:
            kind = [(b"content-type", b"application/json"), (b"connection", b"close")]
            if error.retry_after is not None:
                kind.append((b"retry-after", b"%d" % error.retry_after))
            start = {"type": "http.response.start", "status": error.status, "headers": kind}
            await self._pass(start)
            await self._pass({"type": "http.response.body", "body": body})
        elif self._events:
            await self._pass({"type": "http.response.body", "body": b"data: " + body + b"\n\n"})

    async def _pass(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._started = True
            headers = MutableHeaders(scope=message)
            headers.update(self._headers)
            self._events = headers.get("content-type", "").startswith("text/event-stream")
        elif message["type"] == "http.response.body" and not message.get("more_body"):
            self._ended = True
        await self._send(message)


async def _discard(receive: Receive) -> None:
    """Read what is still being sent, for a moment and some megabytes at most."""
    left = _DISCARDED_MB * _MB
    with suppress(TimeoutError):
        async with asyncio.timeout(_LAST_WORD_SECONDS):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body"):
                    return


def _is_upload(scope: Scope) -> bool:
    return scope["method"] == "POST" and str(scope["path"]).rstrip("/") == UPLOADS


def _too_large(limit: int) -> ApiError:
    return ApiError(413, "too_large", f"the body has more than {limit:,} bytes")
