"""The stream guard: never emit, then retract."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.safety.guard import Guard
from rag.safety.policy import DEFAULT
from rag.safety.segment import CAP, LOOKAHEAD, Place, advance, next_boundary
from rag.safety.stream import CONTEXT, StreamGuard, filter_text
from rag.types import Decision, Finding, Released, Stage, Verdict

NUMBER = re.compile(r"\d{3}[- .\n]\d{4}|\S{1,40}@\S{1,40}\.\w+")


def check(segment: str, context: str) -> Verdict:
    """Redacts numbers and addresses, blocks on POISON, and depends on the context too."""
    assert len(context) <= CONTEXT
    if "POISON" in segment:
        return Verdict(Decision.BLOCK, "", cause="test")
    shown = NUMBER.sub("<X>", segment)
    if context.endswith("key: "):
        shown = "<KEY>"
    changed = shown != segment
    return Verdict(Decision.REDACT if changed else Decision.ALLOW, shown)


PIECES = st.sampled_from(
    [
        "Hello there. ", "Dr. Smith ", "e.g. ", "3.14 ", "555-1234", "555\n1234", "555. 1234 ",
        "a@b.co", "http://x.y/z?a=1. ", "\n", "\n\n", "- item\n", "1. first\n", "| a | b |\n",
        "```py\n", "x = 1. y\n", "```\n", "你好。", "؟ ", "क्या है। ", "...", "… ", '"Yes!" ',
        "POISON", "word ", "Word ", "🙂", "é", "x" * 90, "4" * 70, " " * 30, "key: ", "(a). ",
        "ab" * 350, "die Straße 12 ", "?! ", "No. ", "U.S. ", "\t", "\r\n", "<X>",
    ]
)  # fmt: skip
TEXTS = st.one_of(st.lists(PIECES, max_size=25).map("".join), st.text(max_size=300))


def cut(text: str, cuts: list[int]) -> list[str]:
    places = sorted({min(c, len(text)) for c in cuts})
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


def streamed(chunks: list[str]) -> list[Released]:
    guard = StreamGuard(check)
    released = [item for chunk in chunks for item in guard.feed(chunk)]
    return released + guard.finish()


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.lists(st.integers(0, 2000), max_size=30))
def test_any_chunking_releases_the_same(text: str, cuts: list[int]) -> None:
    assert streamed(cut(text, cuts)) == filter_text(text, check)


@settings(max_examples=50, deadline=None)
@given(TEXTS)
def test_character_by_character_releases_the_same(text: str) -> None:
    assert streamed(list(text)) == filter_text(text, check)


@settings(max_examples=300, deadline=None)
@given(TEXTS, TEXTS)
def test_what_was_released_is_a_prefix_for_every_continuation(begun: str, rest: str) -> None:
    released = StreamGuard(check).feed(begun)
    assert filter_text(begun + rest, check)[: len(released)] == released


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_segments_tile_the_text_up_to_a_block(text: str) -> None:
    released = filter_text(text, check)
    ends = [item.end for item in released]
    assert [item.start for item in released] == [0, *ends][: len(released)]
    assert [item.index for item in released] == list(range(len(released)))
    blocked = [i for i, item in enumerate(released) if item.verdict.decision is Decision.BLOCK]
    assert blocked in ([], [len(released) - 1])
    if not blocked:
        assert "".join(text[item.start : item.end] for item in released) == text


@settings(max_examples=200, deadline=None)
@given(
    TEXTS, st.sampled_from(["555-1234", "555\n1234", "555. 1234", "jo.doe@ex-am.ple.com"]), TEXTS
)
def test_an_entity_is_never_torn(before: str, entity: str, after: str) -> None:
    text = f"{before} {entity} {after}".replace("POISON", "").replace("4" * 70, "")
    start = text.index(entity, max(0, len(before.replace("POISON", "")) - 70 * 30))
    bounds = {item.end for item in filter_text(text, lambda s, c: Verdict(Decision.ALLOW, s))}
    assert not bounds & set(range(start + 1, start + len(entity)))


class Phone:
    name = "phone"

    def find(self, text: str, stage: Stage) -> list[Finding]:
        return [
            Finding(stage, "PHONE_NUMBER", m.start(), m.end(), 0.9, self.name)
            for m in NUMBER.finditer(text)
        ]


@settings(max_examples=100, deadline=None)
@given(TEXTS, st.lists(st.integers(0, 2000), max_size=20))
def test_no_raw_entity_passes_a_real_guard(text: str, cuts: list[int]) -> None:
    guard = Guard([Phone()], DEFAULT)
    stream = StreamGuard(lambda segment, context: guard.check(segment, "answer", context))
    secret = "910-4477"
    chunks = cut(f"{text} {secret} and {text}", cuts)
    shown = "".join(item.text for chunk in chunks for item in stream.feed(chunk))
    shown += "".join(item.text for item in stream.finish())
    assert secret not in shown


def test_nothing_is_released_or_computed_after_a_block() -> None:
    seen: list[str] = []

    def counting(segment: str, context: str) -> Verdict:
        seen.append(segment)
        return check(segment, context)

    guard = StreamGuard(counting)
    released = guard.feed("Fine so far. POISON here. Then more text follows. And more still here. ")
    assert [item.text for item in released] == ["Fine so far. ", ""]
    assert guard.blocked
    assert guard.feed("More. " * 50) == []
    assert guard.finish() == []
    assert len(seen) == 2


def test_a_check_that_raises_blocks() -> None:
    def failing(segment: str, context: str) -> Verdict:
        raise RuntimeError("the text itself")

    guard = StreamGuard(failing)
    released = guard.feed("One sentence here. ") + guard.finish()
    assert [item.verdict.status for item in released] == ["error"]
    assert released[0].text == ""
    assert guard.blocked
    assert released[0].verdict.cause == "filter check: RuntimeError"


def test_a_cancelled_stream_shows_nothing_of_what_it_holds() -> None:
    assert StreamGuard(check).feed("Held back until it is complete") == []


def test_an_empty_stream() -> None:
    assert filter_text("", check) == []


SEGMENTS = [
    ("Dr. Smith met J. R. Ewing. He left.", ["Dr. Smith met J. R. Ewing. ", "He left."]),
    ("It costs 3.50 now. Fine!", ["It costs 3.50 now. ", "Fine!"]),
    ('"Really?" Yes. (No.) Done', ['"Really?" ', "Yes. ", "(No.) Done"]),
    ("Wait... What? ok", ["Wait... ", "What? ok"]),
    ("1. One thing.\n2. Two.\n- three", ["1. One thing.\n", "2. Two.\n", "- three"]),
    ("| a | 1 |\n| b | 2 |\n", ["| a | 1 |\n", "| b | 2 |\n"]),
    ("See e.g. Figs. 3 and 4. Next", ["See e.g. Figs. 3 and 4. ", "Next"]),
    (
        "```py\na = 1. \nb = f.g()\n```\nEnd",
        ["```py\n", "a = 1. \n", "b = f.g()\n", "```\n", "End"],
    ),
    ("你好。世界！好", ["你好。", "世界！", "好"]),
    ("مرحبا؟ نعم. لا", ["مرحبا؟ ", "نعم. ", "لا"]),
    ("यह है। वह है।", ["यह है। ", "वह है।"]),
    ("Go to https://a.b/c.d?e=f. Then stop", ["Go to https://a.b/c.d?e=f. ", "Then stop"]),
    ("Call 415-555.\n2671 now. Bye", ["Call 415-555.\n2671 now. ", "Bye"]),
    ("a line\ncontinued here\nNew line", ["a line\ncontinued here\n", "New line"]),
    ("Title\n\nText here", ["Title\n\n", "Text here"]),
]


@pytest.mark.parametrize(("text", "segments"), SEGMENTS)
def test_segments(text: str, segments: list[str]) -> None:
    released = filter_text(text, lambda s, c: Verdict(Decision.ALLOW, s))
    assert [item.text for item in released] == segments


@settings(max_examples=200, deadline=None)
@given(TEXTS, TEXTS)
def test_a_boundary_depends_on_a_bounded_look_ahead(text: str, other: str) -> None:
    length = next_boundary(text, Place(), 0, final=False)
    if length is None:
        assert len(text) < CAP
        return
    seen = max(length + LOOKAHEAD, CAP if length > 1 and len(text) >= CAP else 0)
    assert length <= CAP
    assert next_boundary(text[:seen] + other, Place(), 0, final=False) == length


@pytest.mark.parametrize("unit", ["a", "ab12 ", "你", "e\u0301", "4111 ", "x@y", " "])
def test_long_runs_are_cut_below_the_cap(unit: str) -> None:
    released = filter_text(unit * 1500, lambda s, c: Verdict(Decision.ALLOW, s))
    assert "".join(item.text for item in released) == unit * 1500
    assert all(0 < len(item.text) <= CAP for item in released)


def test_a_cut_leaves_characters_whole() -> None:
    family = "👨‍👩‍👧‍👦"
    released = filter_text(family * 300, lambda s, c: Verdict(Decision.ALLOW, s))
    assert all(item.text.startswith("👨") and item.text.endswith("👦") for item in released)


def test_fences_toggle() -> None:
    inside = advance(Place(), "```py\n")
    assert inside.fence == "```"
    assert advance(inside, "x = 1\n").fence == "```"
    assert advance(inside, "```\n").fence == ""


def test_work_is_linear_in_the_text() -> None:
    calls = 0

    def counting(segment: str, context: str) -> Verdict:
        nonlocal calls
        calls += len(segment) + len(context)
        return Verdict(Decision.ALLOW, segment)

    text = "This is a sentence of some length. " * 300
    guard = StreamGuard(counting)
    for character in text:
        guard.feed(character)
    guard.finish()
    assert calls < len(text) * 8
