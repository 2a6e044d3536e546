"""Chat templates rendered so that no message can forge the template's own tokens.

A template is rendered with a placeholder for each message; the pieces between are the template's
(special tokens allowed), the placeholders' places take the messages (special tokens are text).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rag.errors import EngineError
from rag.types import Message

# Used by models that carry no template of their own.
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)

Render = Callable[[Sequence[Mapping[str, str]]], str]


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a rendered prompt. `trusted` text may hold special tokens, other text may not."""

    text: str
    trusted: bool


def render_pieces(messages: Sequence[Message], render: Render) -> list[Piece]:
    """The prompt for `messages` as pieces, in order. Raises EngineError for an odd template."""
    marks = [f"surefoot-content-{index:04d}-mark" for index in range(len(messages))]
    turns = [
        {"role": message.role, "content": mark}
        for message, mark in zip(messages, marks, strict=True)
    ]
    rest = render(turns)
    pieces: list[Piece] = []
    for message, mark in zip(messages, marks, strict=True):
        before, found, rest = rest.partition(mark)
        if not found:
            raise EngineError("template", "the chat template drops or reorders messages")
        pieces += [Piece(before, True), Piece(message.content, False)]
    pieces.append(Piece(rest, True))
    return [piece for piece in pieces if piece.text]


def jinja_render(template: str, **variables: Any) -> Render:
    """`render` for a Jinja chat template, in Jinja's sandbox: a template comes with a model."""
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.globals["raise_exception"] = _raise_exception
    compiled = environment.from_string(template)

    def render(turns: Sequence[Mapping[str, str]]) -> str:
        return compiled.render(messages=turns, add_generation_prompt=True, **variables)

    return render


def _raise_exception(message: str) -> None:
    raise EngineError("template", message)
