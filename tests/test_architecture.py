"""The house rules that a machine can hold: who imports whom, what is heavy where, sizes, cycles."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("ingest", "rag", "evals", "ui")
MAX_FILE, MAX_FUNCTION = 320, 60

# Each heavy library and the files whose room it is (a trailing slash means the folder).
ROOMS = {
    "torch": (
        "ingest/encoders/",
        "rag/engines/hf/",
        "rag/rerank.py",
        "rag/checkers/",
        "evals/train/",
        "evals/bench/peers/",
    ),
    "transformers": (
        "ingest/encoders/sentence.py",
        "rag/safety/names/hub.py",
        "rag/engines/hf/",
        "rag/checkers/",
        "rag/safety/classifiers/hub.py",
        "evals/train/",
        "evals/bench/peers/",
    ),
    "openvino": ("ingest/encoders/",),
    "sentence_transformers": (
        "ingest/encoders/sentence.py",
        "rag/rerank.py",
        "evals/train/",
        "evals/bench/peers/",
    ),
    "faiss": ("ingest/", "evals/bench/peers/"),
    "langchain_core": ("ingest/langchain.py", "rag/interop.py", "evals/bench/peers/"),
    "streamlit": ("ui/chat.py", "ui/page/"),
    "fastapi": ("ui/api/",),
    "starlette": ("ui/api/",),
    "uvicorn": ("ui/api/",),
    "openai": ("rag/engines/openai.py", "evals/bench/"),
    "prometheus_client": ("rag/telemetry/",),
    "opentelemetry": ("rag/telemetry/",),
    "llama_cpp": ("rag/engines/llamacpp.py", "rag/engines/slot.py", "evals/bench/peers/"),
    "spacy": ("rag/safety/",),
    "presidio_analyzer": ("rag/safety/", "evals/bench/peers/"),
    "cryptography": ("rag/safety/vault_key.py",),
    "keyring": ("rag/safety/vault_key.py",),
    "sklearn": ("evals/train/", "evals/bench/peers/"),
    "matplotlib": ("evals/report/charts.py",),
    "pypdfium2": ("ingest/readers/",),
    "mammoth": ("ingest/readers/",),
    "openpyxl": ("ingest/readers/",),
    "pptx": ("ingest/readers/",),
    "rensa": ("ingest/near.py",),
    "watchfiles": ("ingest/watch.py",),
}
BANNED = {"pickle", "cPickle", "dill", "joblib", "marshal", "shelve"}


def sources() -> list[Path]:
    return [
        path
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if "__pycache__" not in path.parts
    ]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path, top_only: bool = False) -> Iterator[str]:
    """Dotted names that a file imports; with `top_only` those that run when it is imported."""
    nodes = _top_level(tree(path)) if top_only else ast.walk(tree(path))
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _top_level(module: ast.Module) -> Iterator[ast.AST]:
    """Statements that run on import, without those only for type checkers."""
    for node in module.body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            yield from ast.walk(node)


@pytest.mark.parametrize("path", sources(), ids=name)
def test_imports_go_one_way(path: Path) -> None:
    mine = PACKAGES.index(path.relative_to(ROOT).parts[0])
    for imported in imports(path):
        package = imported.split(".")[0]
        if package in PACKAGES:
            assert PACKAGES.index(package) <= mine, f"{name(path)} imports {imported}"


def test_leaves_import_nothing_of_their_package() -> None:
    for leaf in ("rag/types.py", "rag/errors.py", "ingest/types.py", "ingest/errors.py"):
        package = leaf.split("/")[0]
        inside = [i for i in imports(ROOT / leaf) if i.split(".")[0] == package]
        assert not inside, leaf


def test_no_import_cycles() -> None:
    modules = {
        name(path)[:-3].replace("/", ".").removesuffix(".__init__"): path for path in sources()
    }
    edges = {
        module: {i for i in imports(path, top_only=True) if i in modules and i != module}
        for module, path in modules.items()
    }
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join((*trail, module))
        if module not in done:
            for other in edges[module]:
                visit(other, (*trail, module))
            done.add(module)

    for module in modules:
        visit(module, ())


@pytest.mark.parametrize("path", sources(), ids=name)
def test_heavy_libraries_stay_in_their_rooms(path: Path) -> None:
    for imported in imports(path):
        library = imported.split(".")[0]
        assert library not in BANNED, f"{name(path)} imports {library}"
        rooms = ROOMS.get(library)
        if rooms is not None:
            home = any(
                name(path) == room or (room.endswith("/") and name(path).startswith(room))
                for room in rooms
            )
            assert home, f"{name(path)} imports {library}, whose room is {', '.join(rooms)}"


@pytest.mark.parametrize("path", sources(), ids=name)
def test_sizes(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_FILE, f"{name(path)} has {lines} lines"
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= MAX_FUNCTION, f"{name(path)}: {node.name} has {length} lines"


@pytest.mark.parametrize("path", sources(), ids=name)
def test_nothing_dangerous(path: Path) -> None:
    """No eval, no exec, no remote code, and no failure that is passed over without a word."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"eval", "exec"}, name(path)
        if isinstance(node, ast.keyword) and node.arg == "trust_remote_code":
            assert isinstance(node.value, ast.Constant), name(path)
            assert node.value.value is False, name(path)
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"{name(path)}: bare except"


@pytest.mark.parametrize("module", ["ingest", "rag", "evals", "ui.cli"])
def test_importing_a_door_loads_nothing_heavy(module: str) -> None:
    heavy = ("torch", "transformers", "faiss", "spacy", "langchain_core", "streamlit", "llama_cpp")
    code = f"import sys, {module}; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
