"""How `surefoot serve` fares, by its own /metrics."""

from __future__ import annotations

import math
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from ingest.errors import SurefootError
from rag.config import ServeConfig
from rag.telemetry.exposed import Exposed, NotMetrics, read_exposition

URL_VARIABLE, KEY_VARIABLE = "SUREFOOT_METRICS_URL", "SUREFOOT_METRICS_KEY"
WAIT_S = 1.5
LARGEST = 4_000_000


class NoServer(SurefootError):
    """No metrics came. `asks_key`: for want of the right key."""

    def __init__(self, problem: str, asks_key: bool = False) -> None:
        self.asks_key = asks_key
        super().__init__(problem)


@dataclass(frozen=True, slots=True)
class Where:
    """Where the metrics are, and the key for them. `named`: somebody said so."""

    url: str
    key: str = field(default="", repr=False)
    named: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """A server since its start: counts, and what is so at this moment."""

    version: str
    began: float
    answers: int
    failures: int
    waiting: int
    hits: int
    lookups: int
    refused: Mapping[str, int]
    memory: Mapping[str, float]
    """By store: the part that is left, 0 to 1."""
    uncounted: int


def where(env: Mapping[str, str], serve: ServeConfig) -> Where:
    """SUREFOOT_METRICS_URL and _KEY, or the address at which a server of this config listens."""
    key = env.get(KEY_VARIABLE, "").strip()
    if url := env.get(URL_VARIABLE, "").strip():
        return Where(url, key, True)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(serve.host, serve.host)  # noqa: S104
    name = f"[{host}]" if ":" in host else host
    return Where(f"http://{name}:{serve.port}/metrics", key)


def facts(place: Where) -> Facts:
    """Ask, and wait for WAIT_S at most. Raises NoServer."""
    try:
        return facts_of(read_exposition(_get(place)))
    except NotMetrics as error:
        raise NoServer(f"what answers at {place.url} gives no metrics: {error}") from error


def facts_of(exposed: Exposed) -> Facts:
    """The facts in a server's metrics. Raises NotMetrics for those of something else."""
    versions = exposed.by("surefoot_build_info", "version")
    if not versions:
        raise NotMetrics("it is not a Surefoot server")
    lookups = exposed.by("surefoot_cache_lookups_total", "result")
    refused = exposed.by("surefoot_refusals_total", "why")
    return Facts(
        version=next(iter(versions)),
        began=exposed.sum("process_start_time_seconds"),
        answers=_whole(exposed.sum("surefoot_answers_total")),
        failures=_whole(exposed.sum("surefoot_failures_total")),
        waiting=_whole(exposed.sum("surefoot_queue_depth")),
        hits=_whole(lookups.get("hit", 0.0)),
        lookups=_whole(sum(lookups.values())),
        refused={why: _whole(n) for why, n in refused.items() if n > 0},
        memory=_left(exposed),
        uncounted=_whole(exposed.sum("surefoot_telemetry_errors_total")),
    )


def _left(exposed: Exposed) -> dict[str, float]:
    free = exposed.by("surefoot_memory_available_bytes", "store")
    limits = exposed.by("surefoot_memory_limit_bytes", "store")
    return {
        store: free[store] / limit for store, limit in limits.items() if limit and store in free
    }


def _whole(value: float) -> int:
    return int(value) if math.isfinite(value) else 0


class _Stay(urllib.request.HTTPRedirectHandler):
    """A key is for the server that was named, not for one that it points to."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _get(place: Where) -> str:
    if urlsplit(place.url).scheme not in ("http", "https"):
        raise NoServer(f"{URL_VARIABLE} must be an http:// or https:// address")
    headers = {"Authorization": f"Bearer {place.key}"} if place.key else {}
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay)
    try:
        request = urllib.request.Request(place.url, headers=headers)  # noqa: S310
        with direct.open(request, timeout=WAIT_S) as response:
            data: bytes = response.read(LARGEST + 1)
    except urllib.error.HTTPError as error:
        asks_key = error.code in (401, 403)
        said = "wants a key with the scope metrics" if asks_key else f"answers {error.code}"
        raise NoServer(f"the server at {place.url} {said}", asks_key) from error
    except (OSError, HTTPException, ValueError) as error:
        raise NoServer(f"nothing answers at {place.url}") from error
    if len(data) > LARGEST:
        raise NoServer(f"what answers at {place.url} gives no metrics: it is too long")
    return data.decode("utf-8", "replace")
