"""Where a growing text is cut, in many scripts and shapes, and how soon that is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.safety.segment import CAP, Place, next_boundary
from rag.safety.stream import StreamGuard, filter_text
from rag.types import Decision, Verdict


def allow(segment: str, context: str) -> Verdict:
    del context
    return Verdict(Decision.ALLOW, segment)


def segments(text: str) -> list[str]:
    return [item.text for item in filter_text(text, allow)]


# A "|" stands where the text is cut; "¦" is a pipe of the text.
SENTENCES = {
    "abbreviations": "Dr. Smith met J. R. Ewing. |He left.",
    "german": "z. B. Herr Dr. Weiß aus St. Pölten. |Dann nicht.",
    "spanish": "La Sra. García vive en la Avda. Norte. |¿Sí? |¡No!",
    "cyrillic": "А. С. Пушкин жил на ул. Мойке. |Он умер.",
    "greek": "Τι είναι; Αυτό. |Ναι.",
    "decimals": "It costs 3.50 now. |Fine!",
    "versions": "Use v2.11.3 or later. |Then stop.",
    "figures": "See e.g. Figs. 3 and 4. |Next",
    "quotes": '"Really?" |Yes. |(No.) Done',
    "ellipsis": "Wait... |What? ok … |Yes",
    "spaced ellipsis": "Well . . . then no. |Good",
    "url": "Go to https://a.b/c.d?e=f. |Then stop",
    "chinese": "你好。|世界！|“好。”|３．１４好",
    "japanese": "はい。|「いいえ。」|行きます？|ええ",
    "korean": "안녕하세요. |저는 김입니다. |네?",
    "arabic": "مرحبا؟ |نعم. |لا",
    "arabic with marks": "نعم.\u200f |لا. |ثم",
    "urdu": "یہ ہے۔ |وہ ہے۔",
    "hebrew": "שלום. |מה? |כן! |טוב",
    "hindi": "यह है। |वह है।",
    "amharic": "ሰላም። |ደህና ነው፧ |አዎ",
    "armenian": "Բարև։ |Ոչ։",
    "khmer": "ខ្ញុំ។ |គាត់។",
    "combining": "好。\u0301好",
    "phone over lines": "Call 415-555.\n2671 now. |Bye",
    "link text": 'See [He left. Then](https://x.y/z "A. B") now. |Next',
    "image": "![One. Two](a.png) now. |Next",
    "tag": '<img alt="One. Two" src=x> Then. |More',
    "code span": "Type `a. B` now. |Next",
}
STRUCTURES = {
    "paragraphs": "foo\n\n|bar\n\n\n|baz",
    "soft line": "a line\ncontinued here\n|New line",
    "numbers in two paragraphs": "He said 5\n\n|3 more",
    "heading": "# Title\n|in lower case. |More",
    "bullets": "- one\n|- two\n|* three",
    "numbers in a list": "Hours:\n|- 10:00 to 12\n|- 13:00 to 15\n|- 9",
    "numbered years": "1. 2024\n|2. 2025\n|3. 2026",
    "nested": "- outer\n|  - inner 4\n|    - deep 5\n|    - deep 6\n|- outer two",
    "windows": "a\r\nb c.\r\n|- x\r\n|- y\r\n",
    "old mac": "- x\r|- y\r",
    "table": "¦ a ¦ 5 ¦\n|¦---¦---¦\n|¦ He left. Then came. ¦ 7 ¦\n|¦ 3 ¦ 4 ¦\n|After it.",
    "table after text": "As follows\n|¦ a ¦ b ¦\n|¦ c ¦ d ¦",
    "table without edges": "ann ¦ 5\n|bob ¦ 7\n",
    "quote": "> quote one. |Two\n|> three",
    "rule": "***\n|Text",
    "fence": "```py\n|a = 1. \n|b = f(\n|    c)\n|```\n|End",
    "tilde fence": "~~~\n|a. B\n|~~~\n|End. |More",
    "unclosed fence": "```\n|unclosed. Code\n|5\n|6\n",
    "fence of c++": "```c++\n|int x = 1;\n|2;\n",
    "fence in a list": "1. Run:\n|   ```sh\n|   cd 5\n|   7zip. X\n|   ```\n|2. Then. |Done",
    "fence in a fence": "````md\n|```py\n|x. Y\n|```\n|````\n|End. |More",
    "no fence": "``` a `b` ``` is code. |Next",
    "end of a key": "```\n|abcd\n-----END RSA PRIVATE KEY-----\n|```\n",
    "bare number": "1. One thing.\n|2. Two.\n|- three",
}


@pytest.mark.parametrize("marked", [*SENTENCES.values(), *STRUCTURES.values()])
def test_segments(marked: str) -> None:
    wanted = [part.replace("¦", "|") for part in marked.split("|")]
    assert segments("".join(wanted)) == wanted


AHEAD = [
    ("A sentence ends. ", "Next", 1),
    ("你好。", "世界", 1),
    ("```py\nx = 1\n", "y = 2", 1),
    ("```py\nx = 1\n", "    y = 2", 5),
    ("```yml\n- x: 1\n", "- y", 2),
    ("| a | 1 |\n", "| b", 1),
    ("- one\n", "- two", 3),
    ("- 10:00\n", "- 11:00", 3),
    ("  - one\n", "  - two", 5),
    ("1. one\n", "2. two", 4),
    ("10. 2024\n", "11. 2025", 5),
    ("A paragraph\n\n", "another", 1),
    ("# Title\n", "text", 1),
    ("A line of prose.\n", "Another", 2),
]


@pytest.mark.parametrize(("head", "following", "needed"), AHEAD)
def test_a_segment_leaves_as_soon_as_the_next_has_begun(
    head: str, following: str, needed: int
) -> None:
    """`needed` are the characters that must have come after it."""
    last = segments(head)[-1]
    come = range(1, len(following) + 1)
    assert next(n for n in come if _released(head + following[:n], last)) == needed


def _released(text: str, last: str) -> bool:
    return any(item.text == last for item in StreamGuard(allow).feed(text))


@given(
    st.text(alphabet="ab .,[]()<>!`\n", max_size=60),
    st.sampled_from(["[a. B](https://evil.com/x?y=z)", "![A. b](c.png)", "<img alt='A. B' src=x>"]),
    st.text(alphabet="ab .\n", max_size=60),
)
def test_a_link_is_never_torn(before: str, link: str, after: str) -> None:
    text = f"{before} {link} {after}"
    start = len(before) + 1
    ends = {item.end for item in filter_text(text, allow)}
    assert not ends & set(range(start + 1, start + len(link)))


@pytest.mark.parametrize(
    "unit", ["a", "ab12 ", "你", "e\u0301", "4111 ", "x@y", " ", "\n", "ไทย", "[a "]
)
def test_long_runs_are_cut_below_the_cap(unit: str) -> None:
    released = segments(unit * 1500)
    assert "".join(released) == unit * 1500
    assert all(0 < len(segment) <= CAP for segment in released)


@pytest.mark.parametrize("datum", ["4111 1111 1111 1111", "jo.doe@example.org", "+44 131 496 0131"])
@pytest.mark.parametrize("lead", range(430, 480, 7))
def test_a_forced_cut_leaves_an_entity_whole(datum: str, lead: int) -> None:
    text = f"{'x' * lead} {datum} {'y' * 600}"
    ends = {item.end for item in filter_text(text, allow)}
    assert not ends & set(range(lead + 2, lead + 1 + len(datum)))


def test_a_cut_leaves_characters_whole() -> None:
    family = "👨‍👩‍👧‍👦"
    released = segments(family * 300)
    assert all(segment.startswith("👨") and segment.endswith("👦") for segment in released)


def test_it_is_told_in_time_where_nothing_is_a_boundary() -> None:
    for unit in ("a", " ", ".", "<", "[", "1", "\n", "`", "- ", "|"):
        assert next_boundary(unit * CAP, Place(), 0, final=False) is not None
