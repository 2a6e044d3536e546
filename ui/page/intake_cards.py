"""What an ingestion looks like: before, while it runs, afterwards. HTML; pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from pathlib import Path, PurePath

from ingest.plan import Change, Outcome
from ingest.types import Failure
from ui.page.cards import state
from ui.page.job import Standing
from ui.page.marks import escape
from ui.taking import Taken

LISTED, NAMED = 30, 6
_COUNTED = ("added", "updated", "unchanged", "duplicates", "removed")
_OUTCOMES = {
    Outcome.ADDED: "Added",
    Outcome.UPDATED: "Updated",
    Outcome.DUPLICATE: "Same as another",
    Outcome.MOVED: "Moved",
    Outcome.REMOVED: "Removed",
}


def hint_html(local: bool, kb: Path) -> str:
    """What may be added, and what happens with it."""
    kinds = "PDF, Word, Excel, PowerPoint, OpenDocument, e-books, web pages, mail, Markdown, text."
    more = (
        "A folder is read with everything below it, and stays where it is."
        if local
        else f"Whole folders: surefoot ingest FOLDER --kb {kb}"
    )
    return (
        f'<p class="sf-quiet">{kinds} What you drop here is kept beside the knowledge base; a file '
        f"of the same name and for the same readers is a new version. {escape(more)}</p>"
    )


def running_html(standing: Standing, stopping: bool, named: bool) -> str:
    """Where a job is."""
    words = "Stopping after this step" if stopping else standing.phase
    known = standing.total is not None
    files = f"{standing.done:,} of {standing.total:,}" if known else ""
    facts = [files, many(standing.chunks, "chunk") if standing.chunks else "", _left(standing)]
    said = " · ".join(fact for fact in facts if fact)
    bar = _bar(standing.share) if known else ""
    return (
        f'<div class="sf-job"><div class="sf-status" role="status"><span class="sf-pulse"></span>'
        f"{escape(words)}</div>{bar}"
        f'<div class="sf-quiet sf-figures">{said}</div>'
        f"{failures_html(standing.failed, named)}</div>"
    )


def stopped_html(standing: Standing) -> str:
    """A job that was stopped."""
    body = (
        "<p>What the knowledge base held before still answers. Add the same again to go on: "
        "what was read by then is not read twice.</p>"
    )
    return state("unknown", "Stopped", body, f"{many(standing.done, 'file')} had been looked at.")


def ended_html(taken: Taken, named: bool) -> str:
    """What a job did: counts, what changed, what failed and why."""
    counts = {key: sum(getattr(item, key) for item in taken.reports) for key in _COUNTED}
    done = [f"{count:,} {name}" for name, count in counts.items() if count]
    failed = [f"{len(taken.failed):,} failed"] if taken.failed else []
    lines = f"<p>{', '.join([*done, *failed]) or 'No file was found.'}</p>"
    lines += failures_html(taken.failed, named)
    lines += changes_html(taken.changes if named else ()) + _suspects(taken, named)
    seconds = sum(item.seconds for item in taken.reports)
    bad = taken.failed and not any(counts.values())
    title = "Nothing could be added" if bad else "Added, but not all" if taken.failed else "Done"
    quiet = f"{many(taken.chunks, 'new chunk')} in {seconds:.1f} s"
    return state("trouble" if bad else "blocked" if failed else "well-done", title, lines, quiet)


def changes_html(changes: Sequence[Change]) -> str:
    """The documents that changed, by what became of them; the first few by name."""
    lines = []
    for outcome, words in _OUTCOMES.items():
        names = [PurePath(item.path).name for item in changes if item.outcome is outcome]
        if names:
            rest = f" and {len(names) - NAMED:,} more" if names[NAMED:] else ""
            said = f"{escape(', '.join(names[:NAMED]))}{rest}"
            lines.append(f"<dt>{words}</dt><dd>{said}</dd>")
    return f'<div class="sf-facts"><dl>{"".join(lines)}</dl></div>' if lines else ""


def failures_html(failed: Sequence[Failure], named: bool) -> str:
    """Every file that failed with its reason; without names to those who may not see them."""
    if not failed:
        return ""
    if not named:
        return f'<p class="sf-quiet">{len(failed):,} failed; they are for other groups.</p>'
    rows = "".join(
        f'<li title="{escape(item.path)}"><b>{escape(PurePath(item.path).name)}</b>'
        f"<span>{escape(item.reason)}</span></li>"
        for item in failed[:LISTED]
    )
    head = '<div class="sf-kicker">Failed</div>'
    return f'{head}<ul class="sf-shelf sf-failures">{rows}</ul>{_more(len(failed))}'


def many(count: int, word: str) -> str:
    """A number of things: "1 document", "1,204 documents"."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def span(seconds: float) -> str:
    """A stretch of time to come, roughly: "12 s", "3 min", "2 h 10 min"."""
    if seconds < 60:
        return f"{ceil(seconds)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _left(standing: Standing) -> str:
    if standing.left is None or not standing.left:
        return ""
    return f"about {span(standing.left)} left"


def _more(count: int) -> str:
    rest = count - LISTED
    return f'<p class="sf-quiet">and {rest:,} more</p>' if rest > 0 else ""


def _suspects(taken: Taken, named: bool) -> str:
    """Documents that seem to give the assistant orders; the model is not shown those sentences."""
    found = taken.scan.suspects if taken.scan is not None else ()
    if not found:
        return ""
    seem = "seems" if len(found) == 1 else "seem"
    names = ", ".join(escape(item.title) for item in found[:LISTED]) if named else ""
    return (
        f'<p class="sf-note">{many(len(found), "document")} {seem} to give the assistant '
        f"instructions, which it is not shown{f': {names}' if names else ''}.</p>"
    )


def _bar(share: float) -> str:
    percent = round(100 * share)
    return (
        f'<div class="sf-track" role="progressbar" aria-label="Progress" aria-valuemin="0" '
        f'aria-valuemax="100" aria-valuenow="{percent}">'
        f'<span class="sf-bar" style="width:{percent}%"></span></div>'
    )
