"""Whether a knowledge base still gives what a trace's answer was made of."""

from __future__ import annotations

from pathlib import Path

from ingest.conditions import Condition
from ingest.errors import KnowledgeBaseError, KnowledgeBaseMissing
from ingest.manifest import read_manifest
from rag.followup import follow_up
from rag.pipeline import Assistant
from rag.reading import read
from rag.replay import Part
from rag.standing import goes_on
from rag.traced import Traced
from rag.types import Passage

NAMES = ("retrieval", "packing")
# A score is a sum of float32 products, whose order may differ.
CLOSE = 1e-5


def base_of(traced: Traced, kb: Path | None) -> Path:
    """The knowledge base that a trace belongs to: the one named, else the one it lies in."""
    return kb or traced.path.absolute().parent.parent


def not_repeated(traced: Traced, kb: Path) -> str | None:
    """Why retrieval can't be repeated there, or None if it can."""
    if traced.reading is None:
        return "nothing was searched"
    try:
        now = read_manifest(kb).generation
    except (KnowledgeBaseMissing, KnowledgeBaseError):
        return f"there is no knowledge base at {kb}"
    if now != traced.generation:
        return f"the knowledge base is at generation {now}, it was at {traced.generation}"
    return None


def unrepeated(why: str) -> tuple[Part, ...]:
    return tuple(Part(name, same=None, note=why) for name in NAMES)


def found_again(assistant: Assistant, traced: Traced) -> tuple[Part, ...]:
    """Search, read and pack for the same asker once more; nothing is generated."""
    if assistant.guard.policy.uses("pseudonym"):
        return unrepeated("the trace does not hold what pseudonyms stand for")
    asked = traced.asked
    where = tuple(filter(None, map(Condition.parse, asked.where)))
    known = follow_up(asked.question, asked.history)
    passages = assistant.retriever.retrieve(
        asked.question, asked.groups, where=where, topic=known.topic
    )
    was = traced.reading.passages if traced.reading else ()
    onward = traced.packed is not None and goes_on(traced.packed.messages)
    if onward:
        # After what was found stand the passages of the prompt before.
        was = was[: len(passages)]
    retrieval = Part("retrieval", _same(was, passages), f"{len(passages)} passages")
    if traced.packed is None:
        return retrieval, Part("packing", same=None, note="no prompt was made")
    if onward:
        note = "the prompt goes on from the one before"
        return retrieval, Part("packing", same=None, note=note)
    reading = read(known.text, passages, assistant.guard, assistant.embedder)
    packed = assistant.pack(asked.question, asked.history, reading, asked.decoding)
    same = (packed.messages, packed.check) == (traced.packed.messages, traced.packed.check)
    return retrieval, Part("packing", same, f"{packed.tokens} tokens")


def _same(was: tuple[Passage, ...], now: list[Passage]) -> bool:
    if len(was) != len(now):
        return False
    pairs = list(zip(was, now, strict=True))
    places = all((a.document, a.start, a.end) == (b.document, b.start, b.end) for a, b in pairs)
    return places and all(abs(a.score - b.score) < CLOSE for a, b in pairs)
