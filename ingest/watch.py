"""Says when something changed under a folder. What changed is for a job to find out.

A job over the whole folder costs a stat a file, and misses nothing: not what came while the last
one ran, nor what the system did not tell of.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event

from ingest.errors import SurefootError
from ingest.groups import FOLDER_FILE

QUIET_MS = 500
MOST_MS = 10_000


class CannotFollow(SurefootError):
    """A path that cannot be watched, or more folders than the system lets one watch."""

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"cannot follow {path}: {problem}")


def changes(
    roots: Sequence[Path],
    skip: Path,
    *,
    poll: bool = False,
    quiet_ms: int = QUIET_MS,
    stop: Event | None = None,
) -> Iterator[None]:
    """One item for each burst of changes under `roots`, once it has been quiet for a while.

    The first comes after a second at most, for what changed before anyone watched. A burst that
    does not end is cut after ten seconds. Hidden files and what is in `skip` (the knowledge base)
    do not count, but a folder's own access groups do. With `poll` files are looked at in turn, for
    network drives.
    Ends when `stop` is set; KeyboardInterrupt passes. Raises CannotFollow.
    """
    from watchfiles import Change, watch

    def counts(change: Change, name: str) -> bool:
        path = Path(name)
        # That a folder was changed says only that something in it was, hidden or not.
        known = change is Change.modified and path.is_dir()
        return not known and _counts(path, folders, skip.resolve())

    folders = [root.resolve() for root in roots]
    for root in folders:
        if not root.exists():
            raise CannotFollow(str(root), "not found")
    begun = False
    try:
        for met in watch(
            *folders,
            watch_filter=counts,
            step=quiet_ms,
            debounce=MOST_MS,
            rust_timeout=1_000,
            yield_on_timeout=True,
            stop_event=stop,
            # None would let a variable of the environment decide.
            force_polling=poll,
            ignore_permission_denied=True,
        ):
            if met or not begun:
                begun = True
                yield
    except OSError as error:
        raise CannotFollow(", ".join(map(str, folders)), str(error)) from error


def _counts(path: Path, roots: Sequence[Path], skip: Path) -> bool:
    if path.is_relative_to(skip):
        return False
    inside = [path.relative_to(root) for root in roots if path.is_relative_to(root)]
    # A file that is a root of its own has no parts below it.
    return any(not any(map(_is_hidden, rest.parts)) for rest in inside)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") and name != FOLDER_FILE
