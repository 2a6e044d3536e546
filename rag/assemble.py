"""The file that knows concrete classes: puts parts together from a config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, fields, replace
from functools import cache, partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from ingest.manifest import read_manifest
from ingest.progress import Progress
from ingest.store import KnowledgeBase
from ingest.types import Embedder
from rag.answers import index_stamp
from rag.audit import AuditLog
from rag.calibrated import in_force
from rag.checkers.cached import CachedChecker
from rag.checkers.local import require_local
from rag.checkers.names import JUDGE, parse_name
from rag.config import Config, load
from rag.engines.opening import open_engine as open_engine
from rag.engines.settings import EngineConfig
from rag.grounding import Checker, Grounder
from rag.models import resolve, spec
from rag.observe import Observer
from rag.pipeline import Assistant
from rag.prompt import SYSTEM, beginning
from rag.rerank import LATE, LateInteraction, Reranker, open_cross_encoder
from rag.retrieve import Retriever
from rag.safety.classifiers.local import require_classifiers
from rag.safety.guard import Guard
from rag.safety.policy import policy_of
from rag.safety.scans import Scans
from rag.scan import ScanReport, scan
from rag.standing import Standings
from rag.trace import Tracer
from rag.types import Decoding, Engine

if TYPE_CHECKING:
    from rag.replay import Replayer
    from rag.safety.classifiers.filter import ClassifierFilter
    from rag.safety.classifiers.opening import Named
    from rag.traced import Traced

EMBEDDER = "all-minilm-l6-v2"
EMBEDDING_CACHE = 4096


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


def open_guard(
    config: Config,
    embedder: Embedder,
    report_names: bool = False,
    base: KnowledgeBase | None = None,
    remember: bool = True,
) -> Guard:
    """All filters under the policy that the config names; `base` has the documents it calls public.

    With `report_names`, names of people and places are found and reported too, though kept. What
    is found in the passages of `base` is kept beside it, unless `remember` is false.
    """
    from rag.safety.build import build_guard
    from rag.safety.public import Base

    policy, seconds = policy_of(config.guard), config.guard.timeout_s
    shelf = Base(base, partial(index_stamp, base.path)) if base is not None else None
    scans = Scans(base.path) if base is not None and remember else None
    named, ner = _named(config), config.guard.ner
    return build_guard(ner, embedder, policy, report_names, seconds, shelf, scans, named)


def scan_passages(kb: Path, progress: Progress) -> ScanReport:
    """Let the injection filter read what is new in a base; what it finds is kept beside it.

    Raises ModelUnavailable, FilterError, KnowledgeBaseError.
    """
    from rag.safety.features import CachedVectors
    from rag.safety.shipped import build_injection, version

    embedder, named = open_plain_embedder(), _named(load())
    finder = build_injection(embedder, CachedVectors(embedder), named)
    return scan(kb, finder, Scans(kb), version(finder, embedder, named), progress)


def open_classifier(config: Config, embedder: Embedder, role: str) -> ClassifierFilter | None:
    """What the config names in place of a learned filter; None for the shipped one.

    A lower score than its own counts where the policy says so.

    Raises ConfigError, ModelUnavailable, EngineError.
    """
    from rag.safety.features import CachedVectors
    from rag.safety.floors import floors_of
    from rag.safety.shipped import build_classifier

    vectors, floors = CachedVectors(embedder), floors_of(policy_of(config.guard))
    return build_classifier(role, embedder, vectors, _named(config), floors)


def _named(config: Config) -> Named:
    """The classifiers that the config names; their engines are their own."""
    from rag.safety.classifiers.opening import Named

    def engine(model: str, template: str, values: Mapping[str, Any]) -> Engine:
        return open_engine(_apart(config, model), template, values)

    return Named(config.guard, engine)


def _apart(config: Config, model: str) -> Config:
    """For an engine beside the one that answers, which is at it until its answer is checked."""
    return replace(config, engine=replace(_loads(config.with_model(model)), slots=1))


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
    return open_judge(open_engine(_apart(config, name.model)), embedder)


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
    require_classifiers(config.guard)
    # Before any thread: while it is loaded, none may load torch.
    import rag.safety.lean  # noqa: F401

    with ThreadPoolExecutor(2) as pool:
        engine_job = pool.submit(_warm_engine, config)
        embedder = open_embedder()
        embedder.embed(["Is it loaded?"])
        base = KnowledgeBase.open(kb, embedder)
        guard = open_guard(config, embedder, base=base)
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
        guard=like.guard
        if same.guard == config.guard
        else open_guard(config, embedder, base=KnowledgeBase.open(kb, embedder)),
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


def open_replayer(traced: Traced, kb: Path) -> Replayer:
    """The models that a trace names. Raises ModelUnavailable, ModelCorrupt, ConfigError.

    `kb` is opened only where the policy calls some of its documents public.
    """
    from rag.replay import Replayer

    embedder = open_embedder()
    named = policy_of(traced.config.guard).allowed.documents
    base = KnowledgeBase.open(kb, embedder) if named else None
    guard = open_guard(traced.config, embedder, base=base)
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
