"""How many tokens messages take, where the model itself is on another machine.

Exact by the model's own tokenizer and chat template, from a folder; or an estimate that is meant to
be too high, and is marked in every answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from rag.engines.template import CHATML, jinja_render
from rag.errors import EngineError
from rag.types import Engine, Message

Counter = Callable[[Sequence[Message]], int]

# English has about 4 bytes a token, German 3.5, code 3; what a template adds is seldom over 8.
BYTES_PER_TOKEN = 2.5
PER_MESSAGE = 10


def counts_exactly(engine: Engine) -> bool:
    """False for an engine whose counts are estimates."""
    return bool(getattr(engine, "counts_exactly", True))


def estimated(messages: Sequence[Message]) -> int:
    """An estimate with a margin, which text in some scripts can exceed."""
    sizes = [len(message.content.encode("utf-8", "replace")) for message in messages]
    return sum(PER_MESSAGE + int(size / BYTES_PER_TOKEN) + 1 for size in sizes)


def local_counter(folder: Path) -> Counter:
    """Counts by the tokenizer.json and the chat template of a folder. Raises EngineError."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_str((folder / "tokenizer.json").read_text(encoding="utf-8"))
        template, marks = _template(folder)
    except Exception as error:
        # The library has no errors of its own.
        raise EngineError("tokenizer", f"cannot read {folder}: {error}") from error
    render = jinja_render(template, **marks)

    def count(messages: Sequence[Message]) -> int:
        text = render([asdict(message) for message in messages])
        return len(tokenizer.encode(text, add_special_tokens=False).ids)

    return count


def _template(folder: Path) -> tuple[str, dict[str, str]]:
    """A folder's chat template, and the texts of its beginning and end marks."""
    file, config = folder / "chat_template.jinja", folder / "tokenizer_config.json"
    known = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
    named = {name: known.get(name) or "" for name in ("bos_token", "eos_token")}
    marks = {
        name: str(mark["content"] if isinstance(mark, dict) else mark)
        for name, mark in named.items()
    }
    if file.is_file():
        return file.read_text(encoding="utf-8"), marks
    template = known.get("chat_template")
    return (template if isinstance(template, str) else CHATML), marks
