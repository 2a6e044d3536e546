"""Why an answer is as it is: shades, bars, scores, and what a replay says."""

from __future__ import annotations

import math
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.types import Answer, ModelRef, Passage, Sentence, Shown, Token, TokenUse
from ui.page.details import details_html
from ui.page.why import heat_html, level, replay_html


class Words(HTMLParser):
    """The text of well-formed HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def shown(text: str, *tokens: tuple[str, float]) -> Shown:
    made = tuple(
        Token(text=piece, id=number, logprob=math.log(sure))
        for number, (piece, sure) in enumerate(tokens)
    )
    return Shown(Sentence(text, 0.9), made)


@pytest.mark.parametrize(
    ("sure", "kind"),
    [(None, ""), (1.0, ""), (0.9, ""), (0.7, "sf-sure-3"), (0.5, "sf-sure-2"), (0.3, "sf-sure-1"),
     (0.29, "sf-sure-0"), (0.0, "sf-sure-0")],
)  # fmt: skip
def test_level(sure: float | None, kind: str) -> None:
    assert level(sure) == kind


def test_each_token_has_its_shade() -> None:
    html = heat_html([shown("Five days.", ("Five", 0.95), (" days", 0.4), (".", 0.1))])
    assert 'class="sf-token sf-sure-1" title="40%"> days<' in html
    assert 'class="sf-token sf-sure-0" title="10%">.<' in html
    assert Words(html).text.startswith("Five days.How sure")


def test_without_tokens_it_says_so() -> None:
    assert "No token" in heat_html([Shown(Sentence("Five days.", 0.9))])


@given(st.text("<>&\"'ab •", max_size=40), st.text("<>&\"'ab", min_size=1, max_size=5))
def test_a_token_makes_no_tag(text: str, piece: str) -> None:
    html = heat_html([shown(text + piece, (piece, 0.2))])
    assert set(Words(html).tags) <= {"div", "span"}


@pytest.mark.parametrize(
    ("parts", "wanted"),
    [
        ((("prompt", True, ""), ("search", None, "off")), "Replayed: the same answer."),
        ((("prompt", True, ""), ("answer", False, "<b>")), "Replayed: not the same answer."),
    ],
)
def test_a_replay_says_what_differs(
    parts: tuple[tuple[str, bool | None, str], ...], wanted: str
) -> None:
    html = replay_html(parts)
    assert wanted in html
    assert "<b>" not in html
    assert ("not repeated: off" in html) is (parts[1][1] is None)


def test_details_have_bars_and_scores() -> None:
    held = Passage(1, 0.83, 0.71, 4.2, "d", "/kb/a.md", "A <b>", (), 2, 0, 4, "Five", rerank=0.4)
    answer = Answer(
        status="answered",
        text="Five.",
        sentences=(),
        passages=(held, replace(held, rank=2, rerank=None, linked=True)),
        findings=(),
        tokens=TokenUse(1, 1, 10),
        timings_ms={"retrieve": 500.0, "generate": 2000.0, "total": 2000.0},
        model=ModelRef("m", "0"),
        trace="",
    )
    html = details_html(answer)
    assert "margin-left:25.0%;width:75.0%" in html
    said = Words(html).text
    for part in ("1.5 s", "2.0 s", "A <b>, p. 2", "0.83", "0.71", "4.2", "0.40", "–", "named by"):
        assert part in said
    assert "cited" not in said
    assert "none was written" in said
