"""The heat map in a terminal, the table without one, and the JSON of both."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from rag.types import Citation, Flag, Sentence, Shown, Token
from ui.heat import FEW, heat_map, least_sure, print_heat, shade
from ui.printing import FLAG
from ui.view import confidence_json, flag_mark, sentence_json

SHOWN = [
    Shown(Sentence("Hello. ", None), (Token("Hello", 1, -0.01), Token(". ", 2, -0.7))),
    Shown(Sentence("Call <PHONE_NUMBER>.", 0.9), (Token("Call", 3, -1.6), Token(".", 4, 0.0))),
]


def printed(terminal: bool, shown: list[Shown]) -> str:
    console = Console(
        file=io.StringIO(),
        force_terminal=terminal,
        color_system="truecolor" if terminal else None,
        width=90,
    )
    print_heat(shown, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("sure", "style"),
    [(None, ""), (1.0, ""), (0.9, ""), (0.89, "3d4f2f"), (0.6, "6b5a1e"), (0.4, "8a4b1c"),
     (0.1, "8f2f2a"), (0.0, "8f2f2a")],
)  # fmt: skip
def test_the_less_sure_the_warmer(sure: float | None, style: str) -> None:
    assert shade(sure).endswith(style)


def test_a_heat_map_is_the_text_that_was_shown() -> None:
    assert heat_map(SHOWN).plain == "Hello. Call <PHONE_NUMBER>."
    assert "48;2;" in printed(True, SHOWN)


def test_without_a_terminal_it_is_a_table_without_colours() -> None:
    told = printed(False, SHOWN)
    assert "\x1b" not in told
    assert told.split("\n")[2].split() == ["0.202", "2", "'Call'"]
    assert len(least_sure(SHOWN * FEW)) == FEW + 1


def test_where_no_token_was_shown_it_says_so() -> None:
    assert "no token" in printed(False, [Shown(Sentence("I don't know.", None))])


def test_the_json_of_tokens_and_flags() -> None:
    rows = confidence_json(SHOWN)
    assert rows[2] == {"text": "Call", "logprob": -1.6, "sentence": 1}
    said = Sentence(
        "On 4 May. ", 0.4, (Citation("d", "p", 1, 0, 4, "text"),), (Flag("date", "4 May", 3, 8),)
    )
    assert sentence_json(said)["flags"] == [{"kind": "date", "text": "4 May", "start": 3, "end": 8}]
    assert flag_mark(said) == "“4 May”"
    assert flag_mark(SHOWN[0].sentence) == ""
    assert FLAG
