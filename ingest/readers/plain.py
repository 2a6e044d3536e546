"""The readers that only decode and scan. They cannot crash or hang, so they need no worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ingest.readers.code import read_code
from ingest.readers.data import read_json, read_json_lines
from ingest.readers.markdown import read_markdown
from ingest.readers.prose import read_text
from ingest.readers.rst import read_rst
from ingest.readers.tables import read_csv, read_tsv
from ingest.types import ParsedDocument

PLAIN_READERS: Mapping[str, Callable[[bytes, str], ParsedDocument]] = {
    "markdown": read_markdown,
    "rst": read_rst,
    "text": read_text,
    "code": read_code,
    "csv": read_csv,
    "tsv": read_tsv,
    "json": read_json,
    "jsonl": read_json_lines,
}
