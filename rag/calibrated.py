"""The trust from which a knowledge base's questions are answered, as chosen on its user's cases.

`surefoot eval qa --calibrate` writes it beside the base, with what it was chosen for: under another
model, prompt, embedder, setting or weight a trust means something else, and it is not used.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from ingest.errors import SurefootError
from ingest.manifest import read_manifest
from rag.config import Config
from rag.models import sha256_of, write_atomic
from rag.prompt import SYSTEM, template_hash
from rag.releases.variant import model_digest

NAME = "calibration.json"
FORMAT = 1
MOST_BYTES = 65_536
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


class CalibrationError(SurefootError):
    """A calibration that can't be used. `path` names its file."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"{path}: {problem}")


@dataclass(frozen=True, slots=True)
class Basis:
    """What a calibration was chosen for: names, and hashes ("" where files lie elsewhere).

    `settings` are those that a trust depends on, `weights` those that make it.
    """

    model: str
    model_sha256: str
    template: str
    embedder_sha256: str
    settings: str
    weights: str


@dataclass(frozen=True, slots=True)
class Calibration:
    """Answer from `trust` on: shares of `n` cases, chosen `at` a time (ISO 8601, UTC).

    Of the cases `coverage` was answered, of those answers `risk` was wrong, and with 95 % certainty
    at most `risk_upper`; `target_risk` was asked for.
    """

    trust: float
    target_risk: float
    coverage: float
    risk: float
    risk_upper: float
    n: int
    at: str
    basis: Basis

    def __post_init__(self) -> None:
        """Raises ValueError for what no calibration has."""
        for name in ("trust", "target_risk", "coverage", "risk", "risk_upper"):
            if not _is_number(share := getattr(self, name)) or not 0.0 <= share <= 1.0:
                raise ValueError(f"{name} is not within 0 to 1")
        if type(self.n) is not int or self.n < 1:
            raise ValueError("n is not a number of cases")
        if not isinstance(self.at, str) or not _TIME.fullmatch(self.at):
            raise ValueError("at is not a time")
        if lacking := [key for key, v in asdict(self.basis).items() if not isinstance(v, str)]:
            raise ValueError(f"{lacking[0]} is not a text")

    def stale(self, now: Basis) -> str:
        """What is no longer as it was, in words; "" if it still fits."""
        before, after = asdict(self.basis), asdict(now)
        return ", ".join(_WORDS[name] for name in before if before[name] != after[name])


_WORDS = {
    "model": "another model",
    "model_sha256": "other model files",
    "template": "another prompt",
    "embedder_sha256": "another embedder",
    "settings": "other settings",
    "weights": "other weights of the checker",
}


def basis_of(kb: Path, config: Config) -> Basis:
    """What answers from a base now. Reads a model's files, unless it is one of the catalogue.

    Raises KnowledgeBaseMissing, ConfigError.
    """
    return Basis(
        model=config.engine.model,
        model_sha256=model_digest(config.engine.model),
        template=template_hash(config.prompt.system or SYSTEM),
        embedder_sha256=read_manifest(kb).embedder_sha256,
        settings=_settings(config),
        weights=_weights(),
    )


def read_calibration(kb: Path) -> Calibration | None:
    """The base's calibration, or None if it has none. Raises CalibrationError if it is damaged."""
    path = kb / NAME
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CalibrationError(path, f"cannot be read: {error.strerror}") from error
    try:
        return _parsed(data)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        hint = "calibrate again, or set grounding.calibrated to false"
        raise CalibrationError(path, f"is no calibration ({_line(error)}); {hint}") from error


def write_calibration(kb: Path, calibration: Calibration) -> Path:
    """Put it in place of the one before, whole or not at all. Raises CalibrationError."""
    path = kb / NAME
    record = {"format": FORMAT, **asdict(calibration)}
    try:
        write_atomic(path, (json.dumps(record, ensure_ascii=False, indent=1) + "\n").encode())
    except OSError as error:
        raise CalibrationError(path, f"cannot be written: {error.strerror}") from error
    return path


def in_force(kb: Path, config: Config) -> Config:
    """The config with the base's own trust, where it has one that fits and the config allows it.

    Raises CalibrationError for a damaged one, which is not the same as none.
    """
    found = read_calibration(kb) if config.grounding.calibrated else None
    if found is None or found.basis.model != config.engine.model:
        return config
    return config if found.stale(basis_of(kb, config)) else _with_trust(config, found.trust)


def fixed(config: Config) -> Config:
    """The config with the trust that it says, whatever the base's is or will be."""
    return replace(config, grounding=replace(config.grounding, calibrated=False))


def gate_open(config: Config) -> Config:
    """The config under which no answer is withheld for want of trust."""
    return fixed(_with_trust(config, 0.0))


def _with_trust(config: Config, trust: float) -> Config:
    return replace(config, grounding=replace(config.grounding, trust=trust))


def _settings(config: Config) -> str:
    """Of what is found, read and judged, and where the model is asked; not of the trust itself."""
    table = {name: asdict(getattr(config, name)) for name in ("retrieve", "prompt", "grounding")}
    for name in ("trust", "calibrated"):
        del table["grounding"][name]
    text = json.dumps([table, config.engine.base_url], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def _weights() -> str:
    """Of the trained weights that ship beside this file."""
    found = sorted(Path(__file__).parent.glob("*.json"))
    lines = [f"{path.name} {sha256_of(path)}" for path in found]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _parsed(data: bytes) -> Calibration:
    if len(data) > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES} bytes")
    record = json.loads(data)
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise ValueError(f"not of format {FORMAT}")
    values = {item.name: record[item.name] for item in fields(Calibration)}
    return Calibration(**{**values, "basis": _parsed_basis(values["basis"])})


def _parsed_basis(row: Mapping[str, Any]) -> Basis:
    return Basis(**{item.name: row[item.name] for item in fields(Basis)})


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _line(error: Exception) -> str:
    """An error on one line, without what a hostile file may have put into it."""
    if isinstance(error, KeyError):
        return f"it has no {error.args[0]}"
    return str(error) if type(error) is ValueError else "it is not the JSON of one"
