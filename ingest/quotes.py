"""Which files speak of forgotten documents: by their names, or by quoting them."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from ingest.near import words

RUN, STRIDE = 8, 5
"""A quote of 12 words or more is always seen; one of 8 may be."""

_FEWEST = 4
_TAG = re.compile(r"<[^<>]*>")


class Trail:
    """Recognises what documents leave behind elsewhere: their names, and runs of their words."""

    def __init__(self, names: Collection[str], texts: Iterable[str]) -> None:
        self.names = frozenset(names)
        # A path is a path everywhere; "17" may be anybody's document.
        self._telling = tuple(name for name in self.names if "/" in name)
        self._runs: dict[int, set[int]] = {}
        self._said: list[str] = []
        for text in texts:
            self._learn(text)

    def _learn(self, text: str) -> None:
        found = list(words(text))
        self._said.append(f" {' '.join(found)} ")
        size = min(RUN, len(found))
        if size < _FEWEST:
            # So few words are said by everyone.
            return
        known = self._runs.setdefault(size, set())
        known.update(
            hash(" ".join(found[at : at + size])) for at in range(0, len(found) - size + 1, STRIDE)
        )
        known.add(hash(" ".join(found[-size:])))

    def says(self, value: str) -> bool:
        """Whether one of the documents holds the words of a value, however few they are."""
        wanted = " ".join(words(value))
        return bool(wanted) and any(f" {wanted} " in said for said in self._said)

    def quoted_in(self, text: str) -> bool:
        """Whether the text holds a run of words of one of the documents, whatever its layout."""
        found = list(words(text))
        return any(
            hash(" ".join(found[at : at + size])) in known
            for size, known in self._runs.items()
            for at in range(len(found) - size + 1)
        )

    def in_value(self, value: Any, own: bool) -> bool:
        """Whether a JSON value names or quotes one of the documents.

        With `own` it is about this very knowledge base, where every name means our document.
        """
        names = self.names if own else frozenset(self._telling)
        return any(text in names or self.quoted_in(text) for text in _strings(value))

    def in_text(self, text: str) -> bool:
        """Whether a text or a page names one of the documents by its path, or quotes one."""
        plain = html.unescape(_TAG.sub(" ", text))
        return any(name in plain for name in self._telling) or self.quoted_in(plain)

    def leads_to(self, path: Path, own: bool = True) -> bool:
        """Whether a file speaks of one of the documents; JSON by its values. Raises OSError."""
        if path.suffix == ".jsonl":
            with path.open(encoding="utf-8", errors="replace", newline="\n") as lines:
                return any(self._in_json(line, own) for line in lines)
        return self._in_json(path.read_text(encoding="utf-8", errors="replace"), own)

    def _in_json(self, text: str, own: bool) -> bool:
        if not text.lstrip().startswith(("{", "[", '"')):
            return self.in_text(text)
        try:
            return self.in_value(json.loads(text), own)
        except (ValueError, RecursionError):
            # Half a line of a killed writer: its strings are still there to read.
            return self.in_text(text.replace("\\n", " "))


def _strings(value: Any) -> Iterator[str]:
    """Every string of a JSON value, keys too."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            waiting.extend(item.keys())
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


class Place(Protocol):
    """Somewhere outside the tables where documents leave traces."""

    @property
    def name(self) -> str: ...

    def clear(self, trail: Trail, dry_run: bool) -> int:
        """Remove what the trail leads to, or only look; how many things that are."""
        ...


class Traces:
    """The traces of answers in a knowledge base. One that cites or quotes is removed whole."""

    name = "traces"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def clear(self, trail: Trail, dry_run: bool) -> int:
        """Raises OSError where a trace can't be read or removed."""
        # Half-written ones too, hence no suffix is asked for.
        files = (path for path in sorted(self._folder.rglob("*")) if path.is_file())
        found = [path for path in files if trail.leads_to(path)]
        for path in found if not dry_run else ():
            path.unlink(missing_ok=True)
        return len(found)
