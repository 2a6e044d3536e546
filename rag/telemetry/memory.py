"""Memory that is left: of the machine or the control group, and of the GPU if one is in use."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Version 2 of control groups, then version 1, as a container sees its own.
_GROUPS = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
)


@dataclass(frozen=True, slots=True)
class Memory:
    """One store ("host" or "gpu"): what it holds and what is free, in bytes."""

    store: str
    limit: int
    available: int


def memories(
    meminfo: Path = Path("/proc/meminfo"), groups: Path = Path("/sys/fs/cgroup")
) -> Iterator[Memory]:
    """What this process may use. A machine that does not say yields nothing."""
    host = machine_memory(meminfo)
    group = group_memory(groups)
    if host and group and group.limit < host.limit:
        host = Memory("host", group.limit, min(group.available, host.available))
    yield from (found for found in (host, gpu_memory()) if found is not None)


def machine_memory(meminfo: Path) -> Memory | None:
    """The machine's, as Linux tells it."""
    if not meminfo.is_file():
        return None
    rows = _rows(meminfo.read_text(encoding="ascii").replace(":", ""))
    if "MemTotal" not in rows or "MemAvailable" not in rows:
        return None
    return Memory("host", rows["MemTotal"] * 1024, rows["MemAvailable"] * 1024)


def group_memory(root: Path) -> Memory | None:
    """The control group's; cached file pages that were not used lately count as free."""
    for limit_name, used_name, idle_name in _GROUPS:
        limit, used = _number(root / limit_name), _number(root / used_name)
        if limit is not None and used is not None:
            stat = (root / used_name).with_name("memory.stat")
            idle = _rows(stat.read_text(encoding="ascii")) if stat.is_file() else {}
            return Memory("host", limit, max(0, limit - used + idle.get(idle_name, 0)))
    return None


def gpu_memory() -> Memory | None:
    """The current GPU's, where something else has begun to use it already."""
    torch = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    if cuda is None or not cuda.is_available() or not cuda.is_initialized():
        return None
    free, total = cuda.mem_get_info()
    return Memory("gpu", int(total), int(free))


def _number(path: Path) -> int | None:
    words = path.read_text(encoding="ascii").strip() if path.is_file() else ""
    return int(words) if words.isdigit() else None


def _rows(text: str) -> dict[str, int]:
    words = (line.split() for line in text.splitlines())
    return {row[0]: int(row[1]) for row in words if len(row) > 1 and row[1].isdigit()}
