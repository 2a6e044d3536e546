"""The knowledge base page as HTML: its head, a document, passages, receipts, health. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath

from ingest.records import KnowledgeBaseInfo
from ingest.types import DocumentRecord, IndexInfo, StoredChunk
from ingest.verify import VerifyReport
from rag.types import Passage
from ui.originals import Original
from ui.page.base_list import kind, readers, size
from ui.page.cards import state
from ui.page.intake_cards import many
from ui.page.marks import escape
from ui.page.shelf import when
from ui.view import place, twins

LISTED = 20
SEVERAL = "a document of which you may not see all; surefoot kb verify names it"
_ORIGINAL = {
    Original.SAME: "as it was read",
    Original.CHANGED: "has changed since it was read",
    Original.GONE: "no longer there",
    Original.WITHIN: "one of several documents in its file",
}


def head_html(name: str, info: KnowledgeBaseInfo, seen: int) -> str:
    """The name of the base, and what it holds of what the reader may see."""
    hidden = info.documents - seen
    facts = [many(seen, "document"), size(info.bytes), f"updated {when(info.updated)}"]
    note = f'<p class="sf-quiet">{hidden_line(hidden)}</p>' if hidden > 0 else ""
    return (
        f'<div class="sf-head"><h1>{escape(name)}</h1>'
        f'<p class="sf-quiet">{escape(" · ".join(facts))}</p>{note}</div>'
    )


def hidden_line(hidden: int) -> str:
    """How many documents are for other groups than the reader's."""
    verb = "is" if hidden == 1 else "are"
    return f"{hidden:,} more {verb} for groups that you are not in."


def empty_html(local: bool) -> str:
    """A base without a document that the reader may see."""
    where = "files, or name a folder on this machine" if local else "files"
    body = f"<p>Under <b>Add</b> you can drop {where}. Then ask about them in the chat.</p>"
    return state("empty", "No documents yet", body)


def document_html(item: DocumentRecord, original: Original, seen: set[str]) -> str:
    """What is known of a document; of others nearly the same those in `seen` are named."""
    near = [name for name in item.near if name in seen]
    hidden = {"title"} if item.metadata.get("title") == item.title else set[str]()
    rows = [
        ("Readers", readers(item)),
        ("Kind", f"{kind(item)}, {size(item.bytes)}"),
        ("Text", f"{many(item.characters, 'character')} in {many(item.chunks, 'chunk')}"),
        ("Added", when(item.ingested_at)),
        ("File", _ORIGINAL[original]),
        ("Nearly the same", ", ".join(PurePath(name).name for name in near)),
        ("Also at", ", ".join(item.paths[1:])),
        *(
            (key.capitalize(), _plain(key, value))
            for key, value in sorted(item.metadata.items())
            if key not in hidden
        ),
    ]
    return _facts(rows)


def title_html(item: DocumentRecord) -> str:
    """The head of a document's page."""
    title = item.title or PurePath(item.path).name
    return (
        f'<div class="sf-head"><h1>{escape(title)}</h1>'
        f'<p class="sf-quiet">{escape(item.path)}</p></div>'
    )


def passages_html(passages: Sequence[StoredChunk]) -> str:
    """The chunks of a document, each opening on its text."""
    return "".join(_chunk(item) for item in passages)


def found_html(found: Sequence[Passage]) -> str:
    """What a search found: where, how well by part, and the text."""
    if not found:
        return state(
            "unknown",
            "Nothing found",
            "<p>No document that these groups may see holds any of it. Try other words.</p>",
        )
    return "".join(map(_found, found))


def forgetting_html(names: Sequence[str], removed: Mapping[str, int], similar: int) -> str:
    """What forgetting would take away."""
    rows = "".join(f"<li><b>{escape(PurePath(name).name)}</b></li>" for name in names[:LISTED])
    more = f'<p class="sf-quiet">and {len(names) - LISTED:,} more</p>' if names[LISTED:] else ""
    stay = (
        f'<p class="sf-note">{many(similar, "document")} with nearly the same text will stay.</p>'
        if similar
        else ""
    )
    return (
        "<p>It goes for good: from every table and file of the knowledge base, and from what "
        "quotes it. Earlier generations go too, so that no rollback brings it back. A file of "
        "your own folders stays where it is.</p>"
        f'<ul class="sf-shelf">{rows}</ul>{more}{stay}'
        f'<div class="sf-kicker">What goes</div>{_counts(removed)}'
    )


def receipt_html(removed: Mapping[str, int], name: str) -> str:
    """A document has been forgotten."""
    body = f"<p>It is gone, and this receipt says so.</p>{_counts(removed)}"
    return state("well-done", "Forgotten", body, f"Signed receipt {name}")


def verified_html(report: VerifyReport, hidden: int) -> str:
    """What a check of the whole base found."""
    checked = f"{many(report.documents, 'document')} and {many(report.chunks, 'chunk')}"
    if report.ok:
        body = f"<p>{checked} were checked: every text, vector and word is what it should be.</p>"
        return state("well-done", "All is well", body)
    lines = dict.fromkeys(_told(line, hidden) for line in report.problems)
    rows = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return state("trouble", "Something is wrong", f'<ul class="sf-shelf">{rows}</ul>', checked)


def mended_html(done: Sequence[str], lost: Sequence[str], ok: bool) -> str:
    """What a repair did, and what it had to take out."""
    rows = [*done, *(f"taken out, add it again: {path}" for path in lost)]
    items = "".join(f"<li>{escape(line)}</li>" for line in rows or ["nothing had to be done"])
    title = "Mended" if ok else "Mended in part"
    return state("well-done" if ok else "blocked", title, f'<ul class="sf-shelf">{items}</ul>')


def originals_html(found: Mapping[Original, Sequence[DocumentRecord]]) -> str:
    """Which documents are no longer what their files say."""
    changed, gone = found[Original.CHANGED], found[Original.GONE]
    rest = sum(map(len, found.values())) - len(changed) - len(gone)
    if not changed and not gone:
        return state("well-done", "Up to date", f"<p>{many(rest, 'document')} match.</p>")
    parts = [
        f'<div class="sf-kicker">{words}: {len(items):,}</div>{_names(items)}'
        for words, items in (("Changed since", changed), ("File gone", gone))
        if items
    ]
    return state("unknown", "Out of date", "".join(parts), f"{many(rest, 'document')} match.")


def base_html(info: KnowledgeBaseInfo) -> str:
    """The base in figures."""
    rows = [
        ("On disk", size(info.bytes)),
        ("Chunks", f"{info.chunks:,}"),
        ("Characters", f"{info.characters:,}"),
        ("Made", when(info.created)),
        ("Embedding model", f"{info.embedder}, {info.dimension} numbers a chunk"),
    ]
    return _facts(rows)


def index_html(index: IndexInfo) -> str:
    """How vectors are searched, and how much of the exact result that finds."""
    exact = index.kind == "flat"
    recall = "1: every vector is compared" if exact else f"{index.recall:.3f}"
    measured = "" if exact else f"{index.queries:,} questions; aimed at {index.target:.2f}"
    rows = [
        ("Kind", {"flat": "exact", "hnsw": "graph (HNSW)", "ivf": "lists (IVF)"}[index.kind]),
        ("Recall at 10", recall),
        ("Measured over", measured),
        ("Vectors", f"{index.vectors:,}"),
        ("Of them gone", f"{index.tombstones:,}" if index.tombstones else ""),
    ]
    low = "" if index.holds else '<p class="sf-note">Recall is lower than aimed at.</p>'
    return _facts(rows) + low


def generation_html(info: KnowledgeBaseInfo) -> str:
    """Which state of the base answers, and which came before."""
    before = (
        f"{info.previous}, and can be gone back to" if info.previous is not None else "none is kept"
    )
    return _facts([("Current", str(info.generation)), ("Before", before)])


def _told(line: str, hidden: int) -> str:
    """A problem; what may name a document that the reader may not see is not said."""
    return (
        f"{line.split(':')[0].split('/')[0].strip() or 'record'}: {SEVERAL}"
        if (hidden and "/" in line)
        else line
    )


def _facts(rows: Sequence[tuple[str, str]]) -> str:
    lines = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows if value
    )
    return f'<div class="sf-facts"><dl>{lines}</dl></div>'


def _plain(key: str, value: str) -> str:
    return when(value) if key in ("date", "modified") and "T" in value else value


def _counts(removed: Mapping[str, int]) -> str:
    return _facts([(name.capitalize(), f"{count:,}") for name, count in removed.items() if count])


def _names(items: Sequence[DocumentRecord]) -> str:
    rows = "".join(
        f"<li><b>{escape(item.title)}</b><span>{escape(item.path)}</span></li>"
        for item in items[:LISTED]
    )
    rest = len(items) - LISTED
    more = f'<p class="sf-quiet">and {rest:,} more</p>' if rest > 0 else ""
    return f'<ul class="sf-shelf">{rows}</ul>{more}'


def _chunk(item: StoredChunk) -> str:
    where = " › ".join(name for name in item.headings if name != item.title) or "Beginning"
    page = f"p. {item.page} · " if item.page is not None else ""
    text = " ".join(item.text.split())
    return (
        f'<details class="sf-row"><summary>{escape(where)}'
        f'<span class="sf-snippet">{page}{escape(text[:160])}</span></summary>'
        f'<div class="sf-path">{page}characters {item.start:,} to {item.end:,}</div>'
        f'<blockquote class="sf-passage">{escape(item.text)}</blockquote></details>'
    )


def _found(item: Passage) -> str:
    """`parts` of a score are drawn as they are: a cosine to 1, word scores as numbers."""
    parts = [("Meaning", f"{item.dense:.3f}"), ("Words", f"{item.lexical:.2f}")]
    if item.rerank is not None:
        parts.append(("Second look", f"{item.rerank:.3f}"))
    scores = "".join(f"<span>{name} <b>{value}</b></span>" for name, value in parts)
    linked = "<span>found by what a better passage names</span>" if item.linked else ""
    note = f"<span>{escape(twins(item))}</span>" if item.also else ""
    where = " › ".join(name for name in item.headings if name != item.title)
    text = " ".join(item.text.split())
    return (
        f'<details class="sf-row"><summary><b>{item.rank}</b> · '
        f"{escape(place(item.title, item.path, item.page))}"
        f'<span class="sf-scores"><span>Score <b>{item.score:.3f}</b></span>{scores}{linked}{note}'
        f'</span><span class="sf-snippet">{escape(text[:160])}</span></summary>'
        f'<div class="sf-path">{escape(where)}</div>'
        f'<blockquote class="sf-passage">{escape(item.text)}</blockquote></details>'
    )
