"""The items that a policy file may list, as they are kept. ValueError says what is none."""

from __future__ import annotations

import re

_HOST = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){0,8}[^\W_](?:[\w-]{0,61}[^\W_])?")
_MOST_CHARACTERS = 200


def value(item: str) -> str:
    """Something that is public: a number, an address, a name."""
    if not any(c.isalnum() for c in item):
        raise ValueError("has neither letters nor digits")
    return _short(item)


def word(item: str) -> str:
    """A word or a few, on one line."""
    if "\n" in item or "\r" in item:
        raise ValueError("must be one line")
    return value(" ".join(item.split()))


def domain(item: str) -> str:
    """A domain of e-mail addresses, in small letters."""
    name = item.strip().lower().removeprefix("@").removeprefix("*.")
    if "@" in name:
        raise ValueError("is an address; a domain is what stands behind the @")
    if "." not in name or not _HOST.fullmatch(name):
        raise ValueError("is no domain, such as example.org")
    return name


def host(item: str) -> str:
    """A host that links may lead to, in small letters."""
    name = item.strip().lower().removeprefix("*.")
    if "/" in name or ":" in name:
        raise ValueError("is more than a host, such as docs.example.org")
    if not _HOST.fullmatch(name):
        raise ValueError("is no host, such as docs.example.org")
    return name


def glob(item: str) -> str:
    """The end of a path in a knowledge base, such as contact.md or about/*."""
    path = item.strip().replace("\\", "/").removeprefix("./")
    if not path.strip("/") or ".." in path.split("/"):
        raise ValueError("names no document, such as contact.md or about/*")
    return _short(path)


def group(item: str) -> str:
    """The name of an access group."""
    if not item.strip():
        raise ValueError("is no name of a group")
    return item.strip()


def pattern(item: str) -> str:
    """A regular expression that ends in time on any text."""
    # A library that most policies need nothing of.
    from rag.safety.patterns import BoundedPattern

    BoundedPattern(item)
    return item


def _short(item: str) -> str:
    if len(item) > _MOST_CHARACTERS:
        raise ValueError(f"has {len(item)} characters; {_MOST_CHARACTERS} are the most")
    return item
