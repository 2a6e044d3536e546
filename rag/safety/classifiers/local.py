"""Where what a setting names lies on this machine. Nothing is fetched, and nothing heavy loaded."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from rag.checkers.local import local_folder
from rag.engines.hf.load import fingerprint
from rag.errors import ConfigError
from rag.models import catalogue, resolve, sha256_of
from rag.safety.classifiers.labels import ROLES
from rag.safety.classifiers.names import GENERATIVE, HUB, SHIPPED, ClassifierName, parse_chain
from rag.safety.classifiers.templates import shipped_template
from rag.safety.settings import GuardConfig

SHORT = 16


def require_classifiers(config: GuardConfig) -> None:
    """Raises ConfigError or ModelUnavailable unless all that is named is here; a stat or two.

    A server is not asked.
    """
    for role in ROLES:
        for name in named(config, role):
            if name.kind != SHIPPED and not name.served:
                where_is(name, f"guard.{role}")


def named(config: GuardConfig, role: str) -> tuple[ClassifierName, ...]:
    """The classifiers of a filter, cheapest first; none where the shipped one stands alone."""
    found = parse_chain(getattr(config, role), f"guard.{role}")
    return () if [name.kind for name in found] == [SHIPPED] else found


def pin(config: GuardConfig, role: str) -> str:
    """All that the named classifiers of a filter depend on; "" where the shipped one stands alone.

    Hashes the files of a folder. Raises ConfigError, ModelUnavailable.
    """
    found = named(config, role)
    if not found:
        return ""
    parts = [[str(name), weights(name, f"guard.{role}"), wording(name)] for name in found]
    settings = [config.grey, config.threshold, config.labels]
    text = json.dumps([parts, settings]).encode()
    return f"{'>'.join(map(str, found))} {hashlib.sha256(text).hexdigest()[:SHORT]}"


def weights(name: ClassifierName, field: str) -> str:
    """What tells a model's weights: a hash, or the commit of a hub model. "" on a server."""
    if name.kind == SHIPPED or name.served:
        return ""
    if name.model in catalogue():
        return catalogue()[name.model].sha256[:SHORT]
    path = where_is(name, field)
    if path.is_file():
        return sha256_of(path)[:SHORT]
    # What was fetched of a hub model lies in a folder that its commit names.
    own = Path(name.model).expanduser().is_dir()
    return fingerprint(path)[:SHORT] if own else path.name[:SHORT]


def wording(name: ClassifierName) -> str:
    """The hash of what a generative guard is asked; "" for others."""
    return shipped_template(name.kind).sha256[:SHORT] if name.kind in GENERATIVE else ""


def engine_model(name: ClassifierName, field: str) -> str:
    """What an engine is to open: a folder, not a hub name, so that nothing is fetched.

    Raises ConfigError, ModelUnavailable.
    """
    if name.served:
        return name.model
    path = where_is(name, field)
    return name.model if name.model in catalogue() else str(path)


def where_is(name: ClassifierName, field: str) -> Path:
    """The model's file or folder. Raises ConfigError, ModelUnavailable."""
    path = Path(name.model).expanduser()
    if name.kind == HUB:
        return local_folder(name.model, field)
    if name.model in catalogue():
        return resolve(name.model)
    if path.suffix == ".gguf":
        if not path.is_file():
            raise ConfigError(field, f"there is no file {path}")
        return path
    return local_folder(name.model, field)
