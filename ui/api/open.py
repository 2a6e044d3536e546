"""Puts a service together: the only file of the API that knows how its parts are opened."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from evals.review.queue import ReviewQueue
from evals.review.types import beside
from ingest.manifest import read_manifest
from rag.answers import AnswerCache
from rag.assemble import open_bulk_embedder, open_embedder
from rag.audit import AuditLog
from rag.config import AuditConfig, Config
from rag.conversations import Conversations
from rag.releases.live import LiveRouter
from rag.releases.opening import open_router
from rag.releases.router import Served
from rag.safety.vault_opening import LateSessions
from rag.telemetry.telemetry import open_telemetry
from ui.api.admission import Admission
from ui.api.errors import RETRY_S, ApiError
from ui.api.keys import KeyStore
from ui.api.life import Life
from ui.api.limits import Limits
from ui.api.service import Service

CHORES = 4
# Threads beyond those that run and those that wait their turn: they read the cache, or refuse.
SPARE = 32


class LateRouter:
    """A router that is there once the models are loaded; before, it refuses."""

    def __init__(self) -> None:
        self._router: LiveRouter | None = None

    def set(self, router: LiveRouter) -> None:
        self._router = router

    def pick(self, conversation: str) -> Served:
        """Raises ApiError while nothing is loaded."""
        if self._router is None:
            raise ApiError(503, "warming", "the models are being loaded", RETRY_S)
        return self._router.pick(conversation)

    def close(self) -> None:
        """End what works in the background, if anything does."""
        if self._router is not None:
            self._router.close()


def open_service(kb: Path, config: Config) -> tuple[Service, Callable[[], None]]:
    """The service, which refuses questions, and what loads its models so that it answers them.

    Raises SurefootError, and so does the loading.
    """
    read_manifest(kb)
    router, serve = LateRouter(), config.serve
    # A service keeps its log whatever the config says of one's own questions.
    size = config.audit.file_mb or AuditConfig().file_mb
    audit, telemetry = AuditLog(kb / "audit", file_bytes=size * 1_000_000), open_telemetry(config)
    telemetry.watch(kb)
    service = Service(
        kb=kb,
        config=serve,
        router=router,
        keys=KeyStore.beside(kb),
        limits=Limits.beside(kb),
        admission=Admission(serve.workers, serve.queue, serve.timeout_s / 2),
        cache=AnswerCache(serve.cache_size, serve.cache_ttl_s),
        meter=telemetry,
        audit=audit,
        review=ReviewQueue(beside(kb)),
        conversations=Conversations.beside(kb),
        embedder=open_embedder,
        bulk=open_bulk_embedder,
        pool=ThreadPoolExecutor(serve.workers + serve.queue + SPARE, "surefoot-answer"),
        chores=ThreadPoolExecutor(CHORES, "surefoot-chore"),
        life=Life(),
        sessions=LateSessions(kb),
    )

    def load() -> None:
        router.set(open_router(kb, config, (audit,), telemetry))
        service.life.warm()

    return service, load
