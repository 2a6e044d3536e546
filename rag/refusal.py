"""What an "I don't know" says: what was searched for, and what came nearest. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rag.types import Passage

NEAREST = 3
LONGEST = 160
NO_ANSWER = "the documents don't answer this."
NO_MATCH = "no document that I may search for you meets your conditions."
NO_DOCUMENTS = "there are no documents here that I may search for you."


def apology(passages: Sequence[Passage], searched: str, where: str) -> str:
    """The words for a reader.

    `searched` is what was searched for as it may be shown, "" for nothing to say; `where` are the
    conditions in words.
    """
    titles = list(dict.fromkeys(passage.title for passage in passages))[:NEAREST]
    if not titles:
        return f"I don't know: {NO_MATCH if where else NO_DOCUMENTS}"
    looked = f"Searched for: {shortened(searched)}; nearest" if searched.strip() else "Nearest"
    return f"I don't know: {NO_ANSWER} {looked} were: {'; '.join(titles)}."


def shortened(text: str) -> str:
    """On one line, of at most 160 characters, without a mark at its end."""
    line = " ".join(text.split())
    if len(line) > LONGEST:
        line = line[:LONGEST].rsplit(" ", 1)[0] + " …"
    return line.rstrip(".;:,!?")
