"""A filter that reads each passage once: what it found is kept beside the base."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path

from rag.safety.guard import Warms
from rag.safety.scans import Scans
from rag.types import Filter, Finding, Stage

_ROOM = Path(__file__).parent


class Remembered:
    """`inner`, but for passages that `scans` knows. Questions and answers are never kept.

    `version` names all that the findings depend on besides the text.
    """

    def __init__(self, inner: Filter, scans: Scans, version: str) -> None:
        self.name = inner.name
        self.version = version
        self._inner = inner
        self._scans = scans

    def find(self, text: str, stage: Stage) -> Sequence[Finding]:
        if stage != "passage":
            return self._inner.find(text, stage)
        known = self._scans.get(self.version, text)
        if known is not None:
            return known
        found = self._inner.find(text, stage)
        self._scans.put(self.version, [(text, found)])
        return found

    def warm(self, texts: Sequence[str], stage: Stage) -> None:
        """Lets the inner filter prepare for the passages that it will have to read."""
        if not isinstance(self._inner, Warms):
            return
        if stage == "passage":
            texts = [text for text in texts if self._scans.get(self.version, text) is None]
        if texts:
            self._inner.warm(texts, stage)


def version_of(name: str, embedder_sha256: str) -> str:
    """The version of a filter: its name, its embedder, and a hash of all code and weights here."""
    return f"{name} {embedder_sha256} {code_version()}"


@cache
def code_version() -> str:
    """A hash of all code and weights of this folder."""
    digest = sha256()
    for pattern in ("*.py", "weights/*.safetensors"):
        for file in sorted(_ROOM.rglob(pattern)):
            digest.update(str(file.relative_to(_ROOM)).encode() + b"\0")
            digest.update(sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:32]
