"""Markup of an answer that would leave this place: links, images, HTML. Found, it is taken out.

A picture or a link is how a planted instruction carries secrets away: in a query, a path, the name
of a host. So an answer links to documents (relative addresses) and to hosts that were allowed, and
to no other: not even to one that stands in a passage, since its author may be the attacker; the
reader finds it there, in the source. What an address may look like is said, not what it may not.

A link keeps its text and loses its target, an image goes whole, of HTML the tags go. In a fence
that is one for certain, tags and Markdown are an example to read and stay; addresses go even there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from rag.safety.elements import ELEMENTS, RAW
from rag.safety.fenced import sure_code
from rag.safety.labels import LABELS, LINKS
from rag.safety.redact import MARK
from rag.types import Finding, Stage

# No element has an underscore in its name: what stands in place of a tag is none.
LINK, IMAGE, HTML = LINKS

Span = tuple[int, int]

_REST = r"[^\s<>\"`]"
_ADDRESS = re.compile(
    r"(?i)(?<![a-z0-9+.-])(?:"
    rf"[a-z0-9+.-]*+://{_REST}*"
    rf"|(?:https?|ftp):[/\\]*+{_REST}+"
    rf"|(?:javascript|vbscript|mailto|blob|filesystem|view-source):{_REST}+"
    rf"|data:[a-z0-9.+-]*+[/;,]{_REST}*"
    rf"|www\d{{0,3}}\.{_REST}+"
    r")"
    # Without a scheme, only what is more than a name.
    r"|(?<![\w@.-])(?:[\w-]++\.(?=[\w-]))++(?:com|org|net|edu|gov|mil|info|biz|io|ai|app|dev|xyz|"
    r"site|online|shop|top|club|live|link|click|page|cloud|store|space|icu|me|co|us|uk|de|fr|nl|"
    r"ru|cn|eu|jp|in|at|it|es|ch|be|to|tv|cc|ws|gg|ly|su|pw)"
    rf"(?::\d{{1,5}}|(?=[/?#]))[/?#]?{_REST}*"
)
_INNER = r"(?:[^()\n]++|\n(?![ \t]*+\n)|\([^()\n]*+\))*+"
_TARGET = re.compile(rf"\](?P<target>\((?P<inner>{_INNER})(?:\)|$)?)")
_DEFINITION = re.compile(
    r"(?:(?<=[\r\n])|(?<![\s\S]))[ \t>]{0,12}(?:[-*+][ \t]{1,4})?\[[^\[\]\n]{1,500}+\]"
    r"(?P<target>:[ \t]*+(?:(?:\r\n|\r|\n)[ \t]*+)?(?P<inner><[^<>\n]*+>|[^\s<]\S*+))"
)
_IMAGE = re.compile(
    rf"!\[(?:(?:[^\[\]\n]|\[[^\[\]\n]*+\])*+\](?:\({_INNER}(?:\)|$)?|\[[^\[\]\n]*+\])?)?"
)
_NOTE = re.compile(r"!\[\d{1,3}\](?![(\[])")
_AUTOLINK = re.compile(r"<[A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]*+>")
# Neither goes on over an empty line or into a fence.
_ON = r"(?:\r\n?|\n)(?![ \t]*+(?:[\r\n]|```|~~~))"
_TAG = re.compile(
    rf"</?(?P<name>[A-Za-z][A-Za-z0-9-]{{0,62}}+)"
    rf"(?P<rest>(?:(?:[ \t\f\v/]|{_ON})(?:[^<>\r\n]|{_ON})*+)?)(?P<end>>?)"
)
_DECLARATION = re.compile(
    rf"<!--(?:[^-\r\n]|{_ON}|-(?!->))*+(?:-->)?|<[!?][A-Za-z\[](?:[^<>\r\n]|{_ON})*+>?"
)
_RELATIVE = re.compile(r"(?!//)[\w./%~+=?#,()!'*@$; -]*")
_ABSOLUTE = re.compile(
    r"(?i)https?://([a-z0-9-]+(?:\.[a-z0-9-]+)*)(?::\d{1,5})?(?:[/?#][^\s\\<>]*)?"
)
_MARKED = re.compile(r"<([A-Z_]+?)(?:_[1-9]\d*|:[0-9a-f]+)?>")


class MarkupFilter:
    """Finds links, images and HTML in an answer. Links may lead to `hosts` and what is below them.

    Reads each text alone; one that goes on from a fence must begin with the fence's mark.
    """

    name = "markup"

    def __init__(self, hosts: Iterable[str] = ()) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)

    def find(self, text: str, stage: Stage) -> list[Finding]:
        """One finding for every target, address, image and tag that may not pass."""
        if stage != "answer":
            return []
        code = sure_code(text)
        found = [(LINK, span) for span in self._addresses(text)]
        found += [(label, span) for label, span in self._markup(text) if not _inside(span, code)]
        return [
            Finding(stage, label, start, end, 1.0, self.name)
            for label, (start, end) in dict.fromkeys(found)
        ]

    def _markup(self, text: str) -> Iterator[tuple[str, Span]]:
        for match in _IMAGE.finditer(text):
            if not _NOTE.match(text, match.start()):
                yield IMAGE, match.span()
        for pattern in (_TARGET, _DEFINITION):
            for match in pattern.finditer(text):
                if not self._may_lead(match["inner"]):
                    yield LINK, match.span("target")
        for match in _AUTOLINK.finditer(text):
            if not _is_mark(match[0]) and not self._allowed(match[0][1:-1]):
                yield LINK, match.span()
        yield from ((HTML, span) for span in _tags(text))

    def _addresses(self, text: str) -> Iterator[Span]:
        for match in _ADDRESS.finditer(text):
            address = _trimmed(match[0])
            if address and not self._allowed(address):
                yield match.start(), match.start() + len(address)

    def _may_lead(self, inner: str) -> bool:
        """True for a link's target (and title) that leads to a document or an allowed host."""
        inner = inner.strip()
        if inner.startswith("<"):
            target = inner[1 : inner.find(">")] if ">" in inner else inner
        else:
            target = inner.split(maxsplit=1)[0] if inner else ""
        return bool(_RELATIVE.fullmatch(target)) or self._allowed(target)

    def _allowed(self, address: str) -> bool:
        """True for a plain http(s) address on an allowed host; no user, no odd characters in it."""
        match = _ABSOLUTE.fullmatch(address)
        if match is None:
            return False
        labels = match[1].lower().split(".")
        return any(".".join(labels[i:]) in self._hosts for i in range(len(labels)))


def _tags(text: str) -> Iterator[Span]:
    for match in _TAG.finditer(text):
        if not _is_mark(match[0]) and _is_html(match) and not _quoted(match):
            yield match.span()
    for match in _DECLARATION.finditer(text):
        yield match.span()


def _is_html(match: re.Match[str]) -> bool:
    """A tag that HTML knows, or that carries more than its name. `Vec<T>` is neither."""
    name, rest = match["name"].lower(), match["rest"].strip(" \t\r\n/")
    if match["end"]:
        return name in ELEMENTS or bool(rest)
    return "=" in rest or (name in ELEMENTS and (len(name) > 1 or not rest))


def _quoted(match: re.Match[str]) -> bool:
    """A bare tag in backticks: harmless even where a renderer takes the backticks otherwise."""
    start, end = match.span()
    alone = match.string[max(0, start - 1) : start] == "`" == match.string[end : end + 1]
    return alone and bool(match["end"]) and not match["rest"] and match["name"].lower() not in RAW


def _is_mark(text: str) -> bool:
    """True for what stands in place of hidden details, which models are told to copy."""
    marked = _MARKED.fullmatch(text)
    return marked is not None and marked[1] in LABELS and MARK.fullmatch(text) is not None


def _trimmed(address: str) -> str:
    """An address in prose without the closing bracket or punctuation after it."""
    for index, character in enumerate(address):
        if character in ")]" and _unopened(address[: index + 1], character):
            address = address[:index]
            break
    return address.rstrip(".,;:!?*_'’”|")


def _unopened(text: str, closer: str) -> bool:
    return text.count(closer) > text.count("(" if closer == ")" else "[")


def _inside(span: Span, code: Iterable[Span]) -> bool:
    return any(start <= span[0] < end for start, end in code)
