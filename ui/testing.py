"""For tests of what pages draw."""

from __future__ import annotations

from html.parser import HTMLParser


class Tags(HTMLParser):
    """The names of a piece of HTML's tags and attributes. Raises ValueError unless all are closed.

    Void elements such as <br> count as open.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.attributes: set[str] = set()
        self._depth = 0
        self.feed(html)
        self.close()
        if self._depth:
            raise ValueError("not every tag is closed")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self._depth += 1

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self._depth -= 1
