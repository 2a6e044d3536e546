"""A real server on loopback over a small real base, with a model that says what it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest

from evals.review.queue import ReviewQueue
from ingest.build import ingest
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder
from rag.answers import AnswerCache
from rag.config import Config, GroundingConfig, ServeConfig
from rag.conversations import Conversations
from rag.engines.scripted import ScriptedEngine
from rag.grounding import Grounder
from rag.pipeline import Assistant
from rag.releases.router import OneVariant
from rag.retrieve import Retriever
from rag.safety.guard import Guard
from rag.safety.policy import DEFAULT
from rag.safety.pseudonyms import MemorySessions
from rag.telemetry.telemetry import Telemetry, open_telemetry
from rag.trace import Tracer
from rag.types import Decoding, Finding, Message, Stage, Token
from ui.api.admission import Admission
from ui.api.keys import SCOPES, KeyStore
from ui.api.life import Life
from ui.api.limits import Limits
from ui.api.server import Server, listen
from ui.api.service import Service

EMBEDDER = HashEmbedder(dimension=64)
LEAVE = "Annual leave is twenty five days a year."
REPLY = f"{LEAVE} Up to five days can be carried over."
DOCUMENTS = {
    "open/leave.md": f"# Leave\n\n{REPLY}\n",
    "hr/pay.md": "# Pay\n\nThe pay of a harbour pilot is ninety crowns a day.\n",
    "legal/case.md": "# Case\n\nThe case of the lost anchor is before the court.\n",
}


class Alone(OneVariant):
    """A router that has nothing to close."""

    def close(self) -> None:
        pass


class Bomb:
    """A filter that blocks an answer at the word "bomb"."""

    name = "bomb"

    def find(self, text: str, stage: Stage) -> Sequence[Finding]:
        at = text.find("bomb")
        found = Finding(stage, "VIOLENCE", at, at + 4, 1.0, "bomb")
        return [found] if at >= 0 and stage == "answer" else []


class SlowEngine(ScriptedEngine):
    """Says "wait" until it is cancelled, and then notes that it was; at most for `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__([REPLY], name="slow")
        self.seconds = seconds
        self.started = Event()
        self.cancelled = Event()

    def stream(
        self, messages: Sequence[Message], decoding: Decoding, cancel: Event
    ) -> Generator[Token, None, None]:
        self.started.set()
        until = time.monotonic() + self.seconds
        while time.monotonic() < until:
            if cancel.wait(0.02):
                self.cancelled.set()
                return
            yield Token("", 0, -0.1)
        yield from super().stream(messages, decoding, cancel)


@dataclass
class Notebook:
    """An audit log in memory."""

    lines: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def note(self, kind: str, by: str, **facts: Any) -> None:
        self.lines.append((kind, by, facts))

    def kinds(self) -> list[str]:
        return [kind for kind, _, _ in self.lines]


@dataclass
class Running:
    """A server that runs, and a way to talk to it."""

    url: str
    service: Service
    server: Server
    notes: Notebook
    secrets: dict[str, str]

    def client(self, key: str | None = "all", **options: Any) -> httpx.Client:
        headers = {"authorization": f"Bearer {self.secrets[key]}"} if key else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=20, **options)


Serve = Callable[..., AbstractContextManager[Running]]


@pytest.fixture(scope="session")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("documents")
    for name, text in DOCUMENTS.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    return root


def build_base(documents: Path, base: Path) -> Path:
    for group in ("open", "hr", "legal"):
        groups = frozenset() if group == "open" else frozenset({group})
        assert not ingest([documents / group], base, EMBEDDER, groups=groups).failed
    return base


@pytest.fixture
def kb(documents: Path, tmp_path: Path) -> Path:
    return build_base(documents, tmp_path / "kb")


def assistant(kb: Path, engine: ScriptedEngine, telemetry: Telemetry) -> Assistant:
    config = Config(grounding=GroundingConfig(trust=0.0, near=0.0, threshold=0.2))
    base = KnowledgeBase.open(kb, EMBEDDER)
    return Assistant(
        Retriever(base, EMBEDDER, config.retrieve),
        engine,
        Guard([Bomb()], DEFAULT),
        Grounder(EMBEDDER),
        EMBEDDER,
        config,
        Tracer(kb / "traces", {}),
        (telemetry,),
    )


def make_keys(store: KeyStore) -> dict[str, str]:
    """Keys by name: all may do everything; hr and legal see their group; ask may only ask."""

    def add(name: str, scopes: Sequence[str], *groups: str, rate: int = 10**6) -> str:
        return store.add(name, scopes, groups, rate, 10**9, None)[1]

    return {
        "all": add("all", SCOPES, "hr", "legal"),
        "open": add("open", SCOPES),
        "hr": add("hr", SCOPES, "hr"),
        "ask": add("ask", ["ask"]),
        "slow": add("slow", SCOPES, rate=2),
    }


def make_service(kb: Path, engine: ScriptedEngine, config: ServeConfig, notes: Notebook) -> Service:
    telemetry = open_telemetry(Config(), {})
    life = Life()
    life.warm()
    return Service(
        kb=kb,
        config=config,
        router=Alone(assistant(kb, engine, telemetry)),
        keys=KeyStore.beside(kb),
        limits=Limits.beside(kb),
        admission=Admission(config.workers, config.queue),
        cache=AnswerCache(config.cache_size, config.cache_ttl_s),
        meter=telemetry,
        audit=notes,
        review=ReviewQueue(kb / "review.db"),
        conversations=Conversations.beside(kb),
        embedder=lambda: EMBEDDER,
        bulk=lambda: EMBEDDER,
        pool=ThreadPoolExecutor(16),
        chores=ThreadPoolExecutor(2),
        life=life,
        sessions=MemorySessions(),
    )


@contextmanager
def serving(
    kb: Path, engine: ScriptedEngine | None = None, keys: bool = True, **config: Any
) -> Iterator[Running]:
    notes = Notebook()
    secrets = make_keys(KeyStore.beside(kb)) if keys else {}
    settings = replace(ServeConfig(drain_s=5.0), **config)
    service = make_service(kb, engine or ScriptedEngine([REPLY]), settings, notes)
    listener, server = listen("127.0.0.1", 0), Server(service)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield Running(url, service, server, notes, secrets)
    finally:
        server.stop()
        thread.join(20)
        service.close()
        assert not thread.is_alive()


@pytest.fixture
def serve(kb: Path) -> Serve:
    """serve(engine, keys, workers=...): a server over a base of its own while it is needed."""
    return partial(serving, kb)


@pytest.fixture(scope="module")
def make_running(documents: Path, tmp_path_factory: pytest.TempPathFactory) -> Serve:
    """As `serve`, for a server that the tests of a module share."""
    return partial(serving, build_base(documents, tmp_path_factory.mktemp("base") / "kb"))


@pytest.fixture
def running(serve: Serve) -> Iterator[Running]:
    with serve() as server:
        yield server


@pytest.fixture
def slow_engine() -> type[SlowEngine]:
    return SlowEngine
