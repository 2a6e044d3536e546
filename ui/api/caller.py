"""Who asks, and what they may: every route but the health checks needs a key with its scope."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from ui.api.errors import RETRY_S, ApiError
from ui.api.keys import Key
from ui.api.service import Service, service_of
from ui.api.wire import ErrorReply

FIRST_KEY = "surefoot keys add NAME --kb DIR"
BEARER = HTTPBearer(auto_error=False, scheme_name="key", description=f"A key, made by: {FIRST_KEY}")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)]
# What any route with a key may refuse with.
REFUSALS: dict[int | str, dict[str, object]] = {
    400: {"model": ErrorReply, "description": "Something is wrong with the request."},
    401: {"model": ErrorReply, "description": "No key, or none that works."},
    403: {"model": ErrorReply, "description": "The key does not allow this."},
    413: {"model": ErrorReply, "description": "The body is too large."},
    429: {"model": ErrorReply, "description": "Too much for this key; Retry-After says when."},
    500: {"model": ErrorReply, "description": "A fault of the server."},
    503: {"model": ErrorReply, "description": "Not now; Retry-After says when."},
    504: {"model": ErrorReply, "description": "It took too long."},
}


@dataclass(frozen=True, slots=True)
class Caller:
    """A key that was found to be good for what is asked."""

    key: Key

    def groups(self, asked: Sequence[str] | None) -> frozenset[str]:
        """The groups of a request: the key's, or those of them that it names. Raises ApiError."""
        if asked is None:
            return self.key.groups
        if beyond := sorted(set(asked) - self.key.groups):
            line = f"not among this key's groups: {', '.join(beyond)}"
            raise ApiError(403, "groups", line, param="groups")
        return frozenset(asked)

    def owns(self, name: str) -> str:
        """The name of this key's conversation in the store that all keys share."""
        return f"{self.key.id}/{name}"


def needs(scope: str) -> Callable[[Request, Credentials], Caller]:
    """A dependency: the caller, if its key has the scope and may ask now. Raises ApiError."""

    def caller(request: Request, credentials: Credentials) -> Caller:
        service = service_of(request)
        key = service.keys.find(credentials.credentials) if credentials else None
        if key is None:
            raise ApiError(401, "invalid_api_key", _no_key(service, credentials is not None))
        request.state.by = key.id
        if scope not in key.scopes:
            raise ApiError(403, "scope", f"this key does not have the scope {scope}")
        if service.life.state == "draining":
            raise ApiError(503, "draining", "the server is stopping", RETRY_S)
        if (wait := service.limits.allow(key)) is not None:
            raise _too_much(service, key, wait)
        return Caller(key)

    return caller


def _too_much(service: Service, key: Key, wait: int) -> ApiError:
    if service.limits.used(key) >= key.tokens_per_day:
        return ApiError(429, "insufficient_quota", "this key has used its tokens of today", wait)
    return ApiError(429, "rate_limit_exceeded", f"too many requests; one more in {wait} s", wait)


def _no_key(service: Service, given: bool) -> str:
    if not service.keys.all():
        return f"there is no key yet; make one with: {FIRST_KEY}"
    if given:
        return "this key is unknown, expired or revoked"
    return "a key is needed: Authorization: Bearer KEY"


Wired = Annotated[Service, Depends(service_of)]
Asker = Annotated[Caller, Depends(needs("ask"))]
Searcher = Annotated[Caller, Depends(needs("search"))]
Reader = Annotated[Caller, Depends(needs("read"))]
Writer = Annotated[Caller, Depends(needs("write"))]
Judge = Annotated[Caller, Depends(needs("feedback"))]
