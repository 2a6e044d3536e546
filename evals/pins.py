"""Hashes that say what was under test: code, policy, index, models. Cheap: nothing is loaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from ingest.manifest import read_manifest
from ingest.store import KnowledgeBase
from rag.assemble import EMBEDDER
from rag.checkers.local import local_folder
from rag.checkers.names import JUDGE, parse_name
from rag.config import Config
from rag.models import catalogue, sha256_of, spec
from rag.releases.variant import STAGES_OF_VARIANT
from rag.safety.classifiers.labels import ROLES
from rag.safety.classifiers.local import pin
from rag.safety.names.opening import WEIGHTS

_ROOT = Path(__file__).parents[1]
_CODE = ("ingest", "rag", "evals/suites", "evals/documents.py")
_KINDS = {".py", ".json", ".toml", ".safetensors"}


@cache
def code_hash() -> str:
    """Of every source, setting and weight that an outcome can depend on."""
    digest = hashlib.sha256()
    for room in _CODE:
        for path in sorted([_ROOT / room, *(_ROOT / room).rglob("*")]):
            if path.suffix in _KINDS and path.is_file():
                digest.update(f"{path.relative_to(_ROOT)} {sha256_of(path)}\n".encode())
    return digest.hexdigest()[:16]


def policy_hash(config: Config, groups: Collection[str] = ()) -> str:
    """Of what the asker may see, and all settings but the model's name, which stands by itself.

    Raises ConfigError, ModelUnavailable for classifiers that the guard lacks.
    """
    stages = asdict(config)
    settings = {name: stages[name] for name in STAGES_OF_VARIANT}
    settings["engine"].pop("model")
    # It says where the threshold came from, which is there itself.
    settings["grounding"].pop("calibrated")
    # Of a policy's file it is the content that counts, not where it lies.
    if config.guard.policy_sha256:
        settings["guard"].pop("policy")
    settings["guard"]["named"] = [pin(config.guard, role) for role in sorted(ROLES)]
    settings["groups"] = sorted(groups)
    return _short(settings)


def index_hash(kb: Path) -> str:
    """Of what a knowledge base holds: documents, contents, groups and the embedder's vectors.

    Characters and chunks stand for how they were read and cut, which may be by earlier code.

    Two bases made of the same files have the same hash, whenever. Raises KnowledgeBaseError.
    """
    manifest = read_manifest(kb)
    base = KnowledgeBase.open(kb)
    try:
        documents = [
            (d.document, d.identities, d.sha256, sorted(d.groups), d.characters, d.chunks)
            for d in base.documents()
        ]
    finally:
        base.close()
    return _short([manifest.embedder_sha256, manifest.max_tokens, documents])


def engine_pin(config: Config) -> str:
    """The serving model's name and hash."""
    name = config.engine.model
    if name in catalogue():
        return f"{name}:{catalogue()[name].sha256[:16]}"
    path = Path(name).expanduser()
    if path.is_file():
        return f"{path.name}:{sha256_of(path)[:16]}"
    return _folder_pin(path) if path.is_dir() else name


def checker_pin(config: Config) -> str:
    """The checker that the config names, and its files or what it is asked; "" for the shipped one.

    Raises ConfigError.
    """
    if not config.grounding.checker:
        return ""
    name = parse_name(config.grounding.checker)
    if name.kind == JUDGE:
        from rag.checkers.judge import shipped_template

        template = shipped_template().sha256[:16]
        return f"{JUDGE}:{engine_pin(config.with_model(name.model))} {template}"
    folder = local_folder(name.model)
    if Path(name.model).expanduser().is_dir():
        return f"{name.kind}:{_folder_pin(folder)}"
    # What was fetched of a hub model lies in a folder that its commit names.
    return f"{name}@{folder.name[:16]}"


def embedder_pin() -> str:
    return f"{EMBEDDER}:{spec(EMBEDDER).sha256[:16]}"


def ner_pin() -> str:
    """Of the shipped tagger; a finder that the config names is in the policy's hash."""
    return f"names:{sha256_of(WEIGHTS)[:16]}"


def _folder_pin(folder: Path) -> str:
    files = [f for f in sorted(folder.iterdir()) if f.is_file()]
    return f"{folder.name}:{_short([(f.name, sha256_of(f)) for f in files])}"


def _short(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
