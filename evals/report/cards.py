"""The details of single cases: what went in, what came out, and what it was judged by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evals.report.blocks import (
    LONG,
    MIDDLE,
    Block,
    Claim,
    Claims,
    Span,
    Text,
    cut,
    listing,
    marked,
    texts,
)
from evals.report.outline import gist, ranks
from evals.report.standing import Standing, standing
from evals.report.words import number, time
from evals.rundir import Run
from evals.types import Case, Json, Outcome, ScoredCase
from rag.grounding import shipped_threshold

MOST = 30
_BY_LABEL = ("/hit", "/gold")


@dataclass(frozen=True, slots=True)
class Card:
    """A case: its id, how it stands, its gist in a line, and all there is to see."""

    id: str
    word: str
    gist: str
    values: tuple[tuple[str, str], ...]
    blocks: tuple[Block, ...]


def worst(run: Run, scores: Sequence[ScoredCase], most: int = MOST) -> list[Card]:
    """Cards of the worst cases that were judged, worst first; no faultless case is among them."""
    suite = run.info.pins.suite
    ranked = sorted(
        ((standing(suite, item.score), item) for item in scores if item.score.status != "unscored"),
        key=lambda pair: (pair[0].rank, pair[1].score.id),
    )
    chosen = {s.score.id: (place, s) for place, s in ranked[:most] if place.value < 1}
    rows = {case.id: (case, out) for case, out in run.rows() if case.id in chosen}
    return [
        card(suite, place, item, *rows[name])
        for name, (place, item) in chosen.items()
        if name in rows
    ]


def card(suite: str, place: Standing, item: ScoredCase, case: Case, outcome: Outcome) -> Card:
    """All there is to see of one case."""
    known = [(name, v) for name, v in sorted(item.score.values.items()) if v is not None]
    known = [pair for pair in known if not pair[0].endswith(_BY_LABEL)]
    values = [(name, f"{v:,.0f}" if v == round(v) else number(v)) for name, v in known]
    values.append(("time", time(outcome.ms)))
    shown = _SUITES.get(suite, _any)(case.row, outcome.data)
    return Card(case.id, place.word, gist(suite, case.row), tuple(values), tuple(shown))


def _retrieval(row: Json, data: Json) -> list[Block]:
    named, known = row.get("relevant") or (), data.get("relevant") or ()
    found = list(data.get("documents", ()))
    places = [(name, str(rank or "not found")) for name, rank in ranks(row, data)]
    best = [
        (str(rank), str(document), "relevant" if document in known or document in named else "")
        for rank, document in enumerate(found[:10], start=1)
    ]
    return [
        *_asked(row),
        listing("What should be found", ("document", "rank"), places),
        listing("What was found first", ("rank", "document", ""), best),
    ]


def _asked(row: Json) -> list[Block]:
    history = row.get("history") or ()
    turns = [(str(turn.get("role", "")), str(turn.get("content", ""))) for turn in history]
    before: list[Block] = [listing("Conversation before", ("who", "said"), turns)] if turns else []
    return [*before, Text("Question", cut(str(row.get("query", "")), MIDDLE))]


def _qa(row: Json, data: Json) -> list[Block]:
    answers = [str(answer) for answer in row.get("answers") or ()]
    expected = " · ".join(answers) or "None: no document holds the answer; it should keep silent."
    cause = f" ({data['cause']})" if data.get("cause") else ""
    blocks: list[Block] = [
        *_asked(row),
        Text("Accepted answers", cut(expected, MIDDLE)),
        Text("Status", cut(f"{data.get('status', '')}{cause}", MIDDLE)),
    ]
    if data.get("sentences"):
        claims = tuple(_claim(s, _cited(s)) for s in data["sentences"])
        blocks.append(Claims("Answer, with the support of each sentence", claims))
    elif data.get("answer"):
        blocks.append(Text("Answer", cut(str(data["answer"]), LONG)))
    if data.get("findings"):
        blocks.append(_findings(data["findings"]))
    passages = [{**p, "title": _where(p)} for p in data.get("passages", ())]
    if passages:
        blocks.append(texts("Passages", passages, "title", "text"))
    if data.get("prompt"):
        blocks.append(texts("Prompt", data["prompt"], "role", "content"))
    return blocks


def _findings(found: Sequence[Mapping[str, Any]]) -> Block:
    """Where and what, as the guard reports it; never the text that it is about."""
    rows = [
        (
            str(f.get("label", "")),
            str(f.get("stage", "")),
            str(f.get("action", "")),
            f"{f.get('start')}–{f.get('end')}",
            number(float(f.get("score", 0))),
            str(f.get("source", "")),
        )
        for f in found
    ]
    return listing("Findings", ("label", "stage", "action", "characters", "score", "filter"), rows)


def _claim(sentence: Mapping[str, Any], evidence: Sequence[str]) -> Claim:
    return Claim(cut(str(sentence["text"]), MIDDLE), sentence.get("support"), tuple(evidence))


def _cited(sentence: Mapping[str, Any]) -> list[str]:
    return [f"{_where(c)}: {_brief(c.get('quote'))}" for c in sentence.get("citations", ())]


def _where(place: Mapping[str, Any]) -> str:
    """A passage or citation in words: rank, path, page, characters, score."""
    parts = [f"{place['rank']}." if place.get("rank") is not None else "", str(place["path"])]
    if place.get("page") is not None:
        parts.append(f"page {place['page']}")
    parts.append(f"{place.get('start')}–{place.get('end')}")
    if place.get("score") is not None:
        parts.append(f"score {number(place['score'])}")
    return " ".join(part for part in parts if part)


def _grounding(row: Json, data: Json) -> list[Block]:
    answer, sentences = str(row["answer"]), data.get("sentences", ())
    gold = [Span(s[0], s[1], "gold", "marked") for s in row.get("spans") or ()]
    line = data.get("threshold", shipped_threshold())
    weak = [s for s in sentences if s["support"] is not None and s["support"] < line]
    flagged = [Span(s["start"], s["end"], "found", "flagged") for s in weak]
    asked = [Text("Question", cut(row["question"], MIDDLE))] if row.get("question") else []
    claims = tuple(_claim(s, [_brief(text) for text in s.get("evidence", ())]) for s in sentences)
    return [
        *asked,
        marked("Answer", answer, [*gold, *flagged]),
        Claims("Support of each sentence", claims),
        texts("Source", [{"text": row["source"]}], "title", "text"),
    ]


def _pii(row: Json, data: Json) -> list[Block]:
    found = [(f[0], f[1], str(f[2])) for f in data.get("findings", ())]
    gold = [(s[0], s[1], str(s[2])) for s in row.get("spans") or ()]
    spans = [Span(s, e, "gold", _tag(label, _met(s, e, found), "missed")) for s, e, label in gold]
    spans += [Span(s, e, "found", _tag(label, _met(s, e, gold), "false")) for s, e, label in found]
    return [marked("Text", str(row["text"]), spans)]


def _met(start: int, end: int, others: Sequence[tuple[int, int, str]]) -> bool:
    return any(start < e and s < end for s, e, _ in others)


def _tag(label: str, met: bool, otherwise: str) -> str:
    return label if met else f"{label} {otherwise}"


def _moderation(row: Json, data: Json) -> list[Block]:
    labels, scores = row.get("labels", {}), data.get("scores", {})
    names = sorted({*map(str.upper, labels), *scores})
    truths = {str(name).upper(): value for name, value in labels.items()}
    rows = [
        (
            name,
            {0: "no", 1: "yes"}.get(truths.get(name, -1), "unknown"),
            number(scores[name]) if name in scores else "",
            "flagged" if name in data.get("found", ()) else "",
        )
        for name in names
    ]
    columns = ("category", "labelled", "probability", "said")
    return [Text("Text", cut(str(row["text"]), LONG)), listing("Categories", columns, rows)]


def _any(row: Json, data: Json) -> list[Block]:
    text = str(row.get("text", ""))
    told = [(str(name), str(value)) for name, value in data.items()]
    return [Text("Text", cut(text, LONG)), listing("Outcome", ("field", "value"), told)]


def _brief(text: Any) -> str:
    shown = cut(str(text or ""), 400)
    return f"{shown.text}… {shown.more:,} more characters" if shown.more else shown.text


_SUITES: dict[str, Callable[[Json, Json], list[Block]]] = {
    "retrieval": _retrieval,
    "qa": _qa,
    "grounding": _grounding,
    "pii": _pii,
    "moderation": _moderation,
}
