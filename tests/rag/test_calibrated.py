"""The base's own trust: kept whole, used only where it fits, and never read from a damaged file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from ingest.build import ingest
from ingest.testing import HashEmbedder
from rag.calibrated import (
    NAME,
    Calibration,
    CalibrationError,
    basis_of,
    fixed,
    gate_open,
    in_force,
    read_calibration,
    write_calibration,
)
from rag.config import (
    Config,
    GroundingConfig,
    PromptConfig,
    RetrieveConfig,
    ReviewConfig,
)
from rag.engines.settings import EngineConfig
from rag.releases.opening import Loader
from rag.releases.registry import Registry
from rag.releases.variant import Lineage, make_variant

AT = "2026-01-02T03:04:05Z"
GROUNDING = GroundingConfig()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    (folder / "a.md").write_text("# Ferries\n\nThe ferry leaves at nine.\n")
    ingest([folder / "a.md"], folder / "kb", HashEmbedder())
    return folder / "kb"


@pytest.fixture
def kb(made: Path) -> Path:
    (made / NAME).unlink(missing_ok=True)
    return made


def chosen(kb: Path, config: Config, trust: float = 0.71) -> Calibration:
    return Calibration(trust, 0.05, 0.6, 0.04, 0.09, 120, AT, basis_of(kb, config))


def test_it_is_read_back_and_takes_the_place_of_the_setting(kb: Path) -> None:
    assert read_calibration(kb) is None
    assert in_force(kb, Config()) == Config()
    calibration = chosen(kb, Config())
    assert write_calibration(kb, calibration) == kb / NAME
    assert read_calibration(kb) == calibration
    found = in_force(kb, Config())
    assert found == Config(grounding=replace(GROUNDING, trust=0.71))
    assert in_force(kb, found) == found
    assert [path.name for path in kb.iterdir() if path.name.endswith(".tmp")] == []


@pytest.mark.parametrize(
    "config",
    [
        Config(grounding=replace(GROUNDING, trust=0.2)),
        Config(review=ReviewConfig(audit_every=5)),
        Config(engine=EngineConfig(threads=1)),
    ],
)
def test_what_changes_no_trust_changes_nothing(kb: Path, config: Config) -> None:
    write_calibration(kb, chosen(kb, Config()))
    assert in_force(kb, config).grounding.trust == 0.71


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (Config(engine=EngineConfig(model="qwen2.5-coder-0.5b")), "another model, other model"),
        (Config(prompt=PromptConfig(system="Be brief.")), "another prompt, other settings"),
        (Config(retrieve=RetrieveConfig(top=3)), "other settings"),
        (Config(grounding=replace(GROUNDING, threshold=0.9)), "other settings"),
    ],
)
def test_under_what_it_was_not_chosen_for_it_is_not_used(
    kb: Path, config: Config, words: str
) -> None:
    calibration = chosen(kb, Config())
    write_calibration(kb, calibration)
    assert in_force(kb, config) == config
    assert calibration.stale(basis_of(kb, config)).startswith(words)
    assert calibration.stale(basis_of(kb, Config())) == ""


def test_new_weights_make_it_stale(kb: Path) -> None:
    calibration = chosen(kb, Config())
    other = replace(calibration, basis=replace(calibration.basis, weights="old"))
    write_calibration(kb, other)
    assert in_force(kb, Config()) == Config()


def test_it_can_be_ignored(kb: Path) -> None:
    write_calibration(kb, chosen(kb, Config()))
    for config in (fixed(Config()), gate_open(Config())):
        assert in_force(kb, config) == config
    assert fixed(in_force(kb, Config())).grounding.trust == 0.71
    assert gate_open(Config()).grounding.trust == 0.0
    (kb / NAME).write_text("damaged")
    assert in_force(kb, fixed(Config())) == fixed(Config())


def test_a_variant_keeps_the_trust_that_it_was_made_with(
    kb: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry.beside(kb)
    made_then = Lineage("", AT, "-")
    if "v1" not in [variant.name for variant in registry.all()]:
        registry.add(make_variant("v1", fixed(Config()), made_then), "ann")
    write_calibration(kb, chosen(kb, Config()))
    opened = lambda kb, config, observers: in_force(kb, config)  # noqa: E731
    monkeypatch.setattr("rag.releases.opening.open_assistant", opened)
    loader: Any = Loader(registry, kb, Config())
    assert loader.open("v1").grounding.trust == GROUNDING.trust
    assert loader.open("default").grounding.trust == 0.71


def changed(**values: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda record: {**record, **values}


def without(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda record: {key: value for key, value in record.items() if key != name}


@pytest.mark.parametrize(
    ("bend", "problem"),
    [
        (changed(trust=1.5), "trust is not within 0 to 1"),
        (changed(trust=True), "trust is not within 0 to 1"),
        (changed(trust="0.5"), "trust is not within 0 to 1"),
        (changed(risk=float("nan")), "risk is not within 0 to 1"),
        (changed(coverage=10**400), "coverage is not within 0 to 1"),
        (changed(n=0), "n is not a number"),
        (changed(n=3.5), "n is not a number"),
        (changed(at="\x1b[31mnow"), "at is not a time"),
        (changed(format=2), "not of format 1"),
        (changed(basis=[]), "not the JSON of one"),
        (changed(basis={}), "has no model"),
        (without("trust"), "has no trust"),
        (lambda record: [record], "not of format 1"),
    ],
)
def test_a_damaged_record_is_one_line_that_names_the_file(
    kb: Path, bend: Callable[[dict[str, Any]], Any], problem: str
) -> None:
    record = {"format": 1, **asdict(chosen(kb, Config()))}
    refused((kb / NAME), json.dumps(bend(record)).encode(), problem)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "not the JSON of one"),
        (b"{", "not the JSON of one"),
        (b"\xff\xfe\x00", "not the JSON of one"),
        (b"[" * 60_000, "not the JSON of one"),
        (b" " * 100_000, "more than 65536 bytes"),
    ],
)
def test_a_hostile_file_is_one_line_that_names_it(kb: Path, data: bytes, problem: str) -> None:
    refused(kb / NAME, data, problem)


def refused(path: Path, data: bytes, problem: str) -> None:
    path.write_bytes(data)
    with pytest.raises(CalibrationError) as caught:
        in_force(path.parent, Config())
    assert problem in str(caught.value)
    assert str(path) in str(caught.value)
    assert str(caught.value).isprintable()
    assert caught.value.exit_code == 2


def test_one_that_cannot_be_written_or_read_is_named(kb: Path) -> None:
    with pytest.raises(CalibrationError, match="cannot be written"):
        write_calibration(kb / "manifest.json", chosen(kb, Config()))
    (kb / NAME).mkdir()
    with pytest.raises(CalibrationError, match="cannot be read"):
        in_force(kb, Config())
    (kb / NAME).rmdir()
