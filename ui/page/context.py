"""Who reads, and of which knowledge base: what every page is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ui.page.settings import Settings


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody at the page. `name` is "" where nobody signs in.

    A keeper may change the knowledge base, start evaluations, review, and see operations.
    """

    name: str
    groups: frozenset[str]
    keeper: bool


@dataclass(frozen=True, slots=True)
class Context:
    """What a page is drawn from: how the server was started, its knowledge base, the reader."""

    settings: Settings
    kb: Path
    reader: Reader
