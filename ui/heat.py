"""How sure the model was of each token that was shown: a heat map, or a table without colours."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text

from rag.confidence import laid_out
from rag.types import Shown, Token
from ui.console import OUT

# Each probability from which a shade is taken, and its background; sure tokens have none.
SHADES = ((0.9, ""), (0.7, "on #3d4f2f"), (0.5, "on #6b5a1e"), (0.3, "on #8a4b1c"))
UNSURE = "on #8f2f2a"
FEW = 10


def print_heat(shown: Sequence[Shown], console: Console = OUT) -> None:
    """The answer with its tokens shaded; where there is no terminal, the least sure of them."""
    console.print()
    if not any(event.tokens for event in shown):
        console.print("  no token of the model was shown", style="dim")
    elif console.is_terminal and console.color_system and not console.no_color:
        console.print(heat_map(shown))
        console.print(_legend())
    else:
        for line in least_sure(shown):
            console.print(line, markup=False)


def heat_map(shown: Iterable[Shown]) -> Text:
    """The sentences with each token on the shade of its probability."""
    text = Text()
    for event in shown:
        for piece, sure in laid_out(event.sentence.text, event.tokens):
            text.append(piece, style=shade(sure))
    return text


def shade(probability: float | None) -> str:
    """The style of a token; none for what is no token's, such as the mark of a hidden detail."""
    if probability is None:
        return ""
    styles = (f"white {style}" if style else "" for least, style in SHADES if probability >= least)
    return next(styles, f"white {UNSURE}")


def least_sure(shown: Sequence[Shown]) -> list[str]:
    """A table of the ten tokens that the model was least sure of, the least sure first."""
    rows = [
        (token, index)
        for index, event in enumerate(shown, start=1)
        for token in event.tokens
        if token.text.strip()
    ]
    rows.sort(key=lambda row: row[0].logprob)
    head = f"{'probability':>11}  sentence  token"
    return [
        head,
        *(f"{_sure(token):>11.3f}  {index:>8}  {token.text!r}" for token, index in rows[:FEW]),
    ]


def _sure(token: Token) -> float:
    return math.exp(min(0.0, token.logprob))


def _legend() -> Text:
    text = Text("  how sure the model was:", style="dim")
    for least, style in SHADES:
        text.append(f" {least:.1f}+ ", style=f"white {style}" if style else "dim")
    return text.append(" less ", style=f"white {UNSURE}")
