"""The readers that only decode and scan. They cannot crash or hang, so they need no worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ingest.readers.markdown import read_markdown
from ingest.readers.rst import read_rst
from ingest.readers.text import read_code, read_rows, read_text
from ingest.types import ParsedDocument

PLAIN_READERS: Mapping[str, Callable[[bytes, str], ParsedDocument]] = {
    "markdown": read_markdown,
    "rst": read_rst,
    "text": read_text,
    "code": read_code,
    "csv": read_rows,
    "tsv": read_rows,
    "jsonl": read_code,
}
