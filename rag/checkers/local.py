"""Where a published model lies on this machine. Nothing is fetched, and nothing heavy loaded."""

from __future__ import annotations

from pathlib import Path

from rag.checkers.names import FIELD, JUDGE, parse_name
from rag.errors import ConfigError


def require_local(checker: str) -> None:
    """Raises ConfigError unless what a checker's name needs is on this machine; a stat or two.

    The engine of a judge says so itself.
    """
    if checker and (name := parse_name(checker)).kind != JUDGE:
        local_folder(name.model)


def local_folder(name: str, field: str = FIELD) -> Path:
    """The folder of a model: itself, or what was fetched of a hub model.

    Raises ConfigError about the setting `field`.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (OSError, ValueError) as error:
        problem = f"there is no model {name!r} on this machine; a hub model comes with: hf download"
        raise ConfigError(field, f"{problem} {name}") from error
