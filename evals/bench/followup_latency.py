"""How soon a follow-up's first token comes, beside the first question of a conversation.

Each conversation is held twice. Once from an empty cache: the first question (cold), then the
follow-up in a prompt made anew, with the history (follow-up). Once from a cache that holds the
prompt's fixed beginning: the first question (begun), then the follow-up as the assistant puts it,
going on from the earlier prompt (continued). The time is that of the check and the first token; the
answer to the first question is the case's own, so that all ways and models see the same text.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from statistics import fmean
from threading import Event

from evals.bench.budget import Parts, open_parts
from evals.bench.machine import load_average
from evals.cases import open_cases
from evals.metrics import estimate, ratio, table
from evals.sample import CASES
from evals.suites import get
from evals.suites.retrieval import read_history
from evals.types import Case, Score
from ingest.errors import SurefootError
from ingest.store import KnowledgeBase
from rag.assemble import open_embedder
from rag.config import PromptConfig, load
from rag.engines.lineage import Rewinds
from rag.engines.llamacpp import usable_cpus
from rag.errors import EngineError
from rag.followup import follow_up
from rag.prompt import CHOICES, SYSTEM, Budget, Packed, beginning, pack, target_tokens
from rag.reading import Reading, read
from rag.standing import begun, go_on, joined
from rag.types import Decoding, Engine, Message

WAYS = ("cold", "begun", "follow-up", "continued")
COMPARED = (("follow-up", "cold"), ("continued", "cold"), ("follow-up", "begun"))

Messages = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is put to the model: the check, then the question; and what it was made of."""

    packed: Packed
    reading: Reading


@dataclass(frozen=True, slots=True)
class Timed:
    """One prompt: seconds to its first token, its tokens, and those that were not in the cache."""

    seconds: float
    tokens: int
    anew: int


@dataclass(frozen=True, slots=True)
class Conversation:
    """One case, timed in all `WAYS`."""

    case: Case
    timed: dict[str, Timed]


def put(question: str, history: Sequence[Message], parts: Parts) -> Prompt:
    """The prompt of a question as the assistant makes it where nothing stands."""
    reading = _reading(question, history, parts)
    count = parts.engine.count_tokens
    budget = _budget(parts)
    packed = pack(question, history, reading.passages, reading.units, budget, count)
    return Prompt(packed, reading)


def continued(first: Prompt, history: Sequence[Message], question: str, parts: Parts) -> Prompt:
    """The second question after the whole first prompt, with the sentences that are new."""
    before = begun(first.packed, first.reading).replied(history[-1].content)
    reading = joined(before, _reading(question, history, parts))
    count, share = parts.engine.count_tokens, PromptConfig().onward
    onward = go_on(before, question, reading, _budget(parts), share, count, SYSTEM)
    assert onward is not None, "a second prompt is never too long"
    return Prompt(onward[0], reading)


def _reading(question: str, history: Sequence[Message], parts: Parts) -> Reading:
    query = follow_up(question, history).searched
    return read(query, parts.retriever.retrieve(query), parts.guard, parts.embedder)


def _budget(parts: Parts) -> Budget:
    return Budget(target_tokens(0, on_gpu=False), parts.engine.window // 2)


def timed(parts: Parts, prompt: Prompt, cached: Messages) -> Timed:
    """Check and first token; `cached` is what the cache holds of a prompt."""
    began = time.perf_counter()
    messages = prompt.packed.messages
    parts.engine.score(prompt.packed.check, CHOICES)
    with closing(parts.engine.stream(messages, Decoding(max_tokens=1), Event())) as tokens:
        next(tokens, None)
    seconds = time.perf_counter() - began
    count, tokens_in_all = parts.engine.count_tokens, parts.engine.count_tokens(messages)
    same = [a for a, _ in takewhile(lambda p: p[0] == p[1], zip(cached, messages, strict=False))]
    return Timed(seconds, tokens_in_all, tokens_in_all - (count(same) if same else 0))


def converse(case: Case, parts: Parts) -> Conversation:
    """Time one conversation in all ways."""
    asked, answer = read_history(case.row)[-2:]
    question = case.row["query"]
    first = put(asked.content, (), parts)
    second = put(question, (asked, answer), parts)
    third = continued(first, (asked, answer), question, parts)
    found = {}
    for opening, onward, cached in (
        ("cold", ("follow-up", second), ()),
        ("begun", ("continued", third), beginning()[:1]),
    ):
        _leave(parts.engine, cached)
        found[opening] = timed(parts, first, cached)
        way, prompt = onward
        found[way] = timed(parts, prompt, first.packed.messages)
    return Conversation(case, found)


def _leave(engine: Engine, cached: Messages) -> None:
    """Put the cache into the state of an empty start, or of one that has read the beginning."""
    if not isinstance(engine, Rewinds):
        raise EngineError(engine.name, "its cache can't be rewound")
    engine.rewind(beginning() if cached else ())


def lines(found: Sequence[Conversation]) -> Iterator[str]:
    """What it came to, for people."""
    yield f"{len(found)} conversations; means: tokens of the prompt, tokens read anew, seconds"
    for way in WAYS:
        of = [item.timed[way] for item in found]
        tokens, anew = fmean(t.tokens for t in of), fmean(t.anew for t in of)
        yield f"{way}: {tokens:.0f}, {anew:.0f}, {fmean(t.seconds for t in of):.2f}"
    for way, other in COMPARED:
        yield _ratio(found, way, other)


def _ratio(found: Sequence[Conversation], way: str, other: str) -> str:
    scores = [
        Score(
            item.case.id,
            item.case.cluster,
            "scored",
            {"way": item.timed[way].seconds, "other": item.timed[other].seconds},
        )
        for item in found
    ]
    value = estimate(ratio("ratio", "way", "other", bounds=None), table(scores))
    return f"time to first token, {way} / {other}: {value}"


def main() -> None:
    """`python -m evals.bench.followup_latency --kb KB [--cases FILE] [--model NAME]`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--cases", type=Path, default=CASES / "qa.jsonl", help="with `history`")
    parser.add_argument("--kb", type=Path, required=True)
    parser.add_argument("--sample", type=int, help="conversations; default: all")
    parser.add_argument("--model", help="default: the configured one")
    given = parser.parse_args()
    before = load_average()
    try:
        config = load().with_model(given.model)
        cases = open_cases([given.cases], get("qa").check).read()
        wanted = [case for case in cases if len(read_history(case.row)) > 1]
        embedder = open_embedder()
        with closing(KnowledgeBase.open(given.kb, embedder)) as base:
            parts = open_parts(base, embedder, config)
            found = []
            for case in wanted[: given.sample]:
                found.append(converse(case, parts))
                print(case.id, file=sys.stderr, flush=True)
    except (SurefootError, ValueError) as error:
        sys.exit(str(error))
    load_now = f"load {before:.1f} before, {load_average():.1f} after"
    print("\n".join([*lines(found), f"{config.engine.model}; {load_now}; {usable_cpus()} cores"]))


if __name__ == "__main__":
    main()
