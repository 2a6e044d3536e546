"""Questions in, cited and guarded answers out. `from rag import Assistant` is the library door.

Importing this package loads no model library; the door is opened on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rag.pipeline import Assistant as Assistant

__all__ = ["Assistant"]


def __getattr__(name: str) -> object:
    if name == "Assistant":
        from rag.pipeline import Assistant

        return Assistant
    raise AttributeError(f"module 'rag' has no attribute {name!r}")
