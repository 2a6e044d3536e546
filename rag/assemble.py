"""The only file that knows concrete classes: puts parts together from a config."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, fields, replace
from functools import cache, partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from ingest.manifest import read_manifest
from ingest.store import KnowledgeBase
from ingest.types import Embedder
from rag.answers import index_stamp
from rag.audit import AuditLog
from rag.calibrated import in_force
from rag.checkers.cached import CachedChecker
from rag.checkers.local import require_local
from rag.checkers.names import JUDGE, parse_name
from rag.config import Config, load
from rag.engines.settings import EngineConfig
from rag.errors import ConfigError
from rag.grounding import Checker, Grounder
from rag.models import catalogue, resolve, sha256_of, spec
from rag.observe import Observer
from rag.pipeline import Assistant
from rag.prompt import SYSTEM, beginning
from rag.rerank import LATE, LateInteraction, Reranker, open_cross_encoder
from rag.retrieve import Retriever
from rag.safety.guard import Guard
from rag.safety.policy import DEFAULT, Policy, Rule
from rag.standing import Standings
from rag.trace import Tracer
from rag.types import Decoding, Engine

if TYPE_CHECKING:
    from rag.replay import Replayer
    from rag.traced import Traced

EMBEDDER = "all-minilm-l6-v2"
NER = "en-core-web-sm"
EMBEDDING_CACHE = 4096
SERVED = "openai:"
KEY_VARIABLE = "SUREFOOT_OPENAI_API_KEY"


@cache
def open_plain_embedder() -> Embedder:
    """The default embedder, one a process. Raises ModelUnavailable."""
    return _open_embedder(bulk=False)


@cache
def open_bulk_embedder() -> Embedder:
    """The default embedder for documents: faster, less exact. Raises ModelUnavailable."""
    return _open_embedder(bulk=True)


def _open_embedder(bulk: bool) -> Embedder:
    path = resolve(EMBEDDER)
    from ingest.embed import SentenceEmbedder

    return SentenceEmbedder(path, EMBEDDER, spec(EMBEDDER).sha256, bulk)


@cache
def open_embedder() -> Embedder:
    """The default embedder with a cache, one a process. Raises ModelUnavailable."""
    from ingest.embed import CachedEmbedder

    return CachedEmbedder(open_plain_embedder(), EMBEDDING_CACHE)


def open_guard(config: Config, embedder: Embedder, report_names: bool = False) -> Guard:
    """All filters under the default policy, except labels that the config says to show.

    With `report_names`, names of people and places are found and reported too, though kept.
    """
    from rag.safety.build import build_guard

    policy, seconds = _policy(config), config.guard.timeout_s
    return build_guard(resolve(NER), embedder, policy, report_names, seconds)


def open_engine(config: Config) -> Engine:
    """The engine that fits what `engine.model` names: GGUF to llama.cpp, openai:NAME to a server.

    All else goes to transformers.
    """
    name, settings = config.engine.model, config.engine
    path = Path(name).expanduser()
    if name in catalogue() or path.suffix == ".gguf":
        from rag.engines.llamacpp import LlamaCppEngine

        known = catalogue().get(name)
        file = resolve(name) if known else _existing(path)
        digest = known.sha256 if known else sha256_of(file)
        return LlamaCppEngine(
            file, name, digest, settings.window, settings.threads or None, settings.slots or 1
        )
    if name.startswith(SERVED):
        return _open_served(name.removeprefix(SERVED), settings)
    from rag.engines.hf import TransformersEngine

    return TransformersEngine(
        name,
        settings.window,
        settings.slots,
        settings.lookup,
        settings.quantize,
        settings.compile,
    )


def _open_served(name: str, settings: EngineConfig) -> Engine:
    """A server's model. Its key is in no config, so it gets into no trace."""
    from rag.engines.counting import Counter, estimated, local_counter
    from rag.engines.openai import OpenAIEngine

    if not settings.base_url:
        problem = "must say where the server is, such as http://127.0.0.1:8000/v1"
        raise ConfigError("engine.base_url", problem)
    count: Counter | None = local_counter(Path(settings.tokenizer)) if settings.tokenizer else None
    guessed = count is None and settings.count == "estimate"
    return OpenAIEngine(
        name,
        settings.base_url,
        os.environ.get(KEY_VARIABLE, ""),
        settings.window,
        settings.timeout_s,
        estimated if guessed else count,
        counts_exactly=not guessed,
    )


def open_retriever(kb: Path, config: Config, embedder: Embedder) -> Retriever:
    base = KnowledgeBase.open(kb, embedder)
    return Retriever(base, embedder, config.retrieve, open_reranker(config))


def open_reranker(config: Config) -> Reranker | None:
    """The second stage that `retrieve.rerank` names. Raises ConfigError, ModelUnavailable."""
    name = config.retrieve.rerank
    if not name:
        return None
    if name != LATE:
        return open_cross_encoder(name)
    from ingest.embed import open_tokenizer
    from ingest.encoders.choice import open_tokens

    path = resolve(EMBEDDER)
    return LateInteraction(open_tokens(path, spec(EMBEDDER).sha256, open_tokenizer(path)))


def open_checker(config: Config, embedder: Embedder) -> Checker:
    """The checker that `grounding.checker` names, which judges nothing twice.

    Raises ConfigError, ModelUnavailable, EngineError.
    """
    if not config.grounding.checker:
        return CachedChecker(Grounder(embedder), "")
    from rag.checkers.opening import open_judge, open_published

    name = parse_name(config.grounding.checker)
    if name.kind != JUDGE:
        return open_published(name, embedder)
    # An engine of its own: the one that answers is at it until its answer is checked.
    loads = replace(_loads(config.with_model(name.model)), slots=1)
    return open_judge(open_engine(replace(config, engine=loads)), embedder)


def open_assistant(
    kb: Path,
    model: str | None = None,
    config: Config | None = None,
    tracer: Tracer | None = None,
    observers: Sequence[Observer] = (),
) -> Assistant:
    """Everything for answering over `kb`; parts that don't need each other load side by side.

    Traces and audit lines go to the knowledge base's folder; with a `tracer` of its own, traces go
    there and no line is written. `observers` hear how answers end; one may be the AuditLog.
    """
    config = (config or load()).with_model(model)
    # A missing base, or a damaged calibration, is said before models are loaded.
    read_manifest(kb)
    config = in_force(kb, config)
    require_local(config.grounding.checker)
    # Before any thread: while it is loaded, none may load torch.
    import rag.safety.lean  # noqa: F401

    with ThreadPoolExecutor(2) as pool:
        engine_job = pool.submit(_warm_engine, config)
        embedder = open_embedder()
        embedder.embed(["Is it loaded?"])
        base = KnowledgeBase.open(kb, embedder)
        guard = open_guard(config, embedder)
        engine = engine_job.result()
    return Assistant(
        retriever=Retriever(base, embedder, config.retrieve, open_reranker(config)),
        engine=engine,
        guard=guard,
        grounder=open_checker(config, embedder),
        embedder=embedder,
        config=config,
        tracer=tracer or _tracer(kb, config),
        standings=Standings(partial(index_stamp, kb)),
        observers=_audited(kb, config, observers) if tracer is None else observers,
    )


def open_beside(like: Assistant, kb: Path, config: Config) -> Assistant:
    """An assistant under another config, with those parts of `like` that it does not change.

    Nobody hears it. Raises SurefootError as `open_assistant` does.
    """
    config = in_force(kb, config)
    same, embedder = like.config, open_embedder()
    return Assistant(
        retriever=like.retriever
        if same.retrieve == config.retrieve
        else open_retriever(kb, config, embedder),
        engine=like.engine if _loads(same) == _loads(config) else _warm_engine(config),
        guard=like.guard if same.guard == config.guard else open_guard(config, embedder),
        grounder=open_checker(config, embedder),
        embedder=embedder,
        config=config,
        tracer=_tracer(kb, config),
        standings=Standings(partial(index_stamp, kb)),
    )


def _tracer(kb: Path, config: Config) -> Tracer:
    def facts() -> dict[str, Any]:
        # A base that is fed while it is asked goes on to its next generation.
        return {"config": asdict(config), "kb": {"path": str(kb), **asdict(read_manifest(kb))}}

    return Tracer(kb / "traces", facts)


def _loads(config: Config) -> EngineConfig:
    """The settings that an engine is loaded with: without those of decoding."""
    shipped = EngineConfig(max_tokens=1)
    decoding = {item.name for item in fields(Decoding)} & {item.name for item in fields(shipped)}
    return replace(config.engine, **{name: getattr(shipped, name) for name in decoding})


def open_replayer(traced: Traced) -> Replayer:
    """The models that a trace names. Raises ModelUnavailable, ModelCorrupt, ConfigError."""
    from rag.replay import Replayer

    embedder = open_embedder()
    guard = open_guard(traced.config, embedder)
    checker = open_checker(traced.config, embedder)
    return Replayer(open_engine(traced.config), guard, checker)


def open_searcher(kb: Path, config: Config, replayer: Replayer) -> Assistant:
    """An assistant that leaves nothing behind, with the parts of a replayer."""
    embedder = open_embedder()
    return Assistant(
        retriever=open_retriever(kb, config, embedder),
        engine=replayer.engine,
        guard=replayer.guard,
        grounder=replayer.grounder,
        embedder=embedder,
        config=config,
        tracer=Tracer(None, {}),
    )


def _audited(kb: Path, config: Config, observers: Sequence[Observer]) -> tuple[Observer, ...]:
    """With the base's audit log, unless one is there or the config wants none."""
    mb = config.audit.file_mb
    if not mb or any(isinstance(observer, AuditLog) for observer in observers):
        return tuple(observers)
    return (AuditLog(kb / "audit", file_bytes=mb * 1_000_000), *observers)


def _warm_engine(config: Config) -> Engine:
    """The engine with the prompt's fixed part read already: every question begins with it."""
    engine = open_engine(config)
    known = beginning(config.prompt.system or SYSTEM)
    with closing(engine.stream(known, Decoding(max_tokens=1), Event())) as tokens:
        next(tokens, None)
    return engine


def _policy(config: Config) -> Policy:
    policy = DEFAULT
    for label in config.guard.show:
        policy = policy.with_rule(label, Rule("keep"))
    return policy


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ConfigError("engine.model", f"there is no file {path}")
    return path
