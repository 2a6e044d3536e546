"""What the API is made of: finished parts, put together in `ui.api.open`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from fastapi import Request

from evals.review.queue import ReviewQueue
from ingest.errors import KnowledgeBaseError
from ingest.types import Embedder
from rag.answers import AnswerCache, index_stamp
from rag.config import ServeConfig
from rag.conversations import Conversations
from rag.releases.router import Served
from rag.safety.pseudonyms import Sessions
from ui.api.admission import Admission
from ui.api.damper import Damper
from ui.api.keys import KeyStore
from ui.api.life import Life
from ui.api.limits import Limits
from ui.uploads import UPLOADS

LOG = logging.getLogger("surefoot.serve")


class Router(Protocol):
    """Chooses who answers a conversation; `close` ends what it does in the background."""

    def pick(self, conversation: str) -> Served: ...

    def close(self) -> None: ...


class Notes(Protocol):
    """The audit log, for what is no answer of the assistant: refusals, uploads, forgetting."""

    def note(self, kind: str, by: str, **facts: Any) -> None: ...


class Meter(Protocol):
    """Counts of the service."""

    def requested(self, route: str, status: int, seconds: float) -> None: ...

    def refused(self, why: str) -> None: ...

    def cached(self, hit: bool) -> None: ...

    def queued(self, depth: int) -> None: ...

    def parented(self, traceparent: str | None) -> AbstractContextManager[None]: ...

    def exposition(self) -> tuple[bytes, str]: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Service:
    """One knowledge base, served. `embedder` is for questions, `bulk` for documents.

    `pool` makes answers and waits for their turn; `chores` are what takes no turn: searches,
    uploads, forgetting. `router` raises ApiError until the models are loaded. `strangers` keeps
    those without a key from filling the audit log.
    """

    kb: Path
    config: ServeConfig
    router: Router
    keys: KeyStore
    limits: Limits
    admission: Admission
    cache: AnswerCache
    meter: Meter
    audit: Notes
    review: ReviewQueue
    conversations: Conversations
    embedder: Callable[[], Embedder]
    bulk: Callable[[], Embedder]
    pool: Executor
    chores: Executor
    life: Life
    sessions: Sessions
    strangers: Damper = field(default_factory=Damper)

    @property
    def uploads(self) -> Path:
        """Where uploaded files lie, each in a folder of its own."""
        return self.kb / UPLOADS

    def follow(self) -> None:
        """Drop cached answers that a change to the base has overtaken, also while nobody asks."""
        try:
            self.cache.follow(index_stamp(self.kb))
        except KnowledgeBaseError as error:
            LOG.error("%s", error)
            self.cache.clear()

    def close(self) -> None:
        """Wait for what still runs, and write what is not written. Cancel it before."""
        self.router.close()
        self.pool.shutdown()
        self.chores.shutdown()
        self.limits.close()
        self.meter.close()


def service_of(request: Request) -> Service:
    """The service that a request is made to."""
    service: Service = request.app.state.service
    return service
