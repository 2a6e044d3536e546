"""Closed sets of label values, so that no stranger's text can make a new time series. Pure."""

from __future__ import annotations

from http import HTTPStatus
from threading import Lock
from typing import get_args

from rag.safety.labels import LABELS
from rag.types import Action

OTHER = "other"

FINDINGS = frozenset(LABELS)
FINDING_STAGES = frozenset({"question", "passage", "answer"})
ACTIONS = frozenset(get_args(Action))
FILTERS = frozenset({"pii", "moderation", "injection", "lists", "markup", "guard", "check"})
# Those of LOAD are for want of room; the others are what a client did, or a rule that was set.
LOAD = ("queue", "share", "draining")
REFUSALS = frozenset({*LOAD, "key", "scope", "rate", "quota", "size", "timeout"})
ROLES = ("stable", "canary", "shadow")
RELEASE_STATES = frozenset({"canary", "shadow", "promoted", "rolled_back", "idle"})

# 499: the client left, by custom.
_STATUSES = frozenset({"499", *(str(status.value) for status in HTTPStatus)})
_ROUTES = (
    "/v1/chat/completions",
    "/v1/models",
    "/v1/embeddings",
    "/ask",
    "/search",
    "/documents",
    "/conversations",
    "/feedback",
    "/traces",
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
)
_WITH_ITEMS = frozenset({"/v1/models", "/documents", "/conversations", "/traces"})
ROUTES = frozenset({*_ROUTES, *(f"{route}/{{id}}" for route in _WITH_ITEMS), OTHER})


def among(value: str, known: frozenset[str]) -> str:
    """`value` if it is known, else "other"."""
    return value if value in known else OTHER


def route_label(path: str) -> str:
    """The route that a path, or a template of one, belongs to; what it names becomes "{id}"."""
    bare = path.partition("?")[0].rstrip("/")
    if bare in _ROUTES:
        return bare
    for route in _WITH_ITEMS:
        if bare.startswith(f"{route}/"):
            return f"{route}/{{id}}"
    return OTHER


def status_label(status: int) -> str:
    """A status code of the standard, else "other"."""
    return among(str(status), _STATUSES)


class Learned:
    """Names that only an operator gives (models, variants): the first `most` count, then "other".

    Safe to share by threads.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._names: frozenset[str] = frozenset()
        self._lock = Lock()

    def label(self, name: str) -> str:
        """The name, cut at 64 characters, or "other" once too many are known."""
        name = name[:64]
        if name in self._names:
            return name
        with self._lock:
            if len(self._names) < self._most:
                self._names |= {name}
        return among(name, self._names)
