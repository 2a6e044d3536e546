from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.types import (
    Answer,
    AnswerStatus,
    Citation,
    Dropped,
    Finding,
    ModelRef,
    Passage,
    Sentence,
    TokenUse,
)
from ui.page import cards
from ui.page.details import details_html, seconds
from ui.page.marks import escape_markdown, inline, sentences_html
from ui.page.settings import Settings
from ui.page.sources import card, holder, nearest_html, sources_html, veiled
from ui.view import Numbering

TAGS = {"div", "span", "b", "details", "summary", "blockquote", "mark", "section", "p", "h4"}
TAGS |= {"button", "dl", "dt", "dd", "strong", "code"}
TAGS |= {"table", "thead", "tbody", "tr", "th", "td"}
ATTRIBUTES = {"class", "role", "title", "aria-label", "id", "type", "popover", "popovertarget"}
ATTRIBUTES |= {"style", "tabindex"}
HOSTILE = st.lists(
    st.sampled_from(
        ["<script>x()</script>", "<img src=x onerror=y>", "![a](http://e.example/i.png)", '"', "'",
         "[l](javascript:x)", "</div></details>", "<style>", "&lt;", "**", "`", "# ", "\n- ",
         "<EMAIL_ADDRESS>", "•••••", "\n\n", "<!--", "$x$", "a", " ", "]]>",
         "<a href=http://e.example>"]
    )
    | st.text(max_size=8),
    max_size=12,
).map("".join)  # fmt: skip


class Seen(HTMLParser):
    """Tags, attributes and text of a piece of HTML; `marked` is what lies in <mark>."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.marked: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, "every tag is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self._open.append(tag)
        if tag == "mark":
            self.marked.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if "mark" in self._open:
            self.marked[-1] += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError("a comment got through")


def passage(text: str, title: str = "Leave", page: int | None = 3, start: int = 40) -> Passage:
    return Passage(
        1, 0.9, 0.8, 4.0, "doc", "/kb/leave.md", title, (title, "Carrying over"), page,
        start, start + len(text), text,
    )  # fmt: skip


def cite(held: Passage, start: int, end: int) -> Citation:
    quote = held.text[start:end]
    return Citation(
        held.document, held.path, held.page, held.start + start, held.start + end, quote
    )


HELD = passage("Five days may be carried over. They lapse on 31 March.")
CLAIM = Sentence("Five days may be carried over.", 0.91, (cite(HELD, 0, 30),))
ANSWER = Answer(
    status="answered",
    text=CLAIM.text,
    sentences=(CLAIM,),
    passages=(HELD,),
    findings=(Finding("passage", "EMAIL_ADDRESS", 0, 5, 0.9, "pii", "redact"),) * 2,
    tokens=TokenUse(1431, 57, 4096, (Dropped("2 sentences", 33, "budget"),)),
    timings_ms={"retrieve": 80.4, "total": 2431.0},
    model=ModelRef("tiny", "ab" * 32),
    trace="/kb/traces/1.json",
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a < b & c", "a &lt; b &amp; c"),
        ("**bold** `code`", "<strong>bold</strong> <code>code</code>"),
        ("# Head\nbody", "<strong>Head</strong>\nbody"),
        ("- one\n* two", "• one\n• two"),
        ("call <PHONE_NUMBER>.", 'call <span class="sf-pill">phone number hidden</span>.'),
        ("<PERSON_12>", '<span class="sf-pill">person 12</span>'),
        ("<PERSON:1f3a9c2b>", '<span class="sf-pill">person 1f3a9c2b</span>'),
        ("<PERSON_0>", "&lt;PERSON_0&gt;"),
        ("**<EMAIL_ADDRESS>**", '<strong><span class="sf-pill">e-mail hidden</span></strong>'),
        ("<SCRIPT>", "&lt;SCRIPT&gt;"),
        ("![x](http://e.example/p.png)", "![x](http://e.example/p.png)"),
        ("2 * 3 ** 4", "2 * 3 ** 4"),
    ],
)
def test_inline(text: str, expected: str) -> None:
    assert inline(text) == expected


@given(HOSTILE)
def test_text_of_a_model_makes_no_tags_of_its_own(text: str) -> None:
    seen = Seen(inline(text))
    assert set(seen.tags) <= {"span", "strong", "code"}
    assert seen.attributes <= {"class", "title"}


@given(HOSTILE)
def test_document_text_stays_itself(text: str) -> None:
    seen = Seen(veiled(text))
    assert seen.text == text
    assert set(seen.tags) <= {"span"}


@given(HOSTILE, HOSTILE, st.sampled_from(["answered", "abstained", "blocked"]))
def test_no_field_of_an_answer_can_inject(text: str, other: str, status: AnswerStatus) -> None:
    held = replace(passage(text + "quote", other), path=other, headings=(other, text))
    quoted = cite(held, len(text), len(text) + 5)
    answer = replace(
        ANSWER,
        status=status,
        text=text,
        sentences=(Sentence(text, 0.3, (quoted,)), Sentence(other, None)),
        passages=(held,),
        findings=(Finding("answer", other, 0, 1, 0.5, text),),
        tokens=TokenUse(1, 1, 1, (Dropped(text, 1, other),)),
        model=ModelRef(other, text),
        trace=text,
        cause=other,
    )
    page = cards.question_html(text) + cards.answer_html(answer, "g") + cards.trouble_html(other)
    page += cards.partial_html(answer.sentences, "g") + details_html(answer)
    seen = Seen(page)
    assert set(seen.tags) <= TAGS
    assert seen.attributes <= ATTRIBUTES


@given(st.data(), st.text(min_size=1, max_size=900))
def test_the_highlight_is_the_quote(data: st.DataObject, text: str) -> None:
    text = text.replace("\r", "\n").replace("\0", " ")
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    held = passage(text)
    quoted = cite(held, start, end)
    assert Seen(card(quoted, [held])).marked == [quoted.quote]
    whole = Seen(sources_html([quoted], [held]))
    assert whole.marked == [quoted.quote]
    assert whole.text.endswith(text)


def test_a_citation_without_its_passage_shows_the_quote_alone() -> None:
    quoted = cite(HELD, 0, 30)
    changed = replace(HELD, text="•" * len(HELD.text))
    assert holder(quoted, [replace(HELD, document="other")]) is None
    assert holder(quoted, [changed]) is None
    assert Seen(card(quoted, [changed])).marked == [quoted.quote]


def test_one_place_has_one_number() -> None:
    twice = [CLAIM, replace(CLAIM, support=0.6), Sentence(" More.", 0.7, (cite(HELD, 31, 54),))]
    html = sentences_html(twice, Numbering(), [HELD], "g")
    assert [part[0] for part in html.split('aria-label="Source ')[1:]] == ["1", "1", "2"]


@pytest.mark.parametrize(
    ("support", "words", "said"),
    [(0.9, "well supported", False), (0.6, "supported", False), (0.2, "weakly supported", True)],
)
def test_weak_support_is_said_in_words(support: float, words: str, said: bool) -> None:
    html = sentences_html([Sentence("Yes.", support)], Numbering(), [], "g")
    assert f'title="Support {support:.2f}: {words}"' in html
    assert (words in Seen(html).text) is said


@pytest.mark.parametrize(
    ("changes", "wanted", "unwanted"),
    [
        ({}, ["Five days", "Sources", "well supported"], ["withheld"]),
        ({"withheld": 1}, ["1 sentence was withheld because no source supports it."], []),
        ({"withheld": 2}, ["2 sentences were withheld because no source supports them."], []),
        (
            {
                "status": "abstained",
                "text": "I don't know: the documents don't answer this. Nearest were: Leave.",
                "cause": "no passage comes near the question",
            },
            ["I don’t know", "The documents don&#x27;t answer this.", "Nearest", "Leave, p. 3",
             "Nothing in the documents comes near this.", "Why: no passage comes near"],
            ["Nearest were", "well supported"],
        ),
        (
            {"status": "blocked", "sentences": (Sentence("I can't.", None),), "text": "I can't.",
             "passages": (), "cause": "moderation: SELF_HARM"},
            ["Not answered", "I can&#x27;t.", "Reason: self harm"],
            ["Sources", "Stopped"],
        ),
        (
            {"status": "blocked", "sentences": (CLAIM, Sentence("\n\nIt stops.", None)),
             "cause": "filter pii: timeout"},
            ["Five days", "Sources", "Stopped for safety", "It stops.", "filter pii: timeout"],
            ["Not answered"],
        ),
        ({"cause": cards.STOPPED}, ["Five days", "You stopped the answer here."], []),
        (
            {"status": "abstained", "text": "", "sentences": (), "cause": cards.STOPPED},
            ["Stopped", "before anything could be shown"],
            ["I don’t know"],
        ),
    ],
)  # fmt: skip
def test_states(changes: dict[str, object], wanted: list[str], unwanted: list[str]) -> None:
    html = cards.answer_html(replace(ANSWER, **changes), "g")  # type: ignore[arg-type]
    assert [words for words in wanted if words not in html] == []
    assert [words for words in unwanted if words in html] == []


def test_details_count_findings_and_quote_none() -> None:
    text = Seen(details_html(ANSWER)).text
    for part in ("2 in the passages, hidden", "80 ms", "2.4 s", "1,431", "33 tokens: budget",
                 "tiny", "/kb/traces/1.json"):  # fmt: skip
        assert part in text
    assert (seconds(999), seconds(1000)) == ("999 ms", "1.0 s")


def test_nearest_names_each_document_once() -> None:
    many = [passage("a", title) for title in ("A", "A", "B", "C", "D")]
    assert Seen(nearest_html(many)).tags.count("summary") == 3
    assert nearest_html([]) == ""


def test_labels_lose_their_markdown() -> None:
    assert escape_markdown("![a](u)\n:red[b] <i>") == r"\!\[a\]\(u\) \:red\[b\] \<i\>"


def test_no_base_says_how_to_make_one() -> None:
    html = cards.no_base_html("not found", Path("/kb <x>"))
    assert "surefoot ingest PATH --kb /kb &lt;x&gt;" in html
    assert "--kb DIR" in cards.no_base_html("none", None)


def test_settings_come_from_the_environment() -> None:
    env = {
        "SUREFOOT_CHAT_KB": "/kb",
        "SUREFOOT_CHAT_GROUPS": "hr, it,",
        "SUREFOOT_CHAT_MODEL": "",
    }
    assert Settings.from_env(env) == Settings(Path("/kb"), frozenset({"hr", "it"}), None)
    assert Settings.from_env({}) == Settings(None, frozenset(), None)
