"""A variant: model, prompt, settings and index under one name, with hashes. It never changes."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ingest.manifest import read_manifest
from rag.config import STAGES, Config
from rag.errors import ConfigError
from rag.models import catalogue, sha256_of
from rag.prompt import SYSTEM, template_hash
from rag.releases.errors import ReleaseError, VariantChanged

# The stages that an answer depends on; the others belong to the server, whatever it serves.
STAGES_OF_VARIANT = ("retrieve", "prompt", "grounding", "guard", "engine")
DEFAULT = "default"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a variant comes from. `made` is ISO 8601, UTC; `parent` is "" for none."""

    parent: str
    made: str
    command: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Variant:
    """What answers. `settings` is the canonical JSON of the stages that an answer depends on.

    `model_sha256` is "" where the model's files lie elsewhere. `system` are the instructions and
    `template` is the hash of the whole prompt's wording. `index` is a generation of the knowledge
    base, or None for the latest.
    """

    name: str
    model: str
    model_sha256: str
    system: str
    template: str
    settings: str
    index: int | None
    lineage: Lineage

    @property
    def settings_sha256(self) -> str:
        return hashlib.sha256(self.settings.encode()).hexdigest()

    @property
    def sha256(self) -> str:
        """One hash over everything, name and lineage included."""
        return hashlib.sha256(_canonical(asdict(self)).encode()).hexdigest()

    def config(self, server: Config) -> Config:
        """Its settings, with the stages of `server` that belong to no variant.

        Raises ReleaseError if this program does not know one of its settings.
        """
        try:
            stages = {
                name: STAGES[name](**{key: _tupled(value) for key, value in table.items()})
                for name, table in json.loads(self.settings).items()
            }
            return replace(server, **stages)
        except (TypeError, KeyError, ConfigError) as error:
            raise ReleaseError(f"variant {self.name} is of another version ({error})") from error


def make_variant(name: str, config: Config, lineage: Lineage, index: int | None = None) -> Variant:
    """The variant of these settings. Reads the model's files; raises ReleaseError, ConfigError."""
    if not NAME.fullmatch(name) or name == DEFAULT:
        problem = "must be 1 to 64 letters, digits, dots, dashes, and not 'default'"
        raise ReleaseError(f"the name {name!r} {problem}")
    system = config.prompt.system or SYSTEM
    table = asdict(config)
    return Variant(
        name=name,
        model=config.engine.model,
        model_sha256=model_digest(config.engine.model),
        system=system,
        template=template_hash(system),
        settings=_canonical({stage: table[stage] for stage in STAGES_OF_VARIANT}),
        index=index,
        lineage=lineage,
    )


def variant_json(variant: Variant) -> dict[str, Any]:
    """The variant as `surefoot release show --json` prints it."""
    return {
        **asdict(variant),
        "settings": json.loads(variant.settings),
        "settings_sha256": variant.settings_sha256,
        "sha256": variant.sha256,
    }


def check(variant: Variant, kb: Path) -> None:
    """Raises VariantChanged if the model, the prompt or the index is not what was recorded.

    The model is read whole unless it is one of the catalogue, whose files are verified on use.
    """
    (found, recorded) = (model_digest(variant.model), variant.model_sha256)
    if found != recorded:
        raise VariantChanged(variant.name, "model", found, recorded)
    template = template_hash(variant.system)
    if template != variant.template:
        raise VariantChanged(variant.name, "prompt", template, variant.template)
    check_index(variant, kb)


def check_index(variant: Variant, kb: Path) -> None:
    """Raises VariantChanged if the base has left the generation that the variant names."""
    if variant.index is None:
        return
    generation = read_manifest(kb).generation
    if generation != variant.index:
        now, then = f"generation {generation}", f"generation {variant.index}"
        raise VariantChanged(variant.name, "index", now, then)


def model_digest(name: str) -> str:
    """The sha256 of a catalogue model or of a model's files; "" where they are not on this machine.

    Raises ConfigError for a file that is not there or can't be read.
    """
    if name in catalogue():
        return catalogue()[name].sha256
    path = Path(name).expanduser()
    try:
        if path.is_file():
            return sha256_of(path)
        if path.is_dir():
            return _folder_digest(path)
    except OSError as error:
        raise ConfigError("engine.model", str(error)) from error
    if path.suffix == ".gguf" or path.is_absolute():
        raise ConfigError("engine.model", f"there is no file {path}")
    return ""


def _folder_digest(path: Path) -> str:
    files = sorted(file for file in path.rglob("*") if file.is_file())
    lines = (f"{file.relative_to(path).as_posix()} {sha256_of(file)}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _canonical(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
