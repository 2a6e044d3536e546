"""Documents to chunks to vectors to rows, in batches, so that memory stays flat."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import islice

from ingest.chunk import ChunkSettings, TokenCounter, chunk_document
from ingest.progress import Progress
from ingest.types import Chunk, Embedder, ParsedDocument
from ingest.writer import Content, Writer

_BATCH_CHUNKS = 512
_BATCH_CHARACTERS = 8_000_000
_EMBED_AT_ONCE = 256
_MAX_PREFIX = 160
_MAX_PREFIX_TOKENS = 48


class Sink:
    """Takes parsed documents in order. Without a writer (a dry run) it only counts chunks."""

    def __init__(
        self,
        writer: Writer | None,
        embedder: Embedder,
        chunking: ChunkSettings,
        groups: frozenset[str],
        progress: Progress,
    ) -> None:
        self._writer = writer
        self._embedder = embedder
        self._chunking = chunking
        self._groups = groups
        self._progress = progress
        self._contents: list[Content] = []
        self._inputs: dict[bytes, str] = {}
        self._waiting = 0
        self._characters = 0

    def add(
        self,
        key: str,
        sha256: str,
        size: int,
        name: str,
        parsed: ParsedDocument,
        groups: frozenset[str] | None = None,
    ) -> int:
        """Chunk a document and queue it for writing. Returns its number of chunks.

        `groups` are those that may see it; None stands for those of the job.
        """
        chunks = chunk_document(parsed, self._embedder.count_tokens, self._chunking)
        self._progress.advance("chunk", len(chunks))
        if self._writer is None or not chunks:
            return len(chunks)
        title = "" if parsed.title == name else parsed.title
        inputs = embedding_inputs(title, chunks, self._embedder.count_tokens)
        keys = [hashlib.sha256(text.encode()).digest() for text in inputs]
        self._inputs.update(zip(keys, inputs, strict=True))
        groups = self._groups if groups is None else groups
        self._contents.append(Content(key, sha256, size, parsed, chunks, keys, groups))
        self._waiting += len(chunks)
        self._characters += len(parsed.text)
        if self._waiting >= _BATCH_CHUNKS or self._characters >= _BATCH_CHARACTERS:
            self.flush()
        return len(chunks)

    def flush(self) -> None:
        """Embed and write all that is queued."""
        if self._writer is None or not self._contents:
            return
        self._embed(self._writer)
        self._writer.add_contents(self._contents)
        self._progress.advance("index", self._waiting)
        self._contents, self._inputs, self._waiting, self._characters = [], {}, 0, 0

    def _embed(self, writer: Writer) -> None:
        known = writer.known_vectors(list(self._inputs))
        self._progress.advance("embed", len(known))
        missing = iter([key for key in self._inputs if key not in known])
        # Vectors are written as they come: a job killed in a long document loses few of them.
        while keys := list(islice(missing, _EMBED_AT_ONCE)):
            vectors = self._embedder.embed([self._inputs[key] for key in keys])
            writer.add_vectors(keys, vectors)
            self._progress.advance("embed", len(keys))


def embedding_inputs(title: str, chunks: Sequence[Chunk], count: TokenCounter) -> list[str]:
    """What is embedded for each chunk: where it stands, then its text.

    The prefix is short enough that a full chunk still fits the embedder's window: nothing of a
    chunk is cut unseen.
    """
    paths = list(dict.fromkeys(chunk.headings for chunk in chunks))
    prefixes = [_prefix(title, path) for path in paths]
    sizes = zip(paths, prefixes, count(prefixes), strict=True)
    short = {path: _shortened(prefix, tokens) for path, prefix, tokens in sizes}
    return [f"{short[chunk.headings]}\n{chunk.text}".lstrip("\n") for chunk in chunks]


def _shortened(prefix: str, tokens: int) -> str:
    if tokens <= _MAX_PREFIX_TOKENS:
        return prefix
    # Where a character is a token or more, a share of the characters is the same of the tokens.
    return prefix[: len(prefix) * _MAX_PREFIX_TOKENS // tokens]


def _prefix(title: str, headings: Sequence[str]) -> str:
    names = list(dict.fromkeys(name for name in (title, *headings) if name))
    # The innermost heading says most; outer ones go first when there is no room for all.
    while len(names) > 1 and sum(map(len, names)) > _MAX_PREFIX:
        names.pop(1 if len(names) > 2 else 0)
    return " > ".join(names)[:_MAX_PREFIX]
