"""Variants and releases on disk: immutable, many at once, and nothing that happened is lost."""

from __future__ import annotations

import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.build import ingest
from ingest.testing import HashEmbedder
from rag.config import Config, GroundingConfig, PromptConfig, ServeConfig
from rag.engines.settings import EngineConfig
from rag.errors import ConfigError
from rag.releases.errors import ReleaseError, VariantChanged
from rag.releases.gates import Gates
from rag.releases.registry import Registry
from rag.releases.trial import Trial, differences, hits_of
from rag.releases.variant import Lineage, Variant, check, make_variant, model_digest
from rag.types import Answer, Finding, ModelRef, Sentence, TokenUse

MADE = Lineage("", "2026-01-02T03:04:05Z", "surefoot release add", "first")


@pytest.fixture
def kb(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "leave.md").write_text("# Leave\n\nAnnual leave is twenty five days.")
    ingest([tmp_path / "docs"], tmp_path / "kb", HashEmbedder())
    return tmp_path / "kb"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "tiny.gguf").write_bytes(b"weights")
    return tmp_path / "tiny.gguf"


@pytest.fixture
def registry(kb: Path, model: Path) -> Registry:
    found = Registry.beside(kb)
    for name in ("v1", "v2", "v3"):
        found.add(variant(name, model), "ann")
    return found


def variant(name: str, model: Path, index: int | None = None) -> Variant:
    config = Config(engine=EngineConfig(model=str(model)), prompt=PromptConfig(system=name))
    return make_variant(name, config, MADE, index)


def test_a_variant_has_all_that_an_answer_depends_on(model: Path) -> None:
    config = Config(
        grounding=GroundingConfig(threshold=0.5), engine=EngineConfig(model=str(model)),
        serve=ServeConfig(port=1),
    )  # fmt: skip
    made = make_variant("v1", config, MADE)
    server = Config(serve=ServeConfig(port=9))
    assert made.config(server) == replace(config, serve=server.serve)
    assert made.sha256 != make_variant("v1", config, replace(MADE, note="other")).sha256
    other = make_variant("v1", replace(config, grounding=GroundingConfig()), MADE)
    assert other.settings_sha256 != made.settings_sha256
    with pytest.raises(ReleaseError, match="another version"):
        replace(made, settings='{"guard": {"gone": 1}}').config(server)


@pytest.mark.parametrize("name", ["", "default", "a b", "-x", "x" * 65, "../x"])
def test_names_that_can_not_be(name: str) -> None:
    with pytest.raises(ReleaseError, match="letters"):
        make_variant(name, Config(), MADE)


def test_what_changed_is_refused_with_both_hashes(kb: Path, model: Path) -> None:
    made = variant("v1", model, index=1)
    check(made, kb)
    before = model_digest(str(model))
    model.write_bytes(b"other weights")
    with pytest.raises(VariantChanged) as changed:
        check(made, kb)
    assert (changed.value.recorded, changed.value.found) == (before, model_digest(str(model)))
    assert before in str(changed.value)
    assert changed.value.found in str(changed.value)
    model.write_bytes(b"weights")
    with pytest.raises(VariantChanged, match="its prompt has changed"):
        check(replace(made, template="0" * 64), kb)
    with pytest.raises(VariantChanged, match="generation 1 now, and generation 7"):
        check(replace(made, index=7), kb)
    model.unlink()
    with pytest.raises(ConfigError, match="there is no file"):
        check(made, kb)


def test_a_folders_digest_is_of_every_file(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "a.safetensors").write_bytes(b"1")
    before = model_digest(str(folder))
    (folder / "b.json").write_bytes(b"2")
    assert len(before) == len(model_digest(str(folder))) == 64
    assert before != model_digest(str(folder))
    assert model_digest("Some/hub-model") == ""


def test_from_the_first_variant_to_a_rollback(registry: Registry, kb: Path) -> None:
    assert [item.name for item in registry.all()] == ["v1", "v2", "v3"]
    assert registry.state().stable == "default"
    registry.promote("v1", "ann", "we begin", {})
    trial = registry.begin("v2", 0.25, False, Gates(least=9), "ann")
    assert (trial.baseline, trial.gates.least, registry.state().trial) == ("v1", 9, trial)
    registry.promote("v2", "ben", "better", {"n": 1})
    assert (registry.state().stable, registry.state().trial) == ("v2", None)
    assert registry.rollback("ben", "worse").figures == {"stable": "v1"}
    assert registry.rollback("ben", "worse still").variant == "v1"
    with pytest.raises(ReleaseError, match="the default is served"):
        registry.rollback("ben", "")
    told = [(event.kind, event.variant, event.by) for event in registry.events()]
    assert told[3:] == [
        ("promoted", "v1", "ann"), ("canary", "v2", "ann"), ("promoted", "v2", "ben"),
        ("rolled back", "v2", "ben"), ("rolled back", "v1", "ben"),
    ]  # fmt: skip
    path = kb / "service" / "releases.db"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_can_not_be(registry: Registry, model: Path, kb: Path) -> None:
    registry.promote("v1", "ann", "", {})
    registry.begin("v2", 0.5, True, Gates(), "ann")
    for problem, act in {
        "variants never change": lambda: registry.add(variant("v1", model), "ann"),
        "no variant 'v9'": lambda: registry.get("v9"),
        "v2 is on trial": lambda: registry.begin("v3", 0.5, False, Gates(), "ann"),
        "share": lambda: registry.begin("v3", 1.0, False, Gates(), "ann"),
        "stable variant already": lambda: registry.promote("v1", "ann", "", {}),
        "no variant 'gone'": lambda: registry.add(
            replace(variant("v4", model), lineage=replace(MADE, parent="gone")), "ann"
        ),
    }.items():
        with pytest.raises(ReleaseError, match=problem):
            act()
    nothing = Registry(kb / "none.db")
    assert (nothing.all(), nothing.events(), nothing.state().trial) == ((), (), None)
    for act in (lambda: nothing.get("v1"), lambda: nothing.promote("v1", "ann", "", {})):
        with pytest.raises(ReleaseError, match="no variant"):
            act()


@pytest.mark.parametrize("table", ["events", "variants"])
@pytest.mark.parametrize("change", ["DELETE FROM {}", "UPDATE {} SET number = number + 100"])
def test_history_and_variants_only_grow(
    registry: Registry, kb: Path, table: str, change: str
) -> None:
    with (
        sqlite3.connect(kb / "service" / "releases.db") as db,
        pytest.raises(sqlite3.IntegrityError, match="never"),
    ):
        db.execute(change.format(table))


def test_a_conversation_counts_once_in_each_way(registry: Registry) -> None:
    trial = registry.begin("v2", 0.5, False, Gates(), "ann")
    none: frozenset[str] = frozenset()
    for unit, hits in (("a", none), ("a", {"slow"}), ("a", {"slow"}), ("b", {"errors"})):
        registry.count(trial, unit, {"canary": frozenset(hits)})  # type: ignore[arg-type]
    now = registry.count(trial, "c", {"baseline": frozenset()}, ("same",))
    assert now is not None
    assert (now.canary.conversations, now.canary.requests) == (2, 4)
    assert (dict(now.canary.hits), now.base.conversations) == ({"slow": 1, "errors": 1}, 1)
    assert now.notes == {"same": 1}
    assert registry.end(trial, "gates", "worse", {})
    assert not registry.end(trial, "gates", "worse", {})
    assert registry.count(trial, "d", {"canary": frozenset()}) is None
    assert not registry.promote("v2", "gates", "", {}, trial)


def test_many_writers_lose_nothing(registry: Registry, kb: Path) -> None:
    trial = registry.begin("v2", 0.5, False, Gates(), "ann")

    def work(number: int) -> None:
        Registry.beside(kb).count(trial, f"u{number % 10}", {"canary": frozenset({"slow"})})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(80)))
        ends = list(pool.map(lambda _: Registry.beside(kb).end(trial, "x", "y", {}), range(8)))
    assert sum(ends) == 1
    with sqlite3.connect(kb / "service" / "releases.db") as db:
        assert dict(db.execute("SELECT what, n FROM counts")) == {
            "requests": 80, "conversations": 10, "slow": 10,
        }  # fmt: skip
        assert db.execute("SELECT count(*) FROM units").fetchone() == (0,)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
def test_the_share_is_what_was_asked_for(share: float) -> None:
    trial = Trial(1, "v2", "v1", share, False, "salt", "", Gates())
    n = 20_000
    taken = sum(trial.takes(f"conversation {number}") for number in range(n))
    assert abs(taken - n * share) < 4 * (n * share * (1 - share)) ** 0.5
    assert trial.takes("again") == trial.takes("again")
    other = replace(trial, salt="pepper")
    both = sum(trial.takes(str(number)) and other.takes(str(number)) for number in range(n))
    assert abs(both - n * share**2) < 5 * (n * share**2) ** 0.5


BLOCKED = Finding("answer", "PHONE_NUMBER", 0, 3, 0.9, "patterns", "redact")


@pytest.mark.parametrize(
    ("change", "hits"),
    [
        ({}, set()),
        ({"withheld": 1}, {"unsupported"}),
        ({"sentences": (Sentence("So.", 0.1),)}, {"unsupported"}),
        ({"sentences": (Sentence("Hello.", None),)}, set()),
        ({"findings": (BLOCKED,)}, {"unsafe"}),
        ({"findings": (replace(BLOCKED, stage="question"),)}, set()),
        ({"findings": (replace(BLOCKED, action="keep"),)}, set()),
        ({"status": "abstained"}, {"abstained"}),
        ({"timings_ms": {"first_shown": 600.0, "total": 700.0}}, {"slow"}),
        ({"timings_ms": {"total": 700.0}}, {"slow"}),
        ({"cause": "stopped by the reader"}, None),
        ({"cause": "stopped by the reader", "timings_ms": {"total": 900.0}}, {"slow"}),
    ],
)
def test_how_an_answer_counts(change: dict[str, object], hits: set[str] | None) -> None:
    answer = replace(ANSWER, **change)  # type: ignore[arg-type]
    assert hits_of(answer, 500.0) == hits


def test_how_a_shadow_differs() -> None:
    assert differences(ANSWER, ANSWER) == ("same",)
    other = replace(ANSWER, status="abstained", text="?", sentences=(Sentence("?", 0.2),) * 2)
    assert differences(other, ANSWER) == (
        "status_differs", "text_differs", "sentences_differ", "support_lower",
    )  # fmt: skip


ANSWER = Answer(
    "answered", "So.", (Sentence("So.", 0.9),), (), (), TokenUse(9, 3, 100),
    {"first_shown": 100.0, "total": 400.0}, ModelRef("tiny", ""), "",
)  # fmt: skip
