"""Files that may be anything by now: opened only if regular, and through no link."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

from ingest.readers.border import one_line


def open_regular(path: Path) -> BufferedReader:
    """The file at a resolved path, for reading. Raises OSError, also for what is no regular file.

    A file may have become a pipe or a device since it was met: opening must not wait for a
    writer, and reading must end.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Not a regular file", str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def is_gone(path: Path) -> bool:
    """Whether there is certainly no file of this name any more."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        # Not to be seen is not the same as gone.
        return False
    return False


def status_of(path: Path) -> os.stat_result | None:
    """What the system says of a file; None where there is none, or none any more.

    Others come and go beside us: a database takes its log away when its last reader leaves.
    """
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def bytes_in(folder: Path) -> int:
    """The size of the files of a folder, without those of folders inside it."""
    found = (status_of(path) for path in folder.iterdir())
    return sum(status.st_size for status in found if status and stat.S_ISREG(status.st_mode))


def reason_of(error: OSError | RuntimeError) -> str:
    """Why a file cannot be had, for people."""
    if isinstance(error, FileNotFoundError):
        return "not found"
    if isinstance(error, PermissionError):
        return "permission denied"
    if isinstance(error, RuntimeError):
        return "symbolic links in a circle"
    return (error.strerror or one_line(error)).lower()
