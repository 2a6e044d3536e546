"""One frozen, self-validating config a stage; read from TOML and the environment here alone.

`SUREFOOT_<STAGE>_<FIELD>` overrides `[stage] field` of the file named by `SUREFOOT_CONFIG`, or of
`surefoot.toml` in the working directory.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from rag.checked import require
from rag.checkers.names import parse_name
from rag.engines.settings import EngineConfig
from rag.errors import ConfigError
from rag.safety.settings import GuardConfig
from rag.sign_in import SignInConfig

GroundingPolicy = Literal["annotate", "drop", "strict"]


@dataclass(frozen=True, slots=True)
class RetrieveConfig:
    """`candidates` are taken from each of dense and lexical search, `top` are kept.

    `dense_weight` in [0, 1] is the share of the dense score in the fused one. `widen` are the
    characters that a passage may show on either side of the chunk that was found, in whole
    sentences; 0, since no width put significantly more answers into the prompts of 242 questions.
    `links` passages at most are put after the best three, found by the names in the best two; a
    second one gained nothing more and cost places on questions that one document answers.

    `rerank` is the second stage: "late" (the embedder's tokens), or a sentence-transformers
    CrossEncoder by its folder or the name it was pulled by; "" for none, since "late" lost on one
    set what it won on another. It reads the best `rerank_top`, and is `rerank_weight` of the score.

    In a conversation the question counts `lead` times as much as the words of its topic.
    """

    top: int = 6
    candidates: int = 100
    dense_weight: float = 0.5
    max_terms: int = 32
    widen: int = 0
    links: int = 1
    rerank: str = ""
    rerank_top: int = 20
    rerank_weight: float = 0.5
    lead: int = 3

    def __post_init__(self) -> None:
        require(1 <= self.top <= 1000, "retrieve.top", "must be 1 to 1000")
        require(self.candidates >= self.top, "retrieve.candidates", "must be at least retrieve.top")
        require(0.0 <= self.dense_weight <= 1.0, "retrieve.dense_weight", "must be 0 to 1")
        require(self.max_terms >= 1, "retrieve.max_terms", "must be at least 1")
        require(0 <= self.links <= 20, "retrieve.links", "must be 0 to 20")
        require(1 <= self.rerank_top <= 1000, "retrieve.rerank_top", "must be 1 to 1000")
        require(0.0 <= self.rerank_weight <= 1.0, "retrieve.rerank_weight", "must be 0 to 1")
        require(1 <= self.lead <= 10, "retrieve.lead", "must be 1 to 10")
        require(0 <= self.widen <= 100_000, "retrieve.widen", "must be 0 to 100000 characters")


@dataclass(frozen=True, slots=True)
class PromptConfig:
    """`tokens` bounds the whole prompt, template included. History may take `history_share` of it.

    0 goes by where the model computes: 512 on a CPU, where each prompt token delays the first word
    by 5 to 10 ms, and 3,000 on a GPU. The window less the answer's room bounds both.
    A follow-up that leans on what was said goes on from the prompt before it, and adds passages
    worth `onward` of the tokens; 0 makes every prompt anew. `system` replaces the shipped
    instructions to the model; empty keeps them.
    """

    tokens: int = 0
    history_share: float = 0.3
    onward: float = 0.4
    system: str = ""

    def __post_init__(self) -> None:
        known = self.tokens == 0 or self.tokens >= 64
        require(known, "prompt.tokens", "must be at least 64, or 0 for what the machine bears")
        require(0.0 <= self.history_share <= 0.8, "prompt.history_share", "must be 0 to 0.8")
        require(0.0 <= self.onward <= 1.0, "prompt.onward", "must be 0 to 1")


@dataclass(frozen=True, slots=True)
class GroundingConfig:
    """Sentences with support under `threshold` are withheld (`drop`) or shown marked (`annotate`).

    With `strict`, nothing is shown before all claims have passed: each is supported, and all its
    numbers, dates, names and quotations stand in the passages. If one fails, the answer is made
    once more from the evidence alone; if that fails too, it is an "I don't know".

    A question whose best sentence is under `near` is not put to the model at all. But for
    `annotate`, one that the passages answer with a probability under `trust` gets an "I don't
    know". With `calibrated`, the trust that `surefoot eval qa --calibrate` kept with the base comes
    before this one, where it was chosen for what answers now.

    `checker` is KIND:MODEL (see `rag.checkers`), or "" for the shipped one, which alone `threshold`
    was chosen for: others draw the line at .5.
    """

    policy: GroundingPolicy = "drop"
    threshold: float = 0.35
    trust: float = 0.5
    near: float = 0.15
    checker: str = ""
    calibrated: bool = True

    def __post_init__(self) -> None:
        known = get_args(GroundingPolicy)
        require(self.policy in known, "grounding.policy", f"must be one of {', '.join(known)}")
        require(0.0 <= self.threshold <= 1.0, "grounding.threshold", "must be 0 to 1")
        require(0.0 <= self.trust <= 1.0, "grounding.trust", "must be 0 to 1")
        require(0.0 <= self.near <= 1.0, "grounding.near", "must be 0 to 1")
        if self.checker:
            parse_name(self.checker)


@dataclass(frozen=True, slots=True)
class ReviewConfig:
    """Each `audit_every`-th answer is kept for a person to review; 0 keeps none."""

    audit_every: int = 0

    def __post_init__(self) -> None:
        require(self.audit_every >= 0, "review.audit_every", "must not be negative")


@dataclass(frozen=True, slots=True)
class AuditConfig:
    """Every answer gets a line in the audit log, in files of `file_mb` MB each.

    0 keeps no log, except of what `surefoot serve` answers.
    """

    file_mb: int = 16

    def __post_init__(self) -> None:
        require(self.file_mb >= 0, "audit.file_mb", "must not be negative")


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """`surefoot serve`: where it listens, and how much it takes on.

    `workers` answers are made at once and `queue` requests wait at most. Bodies are bounded by
    `body_mb` and uploads by `upload_mb`, in MB of 10^6 bytes; a request by `timeout_s`, of which it
    may wait half for its turn. `cors` are the origins whose pages may ask, such as
    https://intranet.example; none by default. `hosts` are the names that a request may call this
    server by; none by default, which allows all of them.

    The answer cache holds `cache_size` answers (0: none) for `cache_ttl_s` at most. A key that
    says nothing else may make `rate_per_minute` requests and use `tokens_per_day` tokens of the
    model, counted by the UTC day. On SIGTERM, running requests have `drain_s` to finish.
    """

    host: str = "127.0.0.1"
    port: int = 8700
    workers: int = 2
    queue: int = 64
    body_mb: float = 1.0
    upload_mb: float = 64.0
    timeout_s: float = 120.0
    drain_s: float = 30.0
    cors: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    cache_size: int = 1024
    cache_ttl_s: float = 3600.0
    rate_per_minute: int = 60
    tokens_per_day: int = 1_000_000

    def __post_init__(self) -> None:
        require(bool(self.host), "serve.host", "must be named")
        require(0 <= self.port <= 65535, "serve.port", "must be 0 to 65535")
        require(1 <= self.workers <= 256, "serve.workers", "must be 1 to 256")
        require(0 <= self.queue <= 100_000, "serve.queue", "must be 0 to 100000")
        for name in ("body_mb", "upload_mb", "timeout_s"):
            require(getattr(self, name) > 0, f"serve.{name}", "must be more than 0")
        require(self.drain_s >= 0, "serve.drain_s", "must not be negative")
        require("*" not in self.cors, "serve.cors", "must name each origin; * is none")
        require(self.cache_size >= 0, "serve.cache_size", "must not be negative")
        require(self.cache_ttl_s > 0, "serve.cache_ttl_s", "must be more than 0")
        require(self.rate_per_minute >= 1, "serve.rate_per_minute", "must be at least 1")
        require(self.tokens_per_day >= 1, "serve.tokens_per_day", "must be at least 1")


@dataclass(frozen=True, slots=True)
class TelemetryConfig:
    """Spans go to `otlp_endpoint`, an OTLP/HTTP base URL, and nowhere while it is empty.

    Prices are of 1,000 tokens, in `currency` (three letters).
    """

    otlp_endpoint: str = ""
    price_prompt: float = 0.0
    price_completion: float = 0.0
    currency: str = "EUR"

    def __post_init__(self) -> None:
        url = self.otlp_endpoint
        is_url = not url or url.startswith(("http://", "https://"))
        require(is_url, "telemetry.otlp_endpoint", "must be an http:// or https:// URL")
        require("@" not in url, "telemetry.otlp_endpoint", "must hold no password")
        for name in ("price_prompt", "price_completion"):
            price = getattr(self, name)
            require(0 <= price < float("inf"), f"telemetry.{name}", "must not be negative")
        word = self.currency
        is_code = len(word) == 3 and word.isascii() and word.isalpha() and word.isupper()
        require(is_code, "telemetry.currency", "must be three capital letters, such as EUR")


@dataclass(frozen=True, slots=True)
class Config:
    """All stages. `load()` reads it; the fields' defaults are the shipped behaviour."""

    retrieve: RetrieveConfig = field(default_factory=RetrieveConfig)
    prompt: PromptConfig = field(default_factory=PromptConfig)
    grounding: GroundingConfig = field(default_factory=GroundingConfig)
    guard: GuardConfig = field(default_factory=GuardConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)
    review: ReviewConfig = field(default_factory=ReviewConfig)
    audit: AuditConfig = field(default_factory=AuditConfig)
    serve: ServeConfig = field(default_factory=ServeConfig)
    telemetry: TelemetryConfig = field(default_factory=TelemetryConfig)
    sign_in: SignInConfig = field(default_factory=SignInConfig)

    def with_model(self, name: str | None) -> Config:
        """The same with another model; None changes nothing."""
        return replace(self, engine=replace(self.engine, model=name)) if name else self

    def with_policy(self, name: str | None) -> Config:
        """The same under another policy; None changes nothing. Raises PolicyError."""
        if not name:
            return self
        guard = replace(self.guard, policy=name, policy_sha256="")
        return replace(self, guard=guard.pinned())


SWITCH = {"true": True, "1": True, "false": False, "0": False}
STAGES: Mapping[str, type] = {
    "retrieve": RetrieveConfig,
    "prompt": PromptConfig,
    "grounding": GroundingConfig,
    "guard": GuardConfig,
    "engine": EngineConfig,
    "review": ReviewConfig,
    "audit": AuditConfig,
    "serve": ServeConfig,
    "telemetry": TelemetryConfig,
    "sign_in": SignInConfig,
}


def load(env: Mapping[str, str] | None = None, file: Path | None = None) -> Config:
    """The config of file and environment, with the hash of the policy's file.

    Raises ConfigError naming the setting at fault, PolicyError for a policy that is not there.
    """
    env = os.environ if env is None else env
    table = _read_file(file or _default_file(env))
    for name in table:
        if name not in STAGES:
            raise ConfigError(name, f"unknown; stages are {', '.join(STAGES)}")
    stages = {name: _stage(name, cls, table.get(name, {}), env) for name, cls in STAGES.items()}
    config = Config(**stages)
    return replace(config, guard=config.guard.pinned())


def _default_file(env: Mapping[str, str]) -> Path | None:
    if named := env.get("SUREFOOT_CONFIG"):
        return Path(named)
    local = Path("surefoot.toml")
    return local if local.is_file() else None


def _read_file(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(str(path), str(error)) from error


def _stage(name: str, cls: type, table: Any, env: Mapping[str, str]) -> Any:
    if not isinstance(table, dict):
        raise ConfigError(name, "must be a table")
    known = {item.name: item.default for item in fields(cls)}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            raise ConfigError(f"{name}.{key}", f"unknown; known are {', '.join(known)}")
        values[key] = _coerce(f"{name}.{key}", value, known[key])
    for key, default in known.items():
        if (text := env.get(f"SUREFOOT_{name}_{key}".upper())) is not None:
            values[key] = _coerce(f"{name}.{key}", text, default)
    return cls(**values)


def _coerce(name: str, value: Any, default: Any) -> Any:
    """`value` (from TOML or a string of the environment) in the type of `default`."""
    try:
        if isinstance(default, tuple):
            parts = value.split(",") if isinstance(value, str) else value
            kind = type(default[0]) if default else str
            return tuple(kind(str(part).strip()) for part in parts if str(part).strip())
        if isinstance(default, bool):
            return SWITCH[str(value).strip().lower()]
        if isinstance(default, str):
            return str(value)
        return type(default)(value)
    except (TypeError, ValueError) as error:
        raise ConfigError(name, f"{value!r} is not a {type(default).__name__}") from error
    except KeyError as error:
        raise ConfigError(name, f"{value!r} is neither true nor false") from error
