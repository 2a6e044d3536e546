"""`surefoot bench guard`: finding personal data, and holding a stream back, beside other ways.

Personal data: our filter against Presidio's AnalyzerEngine on the same texts and spaCy model.
Streams: our guard against chunk buffers and full buffering, all with the same filters. The filters'
own misses are in every way's leak; what a way adds is its difference to the whole answer buffered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, median

from evals.bench import buffers
from evals.bench.buffers import Buffer, Delivery, Span
from evals.bench.harness import Contest, Measure, Missing, Say, Side
from evals.bench.machine import installed
from evals.bench.texts import Planted, answers, straddling, tokens
from ingest.embed import SentenceEmbedder
from rag.assemble import EMBEDDER
from rag.models import resolve, spec
from rag.safety.build import build_guard
from rag.safety.names.opening import open_names
from rag.safety.pii import PiiFilter

SPACY = "en-core-web-sm"
SIZE = 24
SENTENCES = 12
TOKENS_A_SECOND = 20.0
"""The pace at which a stream's tokens are taken to come, for the time to the first shown text."""

Spans = Callable[[str], Sequence[Span]]


def plan(size: int, workspace: Path, say: Say) -> list[Contest]:
    """`size` answers to search, a third as many streams of each kind. Raises ModelUnavailable."""
    del workspace
    say("loading filters")
    streams = max(2, size // 3)
    ner, folder = resolve(SPACY), resolve(EMBEDDER)
    embedder = SentenceEmbedder(folder, EMBEDDER, spec(EMBEDDER).sha256)
    return [
        _personal_data(answers(size, SENTENCES), ner),
        _streams("stream", "personal data anywhere", answers(streams, 4 * SENTENCES), embedder),
        _streams(
            "stream-borders",
            "each datum across a border of the chunks",
            straddling(streams, buffers.borders(700)[:-1]),
            embedder,
        ),
    ]


def _personal_data(texts: Sequence[Planted], ner: Path) -> Contest:
    version = installed("surefoot") or "source"
    named, plain = PiiFilter(open_names()), PiiFilter(None)
    sides = [
        _finder("surefoot, names too", version, texts, lambda text: _anew(named, text)),
        _finder("surefoot, as answers are filtered", version, texts, lambda t: _spans(plain, t)),
    ]
    missing = []
    if found := installed("presidio-analyzer"):
        from evals.bench.peers.presidio import open_analyzer

        sides.append(_finder("presidio", found, texts, open_analyzer(ner)))
    else:
        missing.append(Missing("presidio", "pip install presidio-analyzer"))
    what = f"personal data in {len(texts)} answers with {_planted(texts)} data planted"
    return Contest("personal-data", what, tuple(sides), missing=tuple(missing))


def _anew(finder: PiiFilter, text: str) -> list[Span]:
    """Without the names that an earlier round has found."""
    finder.forget()
    return _spans(finder, text)


def _spans(finder: PiiFilter, text: str) -> list[Span]:
    return [(finding.start, finding.end) for finding in finder.find(text, "answer")]


def _planted(texts: Sequence[Planted]) -> int:
    return sum(len(text.spans) for text in texts)


def _finder(name: str, version: str, texts: Sequence[Planted], find: Spans) -> Side:
    def run() -> Measure:
        began = time.perf_counter()
        found = [find(text.text) for text in texts]
        seconds = time.perf_counter() - began
        whole = [_covered(spans, text) for spans, text in zip(found, texts, strict=True)]
        return Measure(
            seconds,
            {
                "characters_per_s": sum(len(text.text) for text in texts) / seconds,
                "planted_found_share": sum(whole) / max(1, _planted(texts)),
                "findings": float(sum(map(len, found))),
            },
        )

    return Side(name, version, run)


def _covered(spans: Sequence[Span], text: Planted) -> int:
    """Planted data of which no character was missed by the longest finding on it."""
    return sum(any(s <= start and end <= e for s, e in spans) for start, end, _ in text.spans)


def _streams(name: str, what: str, texts: Sequence[Planted], embedder: SentenceEmbedder) -> Contest:
    version = installed("surefoot") or "source"
    ways: tuple[tuple[str, str, Buffer], ...] = (
        ("surefoot", version, buffers.by_segment),
        ("chunks 200/50, shown first", "NeMo default, simulated", buffers.chunks_shown_first),
        ("chunks 200/50, checked first", "NeMo style, masking", buffers.chunks_checked_first),
        ("whole answer buffered", "built in", buffers.whole),
    )
    return Contest(
        name,
        f"{len(texts)} streams with {_planted(texts)} data planted, {what}, at"
        f" {TOKENS_A_SECOND:.0f} tokens/s",
        tuple(_stream(way, version, texts, buffer, embedder) for way, version, buffer in ways),
        compared=("seconds", "first_shown_s"),
    )


def _stream(
    name: str, version: str, texts: Sequence[Planted], buffer: Buffer, embedder: SentenceEmbedder
) -> Side:
    pieces = [tokens(text.text) for text in texts]

    def run() -> Measure:
        # A new guard has empty caches: a verdict remembered from the last round costs nothing.
        guard = build_guard(None, embedder, timeout_s=60.0)
        found = [
            buffer(p, lambda text, context: guard.check(text, "answer", context)) for p in pieces
        ]
        return Measure(sum(item.seconds for item in found), _figures(texts, found))

    return Side(name, version, run)


def _figures(texts: Sequence[Planted], found: Sequence[Delivery]) -> dict[str, float]:
    pairs = list(zip(texts, found, strict=True))
    characters = sum(len(text.text) for text in texts)
    secret = sum(end - start for text in texts for start, end, _ in text.spans)
    leaked = sum(
        buffers.overlap(item.visible, [(s, e) for s, e, _ in text.spans]) for text, item in pairs
    )
    visible = sum(end - start for item in found for start, end in item.visible)
    return {
        "leaked_characters": float(leaked),
        "leaked_share": leaked / max(1, secret),
        "harmless_shown_share": (visible - leaked) / max(1, characters - secret),
        "first_shown_tokens": fmean(item.first_token for item in found),
        "first_shown_s": fmean(item.first_token / TOKENS_A_SECOND + item.waited for item in found),
        "delay_p50_ms": 1000 * median(delay for item in found for delay in item.delays),
        "checked_per_character": sum(item.checked for item in found) / max(1, characters),
        "streams_stopped": float(sum(item.stopped for item in found)),
    }
