"""Links, images and HTML of an answer: what passes, what goes, and what a renderer makes of it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from rag.safety.fenced import OUTSIDE, Fence, sure_code
from rag.safety.guard import Guard
from rag.safety.labels import LINKS
from rag.safety.markup import MarkupFilter
from rag.safety.policy import DEFAULT
from rag.safety.redact import MARK
from rag.safety.stream import StreamGuard, filter_text
from rag.types import Decision, Verdict

GUARD = Guard([MarkupFilter(["example.org"])], DEFAULT)


def check(segment: str, context: str) -> Verdict:
    return GUARD.check(segment, "answer", context)


def shown(text: str) -> str:
    return "".join(item.text for item in filter_text(text, check))


PASSES = [
    "See [leave](leave.md#days) and [this](/docs/a%20b.md?page=2).",
    "See [a file](a%20file.pdf), [it](#part) and [nothing]().",
    "See [docs](https://docs.example.org/a?b=c#d) or https://example.org:8443/x.",
    "[1]: leave.md\n[Note]: see the manual\n",
    "Costs [1], [2]. Yes![3] A list [x] of things.",
    "Vec<T> and <name>, x < y, a <b and c, 3<4.",
    "Hidden: <EMAIL_ADDRESS>, <PERSON_1>, <PERSON:1f3a9c>, <EXTERNAL_IMAGE>.",
    "Ask Booking.com or jo about ASP.NET, config.toml and docs/readme.md.",
    "Write `<div>` for a block and `<br>` for a break.",
    "In JavaScript: no. The data: fine. Note: mail to all.",
    '```html\n<img src="a.png">\n[x](y.md)\n![z](q.png)\n<!-- c -->\n```\nDone.',
    "So:\n\n~~~\n<b>x</b>\n~~~\nDone.",
]
GOES = [
    ("[x](https://evil.com/?d=1) y", "[x]<EXTERNAL_LINK> y"),
    ('[x](https://evil.com/a_(b) "t") y', "[x]<EXTERNAL_LINK> y"),
    ("[x](<https://evil.com/a b>) y", "[x]<EXTERNAL_LINK> y"),
    ("[a\nb](https://evil.com)\n", "[a\nb]<EXTERNAL_LINK>\n"),
    ("[x](//evil.com/?d) y", "[x]<EXTERNAL_LINK> y"),
    ("[x](/\\evil.com) y", "[x]<EXTERNAL_LINK> y"),
    ("[x](javascript:alert(1)) y", "[x]<EXTERNAL_LINK> y"),
    ("[x](java&#115;cript:alert(1)) y", "[x]<EXTERNAL_LINK> y"),
    ("[x](&#x2f;&#x2f;evil.com) y", "[x]<EXTERNAL_LINK> y"),
    ("[x](mailto:a@evil.com?body=s) y", "[x]<EXTERNAL_LINK> y"),
    ("![a](https://evil.com/x.png) y", "<EXTERNAL_IMAGE> y"),
    ("![a](local.png) y", "<EXTERNAL_IMAGE> y"),
    ("![a [b] c][r] y\n\n[r]: https://evil.com/p\n", "<EXTERNAL_IMAGE> y\n\n[r]<EXTERNAL_LINK>\n"),
    ("[![a](b.png)](https://e.co/x) y", "[<EXTERNAL_IMAGE>]<EXTERNAL_LINK> y"),
    ("[1]: //evil.com/x 'z'\n", "[1]<EXTERNAL_LINK> 'z'\n"),
    ("Go to https://evil.com/?d=s, now.", "Go to <EXTERNAL_LINK>, now."),
    ("Go (https://evil.com/x). Bye", "Go (<EXTERNAL_LINK>). Bye"),
    ("Go to <https://evil.com/x> now", "Go to <EXTERNAL_LINK> now"),
    ("At www.evil.com. Or evil.com/?d.", "At <EXTERNAL_LINK>. Or <EXTERNAL_LINK>."),
    ("a.b.c.d.e.f.g.h.i.j.evil.com/x y", "<EXTERNAL_LINK> y"),
    ("https://s3cret.evil.com y", "<EXTERNAL_LINK> y"),
    ("https://example.org@evil.com/ y", "<EXTERNAL_LINK> y"),
    ("https://example.org.evil.com y", "<EXTERNAL_LINK> y"),
    ("https://notexample.org y", "<EXTERNAL_LINK> y"),
    ("https://exаmple.org/ y", "<EXTERNAL_LINK> y"),
    ("https://xn--exmple-cua.org y", "<EXTERNAL_LINK> y"),
    ("https://example.org%2eevil.com/ y", "<EXTERNAL_LINK> y"),
    ("https://example.org\\@evil.com y", "<EXTERNAL_LINK> y"),
    ("https://evil。com/x y", "<EXTERNAL_LINK><EXTERNAL_LINK> y"),
    ("https:evil.com/x ftp://a y", "<EXTERNAL_LINK> y"),
    ("data:text/html;base64,AAAA y", "<EXTERNAL_LINK> y"),
    ("<img src=x onerror=alert(1)> y", "<HTML_TAG> y"),
    ("<img\nsrc='x'> y", "<HTML_TAG> y"),
    ("<b>x</b> <foo onclick=x>y", "<HTML_TAG>x<HTML_TAG>y"),
    ("<SCRIPT>x</SCRIPT> y", "<HTML_TAG>x<HTML_TAG> y"),
    ("<!-- hidden --> <!DOCTYPE html> y", "<HTML_TAG> y"),
    ("Type `<script>` or `<a href=x>` here", "Type `<HTML_TAG>` or `<HTML_TAG>` here"),
    ('```\n<a href="https://evil.com/x">\n```\n', '```\n<a href="<EXTERNAL_LINK>">\n```\n'),
    ("- a\n  ```\n  <b>x</b>\n  ```\n", "- a\n  ```\n  <HTML_TAG>x<HTML_TAG>\n  ```\n"),
    ("    ```\n```\n<img src=x>\n", "    ```\n```\n<HTML_TAG>\n"),
    ("[<div\n\n```\n<img src=x>\n", "[<HTML_TAG>\n\n```\n<img src=x>\n"),
    ("<div>\n```\n<img src=x>\n", "<HTML_TAG>\n```\n<HTML_TAG>\n"),
    ("```\nx\r```\r<img src=x>\n", "```\nx\r```\r<HTML_TAG>\n"),
]


@pytest.mark.parametrize("text", PASSES)
def test_what_passes(text: str) -> None:
    assert shown(text) == text


@pytest.mark.parametrize(("text", "left"), GOES)
def test_what_goes(text: str, left: str) -> None:
    assert shown(text) == left


@pytest.mark.parametrize("stage", ["question", "passage"])
def test_only_answers_are_read(stage: str) -> None:
    assert MarkupFilter().find("![a](https://evil.com/x)", stage) == []  # type: ignore[arg-type]


def test_a_long_fence_stays_code_and_its_end_is_seen() -> None:
    code = "```html\n" + '<p class="a">Some line of an example.</p>\n' * 40 + "```\n"
    assert shown(code + "Then <b>this</b>.") == code + "Then <HTML_TAG>this<HTML_TAG>."


class _Found(HTMLParser):
    """What a browser would do with a page: addresses it knows, elements that nobody vouches for."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.images = 0
        self.odd: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.targets += [str(values[key]) for key in ("href", "src") if key in values]
        self.images += tag == "img"
        if set(values) - {"href", "title", "start", "class", "style"} or tag in (
            "script",
            "iframe",
        ):
            self.odd.append(tag)


def rendered(text: str) -> _Found:
    found = _Found()
    page = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    found.feed(MARK.sub("", page))
    found.close()
    return found


PIECES = st.sampled_from(
    [
        "[", "]", "(", ")", "](", "![", "<", ">", "`", "```", "```\n", "~~~\n", "\n", "\n\n", " ",
        "- ", "> ", "    ", "|", "\\", '"', "'", "=", "&#104;ttps:", "https://evil.com/?d=1", "/",
        "//evil.com", "https://example.org/a", "leave.md", "<img src=", "<img src=x>", "</a>", "x",
        "<a href=", "Word. ", "javascript:alert(1)", "data:text/html,x", "[r]: ", "[r]", "<!--",
        "-->", "<foo>", "onclick=x", "<https://evil.com>", "1. ", "\r", "`<b>`", "<PERSON>",
        "<div\n", "html", "[t](https://evil.com/x)", "![t](https://evil.com/x)", "[t](leave.md)",
        "# ", "x" * 210,
    ]
)  # fmt: skip
ALLOWED = ("https://example.org",)
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


@settings(max_examples=800, deadline=None)
@given(st.lists(PIECES, max_size=24).map("".join))
def test_no_renderer_finds_a_way_out(text: str) -> None:
    page = rendered(shown(text))
    assert page.images == 0
    assert page.odd == []
    for target in page.targets:
        assert target.startswith(ALLOWED) or not target.startswith(("//", "\\", "/\\"))
        assert target.startswith(ALLOWED) or not SCHEME.match(target)


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=24).map("".join), st.data())
def test_any_chunking_shows_the_same(text: str, data: st.DataObject) -> None:
    guard, at, parts = StreamGuard(check), 0, []
    while at < len(text):
        size = data.draw(st.integers(1, 40))
        parts += guard.feed(text[at : at + size])
        at += size
    assert "".join(item.text for item in parts + guard.finish()) == shown(text)


def test_the_policy_masks_what_is_found() -> None:
    verdict = GUARD.check("![a](b.png)", "answer")
    assert verdict.decision is Decision.REDACT
    assert {rule.label for rule in verdict.findings} <= set(LINKS)


@pytest.mark.parametrize(
    "unit",
    ["a", "1", " ", "<", ".", "@", "](", "![", "[", "(", "<!--", "a.", "<a ", "`", "://", "\n",
     "](\n", "](a(", "[a]:", "\n[", "~~~\n", "- ", "x)", "<!-", "<a", "https://x()", "<a b=", "|"],
)  # fmt: skip
def test_hostile_text_takes_no_time(unit: str, within: Any) -> None:
    text = (unit * 10_000)[:10_000]
    within(1, lambda: MarkupFilter().find(text, "answer"))


FENCES = [
    ("```\nx\n", Fence("```"), True),
    ("```\nx\n```\n", OUTSIDE, True),
    ("````\n```\nx\n", Fence("````"), True),
    ("```py\n~~~\n", Fence("```"), True),
    ("~~~ `a`\nx\n", Fence("~~~"), True),
    ("``` `a`\nx\n", Fence(clear=False), False),
    (" ```\nx\n", Fence("```", doubt=True), False),
    ("- ```\nx\n", Fence("```", doubt=True), False),
    ("a\n```\nx\n", Fence("```", doubt=True), False),
    ("a\n\n```\nx\n", Fence("```"), True),
    ("a\n", Fence(clear=False), False),
    ("<p>\n\n```\nx\n", Fence("```", doubt=True), False),
    ("```\n   ```\n```\n", Fence("```"), False),
]


@pytest.mark.parametrize(("text", "state", "code"), FENCES)
def test_fences(text: str, state: Fence, code: bool) -> None:
    assert OUTSIDE.after(text) == state
    assert bool(sure_code(text)) == code
    assert OUTSIDE.after(state.reopened) == state
