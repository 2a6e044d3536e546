"""A case and its outcome in a few lines of plain text, for lists and side-by-side views. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence

from evals.types import Json, Outcome

_PASSAGES = 3


def gist(suite: str, row: Json) -> str:
    """The text of a case that one knows it by, on one line."""
    field = {"retrieval": "query", "qa": "query", "grounding": "answer"}.get(suite, "text")
    return " ".join(str(row.get(field, "")).split())


def outline(suite: str, row: Json, outcome: Outcome) -> list[str]:
    """What came of a case. Findings are told by label; what they are about is not repeated."""
    if outcome.reason:
        return [f"failed: {outcome.reason}"]
    return list(_SUITES.get(suite, _any)(row, outcome.data))


def ranks(row: Json, data: Json) -> list[tuple[str, int | None]]:
    """Each relevant document as the case names it, and its rank; None where it wasn't found."""
    named = [str(name) for name in row.get("relevant") or ()]
    known = data.get("relevant") or named
    found = list(data.get("documents", ()))
    return [(name, _rank(found, (id_, name))) for name, id_ in zip(named, known, strict=False)]


def _rank(found: Sequence[str], names: Sequence[str | None]) -> int | None:
    return min((found.index(name) + 1 for name in names if name in found), default=None)


def _retrieval(row: Json, data: Json) -> Iterator[str]:
    places = [f"{name} {rank or 'not found'}" for name, rank in ranks(row, data)]
    yield f"ranks: {', '.join(places)}"


def _qa(row: Json, data: Json) -> Iterator[str]:
    del row
    cause = f" ({data['cause']})" if data.get("cause") else ""
    supports = [s["support"] for s in data.get("sentences", ()) if s["support"] is not None]
    least = f", least support {min(supports):.2f}" if supports else ""
    yield f"{data.get('status', '')}{cause}{least}"
    if data.get("answer"):
        yield str(data["answer"])
    found = [str(passage["path"]) for passage in data.get("passages", ())]
    if found:
        yield f"read: {', '.join(dict.fromkeys(found[:_PASSAGES]))}"


def _grounding(row: Json, data: Json) -> Iterator[str]:
    del row
    judged = [s for s in data.get("sentences", ()) if s["support"] is not None]
    if not judged:
        yield "claims nothing"
        return
    least = min(judged, key=lambda sentence: float(sentence["support"]))
    yield f"least support {least['support']:.2f}: {least['text']}"


def _pii(row: Json, data: Json) -> Iterator[str]:
    del row
    found = [f"{f[2]} {f[0]}–{f[1]}" for f in data.get("findings", ())]
    yield f"found: {', '.join(found) or 'nothing'}"


def _moderation(row: Json, data: Json) -> Iterator[str]:
    del row
    scores: Json = data.get("scores", {})
    top = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:3]
    said = ", ".join(data.get("found", ())) or "nothing"
    yield f"flagged: {said}; highest {', '.join(f'{name} {score:.2f}' for name, score in top)}"


def _injection(row: Json, data: Json) -> Iterator[str]:
    del row
    yield f"score {data['score']:.3f}, {'flagged' if data['found'] else 'not flagged'}"


def _any(row: Json, data: Json) -> Iterator[str]:
    del row
    yield ", ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in data.items()
    )


_SUITES: dict[str, Callable[[Json, Json], Iterator[str]]] = {
    "retrieval": _retrieval,
    "qa": _qa,
    "grounding": _grounding,
    "pii": _pii,
    "moderation": _moderation,
    "injection": _injection,
}
