"""What happened to one question, on disk: enough to explain the answer, and to give it again.

Holds the prompt as the model saw it (personal data masked), never the raw text of what was
withheld: of the model's own words only what was shown, a hash of all, and log-probabilities.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rag.models import write_atomic
from rag.prompt import Packed, template_hash
from rag.types import Answer, Token

FORMAT = 1
LOG = logging.getLogger("surefoot.trace")


class Tracer:
    """Writes traces below `folder` (none if it is None). `facts` go into every trace."""

    def __init__(self, folder: Path | None, facts: Mapping[str, Any]) -> None:
        self._folder = folder
        self._facts = dict(facts)

    def place(self) -> Path | None:
        """Where the next trace will lie, or None if traces are off or can't be written."""
        if self._folder is None:
            return None
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            LOG.warning("no trace is written: %s", error)
            return None
        if not os.access(self._folder, os.W_OK):
            LOG.warning("no trace is written: %s is read-only", self._folder)
            return None
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        return self._folder / f"{stamp}-{secrets.token_hex(4)}.json"

    def write(
        self,
        path: Path,
        answer: Answer,
        question: str,
        query: str,
        packed: Packed | None,
        tokens: Sequence[Token],
    ) -> None:
        """Write one trace. A full disk costs the trace, with a warning, not the answer."""
        said = "".join(token.text for token in tokens)
        record = {
            "format": FORMAT,
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            **self._facts,
            "template": _template(packed),
            "question": question,
            "query": query,
            "prompt": [asdict(message) for message in packed.messages] if packed else [],
            "generated": {
                "sha256": hashlib.sha256(said.encode()).hexdigest(),
                "logprobs": [round(token.logprob, 4) for token in tokens],
            },
            "answer": _plain(asdict(answer)),
        }
        try:
            write_atomic(path, json.dumps(record, ensure_ascii=False, indent=1).encode())
            path.chmod(0o600)
        except OSError as error:
            LOG.warning("the trace could not be written: %s", error)


def _template(packed: Packed | None) -> str:
    """The hash of the prompt's wording, with the instructions that were really given."""
    first = packed.messages[0] if packed else None
    return template_hash(first.content) if first else template_hash()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return sorted(value) if isinstance(value, frozenset) else value
