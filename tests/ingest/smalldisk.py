"""A disk of a few hundred kilobytes in place of a folder, for one process. Linux only.

In a user namespace of its own the process may mount a memory disk that nobody else sees.
"""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NEW_USER, _NEW_MOUNTS = 0x10000000, 0x00020000
_libc = ctypes.CDLL(None, use_errno=True)


def _must(code: int, what: str) -> None:
    if code != 0:
        number = ctypes.get_errno()
        raise PermissionError(number, f"{what}: {os.strerror(number)}")


def _own_namespace() -> None:
    """Raises PermissionError where the system allows no such thing."""
    user, group = os.getuid(), os.getgid()
    _must(_libc.unshare(_NEW_USER | _NEW_MOUNTS), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


@contextmanager
def small_disk(folder: Path, spare: int) -> Iterator[None]:
    """`folder` lies on a disk with `spare` bytes left. What is written is carried over at the end.

    Not to be undone: the process should end afterwards. Raises PermissionError.
    """
    folder.mkdir(exist_ok=True)
    below = os.open(folder, os.O_RDONLY)
    real = Path(f"/proc/self/fd/{below}")
    files = {file.name: file.read_bytes() for file in real.iterdir()}
    pages = sum(-(-len(data) // 4096) for data in files.values())
    _own_namespace()
    options = f"size={pages * 4096 + spare},mode=700".encode()
    mounted = _libc.mount(b"none", os.fsencode(folder), b"tmpfs", 0, options)
    _must(mounted, "mount")
    for name, data in files.items():
        (folder / name).write_bytes(data)
    try:
        yield
    finally:
        for file in real.iterdir():
            file.unlink()
        for file in folder.iterdir():
            shutil.copyfile(file, real / file.name)


def allowed() -> bool:
    """Whether this system lets an ordinary process have its own mounts. Asked in a child."""
    child = os.fork()
    if child == 0:
        try:
            _own_namespace()
            os._exit(0)
        except OSError:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0
