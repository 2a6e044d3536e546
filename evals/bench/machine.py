"""What a timing holds for: processor, cores, versions, and how busy the machine was."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rag.engines.llamacpp import usable_cpus

# What the times of any bench can hang on.
PACKAGES = (
    "surefoot",
    "numpy",
    "torch",
    "sentence-transformers",
    "faiss-cpu",
    "llama-cpp-python",
    "spacy",
    "presidio-analyzer",
)


@dataclass(frozen=True, slots=True)
class Machine:
    """Facts about the machine; `packages` are (name, version) of those that are installed."""

    cpu: str
    cores: int
    system: str
    python: str
    packages: tuple[tuple[str, str], ...]


def machine() -> Machine:
    """This machine, as far as this process may use it."""
    known = ((name, installed(name)) for name in PACKAGES)
    return Machine(
        cpu=_cpu(),
        cores=usable_cpus(),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        packages=tuple((name, found) for name, found in known if found),
    )


def installed(distribution: str) -> str | None:
    """The version of an installed distribution, or None."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def load_average() -> float:
    """Processes that wanted to run, on average over the last minute; 0 where none tells."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def _cpu() -> str:
    """The processor's name; Linux alone keeps it in a file, elsewhere the platform knows it."""
    facts = Path("/proc/cpuinfo")
    if facts.is_file():
        for line in facts.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
