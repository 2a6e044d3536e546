"""`surefoot doctor`: what is installed, verified, missing, and what this machine can do."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ui.options import JsonOption

if TYPE_CHECKING:
    from rag.engines.advice import Advice, Card

SOMETHING_MISSING = 3
NEEDED = (
    "torch",
    "transformers",
    "sentence-transformers",
    "faiss-cpu",
    "langchain-core",
    "presidio-analyzer",
    "spacy",
    "streamlit",
)
ONE_OF = ("llama-cpp-python", "accelerate", "openai")
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "neon", "asimd")


def doctor(json: JsonOption = False) -> None:
    """Check this installation; exit 3 if something that is needed is missing.

    Examples:

      surefoot doctor
    """
    from rag.models import catalogue, home, state

    packages = {name: _version(name) for name in (*NEEDED, *ONE_OF)}
    models = {model.name: state(model) for model in catalogue().values()}
    defaults = [model.name for model in catalogue().values() if model.default]
    missing = [f"package {name}" for name in NEEDED if packages[name] is None]
    missing += [f"model {name}: {models[name]}" for name in defaults if models[name] != "ready"]
    if packages["llama-cpp-python"] is None:
        missing.append("package llama-cpp-python (the CPU engine)")
    missing += _lacking_checker() + _lacking_classifiers()
    cards = _cards()
    machine = _machine(home(), cards)
    report = {
        "python": platform.python_version(),
        "machine": machine,
        "packages": packages,
        "models": models,
        "home": str(home()),
        "engine": _engine(packages),
        "vault": _vault(),
        "choice": asdict(_choice(machine, cards, packages["torch"] or "")),
        "guard": _classifiers(),
        "missing": missing,
    }
    if json:
        from ui.console import emit_json

        emit_json(report)
    else:
        _print(report)
    if missing:
        raise typer.Exit(SOMETHING_MISSING)


def _lacking_checker() -> list[str]:
    """What is wrong with the checker that the config names, if anything."""
    from rag.checkers.local import require_local
    from rag.config import load
    from rag.errors import ConfigError

    try:
        require_local(load().grounding.checker)
    except ConfigError as error:
        return [str(error)]
    return []


def _lacking_classifiers() -> list[str]:
    """What is wrong with the classifiers that the config names for the guard, if anything."""
    from rag.config import load
    from rag.errors import SurefootError
    from rag.safety.classifiers.local import require_classifiers

    try:
        require_classifiers(load().guard)
    except SurefootError as error:
        return [str(error)]
    return []


def _classifiers() -> dict[str, str]:
    """What classifies for the guard, by filter."""
    from rag.config import load

    guard = load().guard
    return {"moderation": guard.moderation or "shipped", "injection": guard.injection or "shipped"}


def _vault() -> str:
    """Where what pseudonyms stand for is kept."""
    from rag.safety.vault_key import KEY_VARIABLE, has_key

    if has_key():
        return f"sealed with the key that {KEY_VARIABLE} gives"
    return f"in memory only, for one session each; {KEY_VARIABLE} keeps it (surefoot vault key)"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _machine(root: Path, cards: Sequence[Card]) -> dict[str, Any]:
    from rag.engines.llamacpp import usable_cpus

    place = root if root.exists() else Path.home()
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": usable_cpus(),
        "memory_gb": _memory_gb(),
        "disk_free_gb": round(shutil.disk_usage(place).free / 1e9, 1),
        "instructions": _instructions(),
        "gpu": ", ".join(card.name for card in cards) or None,
    }


def _memory_gb() -> float | None:
    if sys.platform == "win32" or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1)


def _instructions() -> list[str]:
    try:
        words = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return []
    return [flag for flag in FLAGS if flag in words]


def _cards() -> tuple[Card, ...]:
    """The GPUs, asked of the driver's own tool: torch takes seconds to load."""
    import subprocess

    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    command = [tool, "--query-gpu=name,memory.total,compute_cap", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        typer.echo(f"nvidia-smi does not answer: {error}", err=True)
        return ()
    return parse_cards(done.stdout) if done.returncode == 0 else ()


def parse_cards(text: str) -> tuple[Card, ...]:
    """GPUs out of lines of name, memory in MiB and compute capability; odd lines are left out."""
    from rag.engines.advice import Card

    rows = [[part.strip() for part in line.rsplit(",", 2)] for line in text.splitlines()]
    return tuple(
        Card(row[0], float(row[1]) * 2**20 / 1e9, float(row[2]))
        for row in rows
        if len(row) == 3 and all(part.replace(".", "", 1).isdecimal() for part in row[1:])
    )


def _choice(machine: dict[str, Any], cards: tuple[Card, ...], torch: str) -> Advice:
    """What this machine does best with. A torch without CUDA says so in its version."""
    from rag.config import load
    from rag.engines.advice import Facts, LocalModel, advise
    from rag.models import catalogue

    local = [
        LocalModel(model.name, sum(file.bytes for file in model.files) / 1e9)
        for model in catalogue().values()
        if model.role == "causal-lm"
    ]
    cuda = bool(torch) and not torch.endswith("+cpu")
    facts = Facts(machine["cpus"], machine["memory_gb"], cards, cuda)
    return advise(facts, load().engine.window, local)


def _engine(packages: dict[str, str | None]) -> str:
    if packages["llama-cpp-python"]:
        return (
            "llama.cpp for GGUF models on the CPU; transformers for models named by hub or folder"
        )
    return "transformers only; pip install 'surefoot[cpu]' for the CPU engine"


def _print(report: dict[str, Any]) -> None:
    machine = report["machine"]
    typer.echo(f"python     {report['python']} on {machine['system']}")
    typer.echo(
        f"machine    {machine['cpus']} CPUs ({', '.join(machine['instructions']) or 'unknown'}), "
        f"{machine['memory_gb']} GB memory, {machine['disk_free_gb']} GB disk free, "
        f"GPU: {machine['gpu'] or 'none'}"
    )
    typer.echo(f"cache      {report['home']}")
    typer.echo(f"engine     {report['engine']}")
    typer.echo(f"vault      {report['vault']}")
    choice = report["choice"]
    typer.echo(f"choice     --model {choice['model']} ({choice['engine']}, {choice['dtype']})")
    typer.echo(f"           {choice['why']}")
    for name, found in report["guard"].items():
        typer.echo(f"guard      {name:<24} {found}")
    for name, found in report["packages"].items():
        typer.echo(f"package    {name:<24} {found or 'not installed'}")
    for name, found in report["models"].items():
        typer.echo(f"model      {name:<24} {found}")
    if report["missing"]:
        typer.echo("Missing: " + "; ".join(report["missing"]))
        typer.echo("Mend with: surefoot models pull")
    else:
        typer.echo("All that is needed is here.")
