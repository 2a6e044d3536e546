"""Getting a model onto this machine: cache, installed packages, hub, package wheels, in that order.

Parts are read out of wheels as data; nothing of theirs is imported or run. A model is joined and
hashed beside its place and moved in only when every file has the recorded sha256.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, Protocol
from urllib.parse import urlsplit

from rag.errors import ModelCorrupt, ModelUnavailable, SurefootError
from rag.models import CHUNK_BYTES, ModelFile, ModelSpec, folder, home, state, verify

PARALLEL_DOWNLOADS = 2
PROBE_SECONDS = 3.0


class PullProgress(Protocol):
    """Told what is being done and how many of the model's bytes are at hand."""

    def stage(self, model: str, what: str, total_bytes: int) -> None: ...

    def advance(self, done_bytes: int) -> None: ...


class SilentPull:
    """Says nothing."""

    def stage(self, model: str, what: str, total_bytes: int) -> None:
        pass

    def advance(self, done_bytes: int) -> None:
        pass


class SourceFailed(Exception):
    """One source could not give the model; the next is tried."""


def pull(model: ModelSpec, root: Path | None = None, progress: PullProgress | None = None) -> str:
    """Make `model` ready. Returns the source: "cache", "installed", "hub" or "wheels".

    Raises ModelCorrupt when bytes are at hand but wrong, ModelUnavailable when no source has them.
    """
    progress = progress or SilentPull()
    if _usable(model, root, progress):
        return "cache"
    tried: list[str] = []
    sources = (("installed", _installed), ("hub", _hub), ("wheels", _wheels))
    with _exclusive(folder(model, root)):
        if _usable(model, root, progress):
            return "cache"
        for name, source in sources:
            try:
                source(model, root or home(), progress)
            except SourceFailed as failure:
                tried.append(f"{name}: {failure}")
                continue
            verify(model, root)
            return name
    raise ModelUnavailable(model.name, tuple(tried))


def _usable(model: ModelSpec, root: Path | None, progress: PullProgress) -> bool:
    if state(model, root) == "unverified":
        progress.stage(model.name, "verifying", model.bytes)
        try:
            verify(model, root, progress.advance)
        except ModelCorrupt:
            return False
    return state(model, root) == "ready"


def _installed(model: ModelSpec, root: Path, progress: PullProgress) -> None:
    """From packages already installed beside this one; found without importing them."""
    members = model.wheels.members() if model.wheels.member else ()
    if members:
        paths = [_installed_path(member) for member in members]
        progress.stage(model.name, "joining installed parts", model.bytes)
        with _open_all(paths) as streams:
            _place(model, model.files[0], streams, root, progress)
        return
    base = _installed_path(model.wheels.folder)
    progress.stage(model.name, "copying from an installed package", model.bytes)
    for file in model.files:
        with _open_all([base / file.path]) as streams:
            _place(model, file, streams, root, progress)


def _installed_path(member: str) -> Path:
    package, _, rest = member.partition("/")
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise SourceFailed(f"package {package} is not installed")
    path = Path(next(iter(found.submodule_search_locations))) / rest
    if not path.exists():
        raise SourceFailed(f"package {package} holds no {rest}")
    return path


def _hub(model: ModelSpec, root: Path, progress: PullProgress) -> None:
    """From the model hub, where it can be reached."""
    if model.hub is None:
        raise SourceFailed("not on the hub in this form")
    if not _hub_reachable():
        raise SourceFailed("cannot be reached")
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    progress.stage(model.name, "downloading from the hub", model.bytes)
    staging = root / "downloads" / model.name
    for file in model.files:
        try:
            path = Path(hf_hub_download(model.hub, file.path, local_dir=staging))
        except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
            raise SourceFailed(f"{type(error).__name__} for {file.path}") from error
        with _open_all([path]) as streams:
            _place(model, file, streams, root, progress)
    shutil.rmtree(staging, ignore_errors=True)


@cache
def _hub_reachable() -> bool:
    """One quick look, so that a machine without a network does not wait through retries."""
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in {"1", "true", "yes", "on"}:
        return False
    from huggingface_hub.constants import ENDPOINT

    address = urlsplit(ENDPOINT)
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        with socket.create_connection((address.hostname or "", port), timeout=PROBE_SECONDS):
            return True
    except OSError:
        return False


def _wheels(model: ModelSpec, root: Path, progress: PullProgress) -> None:
    """From package wheels, kept until the model is whole so that a stopped pull resumes."""
    staging = root / "downloads" / model.name
    staging.mkdir(parents=True, exist_ok=True)
    requirements = model.wheels.requirements()
    share = model.bytes // len(requirements)
    progress.stage(model.name, f"downloading {len(requirements)} package(s)", model.bytes)
    with ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
        jobs = [pool.submit(_wheel, requirement, staging) for requirement in requirements]
        try:
            wheels = []
            for job in jobs:
                wheels.append(job.result())
                progress.advance(share)
        finally:
            for job in jobs:
                job.cancel()
    progress.stage(model.name, "joining and verifying", model.bytes)
    try:
        _place_from_wheels(model, wheels, root, progress)
    except ModelCorrupt:
        _discard_bad_wheels(wheels)
        raise
    shutil.rmtree(staging, ignore_errors=True)


def _wheel(requirement: str, staging: Path) -> Path:
    name, _, version = requirement.partition("==")
    pattern = f"{name.replace('-', '_')}-{version}-*.whl"
    found = next(iter(staging.glob(pattern)), None)
    if found is None:
        _pip_download(requirement, staging)
        found = next(iter(staging.glob(pattern)), None)
    if found is None:
        raise SourceFailed(f"pip gave no wheel for {requirement}")
    return found


def _pip_download(requirement: str, staging: Path) -> None:
    # Each download has its own folder, so that a stopped one leaves no half wheel among the good.
    partial = staging / f".{requirement}"
    shutil.rmtree(partial, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary", ":all:", "--disable-pip-version-check"]
    try:
        done = subprocess.run(
            [*command, "--dest", str(partial), requirement],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise SourceFailed(_last_line(done.stderr) or f"pip ended with {done.returncode}")
        for wheel in partial.glob("*.whl"):
            wheel.replace(staging / wheel.name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.startswith("ERROR")]
    return lines[-1] if lines else ""


def _place_from_wheels(
    model: ModelSpec, wheels: list[Path], root: Path, progress: PullProgress
) -> None:
    if model.wheels.member:
        with _open_members(list(zip(wheels, model.wheels.members(), strict=True))) as streams:
            _place(model, model.files[0], streams, root, progress)
        return
    for file in model.files:
        member = f"{model.wheels.folder}/{file.path}"
        with _open_members([(wheels[0], member)]) as streams:
            _place(model, file, streams, root, progress)


def _place(
    model: ModelSpec,
    file: ModelFile,
    streams: Iterator[IO[bytes]],
    root: Path,
    progress: PullProgress,
) -> None:
    """Join `streams` into `file`, verify, move into place. A wrong result leaves nothing behind."""
    target = folder(model, root) / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    digest = hashlib.sha256()
    try:
        with temporary.open("wb") as out:
            for stream in streams:
                while block := stream.read(CHUNK_BYTES):
                    out.write(block)
                    digest.update(block)
                    progress.advance(len(block))
            out.flush()
            os.fsync(out.fileno())
        if digest.hexdigest() != file.sha256:
            raise ModelCorrupt(model.name, file.path, digest.hexdigest(), file.sha256)
        temporary.replace(target)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        what = f"{file.path} ({error})"
        raise ModelCorrupt(model.name, what, digest.hexdigest(), file.sha256) from error
    except OSError as error:
        raise SurefootError(f"model {model.name}: cannot write {target}: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _discard_bad_wheels(wheels: list[Path]) -> None:
    """Remove wheels whose own checksums fail; good ones stay for the next try."""
    for wheel in wheels:
        try:
            with zipfile.ZipFile(wheel) as archive:
                good = archive.testzip() is None
        except (zipfile.BadZipFile, OSError, EOFError):
            good = False
        if not good:
            wheel.unlink(missing_ok=True)


@contextmanager
def _open_all(paths: list[Path]) -> Iterator[Iterator[IO[bytes]]]:
    def each() -> Iterator[IO[bytes]]:
        for path in paths:
            with path.open("rb") as stream:
                yield stream

    yield each()


@contextmanager
def _open_members(members: list[tuple[Path, str]]) -> Iterator[Iterator[IO[bytes]]]:
    def each() -> Iterator[IO[bytes]]:
        for wheel, member in members:
            with zipfile.ZipFile(wheel) as archive:
                try:
                    stream = archive.open(member)
                except KeyError:
                    raise SourceFailed(f"{wheel.name} holds no {member}") from None
                with stream:
                    yield stream

    yield each()


@contextmanager
def _exclusive(base: Path) -> Iterator[None]:
    """One puller a model: a second waits, then finds the model ready."""
    import fcntl

    base.parent.mkdir(parents=True, exist_ok=True)
    with (base.parent / f".{base.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
