"""What the token budget buys: chosen sentences beside whole passages, on the same questions.

Both ways search alike and put their prompt to the same model, which has read the fixed beginning
and nothing else; they take turns, in an order that alternates. There is no abstention: every
question is answered. Guarding, cutting and valuing the passages counts against the sentences only.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from statistics import fmean
from threading import Event

from evals.bench.asked import Asked, Reply, keep, kept
from evals.bench.machine import load_average
from evals.cases import open_cases
from evals.compare import Comparison, compare
from evals.metrics import estimate, mean, ratio, share, table
from evals.stats.text import contains_answer, token_f1
from evals.suites import get
from evals.types import Case, Score, ScoredCase
from ingest.errors import SurefootError
from ingest.store import KnowledgeBase
from ingest.types import Embedder
from rag.assemble import open_embedder, open_engine, open_guard
from rag.config import Config, load
from rag.engines.lineage import Rewinds
from rag.engines.llamacpp import usable_cpus
from rag.prompt import Budget, beginning, compose, pack
from rag.reading import Reading, read
from rag.retrieve import Retriever
from rag.safety.guard import Guard
from rag.types import Decoding, Engine, Message

TOKENS, WHOLE, SAMPLE, MAX_TOKENS, SEED = 400, 4, 60, 48, 0

Messages = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """What answers are made with."""

    retriever: Retriever
    guard: Guard
    embedder: Embedder
    engine: Engine


@dataclass(frozen=True, slots=True)
class Prompted:
    """Tokens of the sentences' and of the whole passages' prompt, and does each hold an answer?"""

    case: Case
    tokens: tuple[int, int]
    held: tuple[bool, bool]


def chosen(question: str, reading: Reading, tokens: int, engine: Engine) -> Messages:
    """The prompt of the sentences that fit into `tokens`, as the assistant packs it."""
    budget = Budget(tokens, engine.window - MAX_TOKENS)
    found = pack(question, (), reading.passages, reading.units, budget, engine.count_tokens)
    return found.messages


def unchosen(question: str, reading: Reading, passages: int) -> Messages:
    """The prompt of the first `passages` passages, whole and by rank, in the same words."""
    units = [
        replace(unit, value=reading.passages[unit.passage].score)
        for unit in reading.units
        if unit.passage < passages
    ]
    return compose(question, (), reading.passages, units)


def reply(engine: Engine, messages: Messages) -> Reply:
    """The answer from a cache that holds what every prompt begins with, and no more."""
    if isinstance(engine, Rewinds):
        engine.rewind(beginning())
    began, first, texts = time.perf_counter(), 0.0, []
    with closing(engine.stream(messages, Decoding(max_tokens=MAX_TOKENS), Event())) as stream:
        for token in stream:
            first = first or time.perf_counter() - began
            texts.append(token.text)
    return Reply("".join(texts), engine.count_tokens(messages), first)


def setting(parts: Parts, tokens: int, passages: int) -> str:
    """What an answer in a journal must have been given under to count."""
    return f"{parts.engine.name} {tokens} {passages}"


def ask(case: Case, parts: Parts, tokens: int, passages: int, turn: int) -> Asked:
    """Put one question both ways; the sentences go first in every other `turn`."""
    question = case.row["query"]
    found = parts.retriever.retrieve(question)
    began = time.perf_counter()
    reading = read(question, found, parts.guard, parts.embedder)
    few = chosen(question, reading, tokens, parts.engine)
    reading_s = time.perf_counter() - began
    prompts = {"sentences": few, "whole": unchosen(question, reading, passages)}
    order = sorted(prompts, reverse=turn % 2 == 1)
    replies = {side: reply(parts.engine, prompts[side]) for side in order}
    return Asked(
        case, replies["sentences"], replies["whole"], reading_s, setting(parts, tokens, passages)
    )


def prompted(case: Case, parts: Parts, tokens: int, passages: int) -> Prompted:
    """The prompts of one question, without an answer: what no model could lose or gain."""
    question, answers = case.row["query"], case.row["answers"]
    reading = read(question, parts.retriever.retrieve(question), parts.guard, parts.embedder)
    few = chosen(question, reading, tokens, parts.engine)
    many = unchosen(question, reading, passages)
    held = [
        contains_answer(messages[-1].content.removesuffix(question), answers)
        for messages in (few, many)
    ]
    count = parts.engine.count_tokens
    return Prompted(case, (count(few), count(many)), (held[0], held[1]))


def prompt_lines(found: Sequence[Prompted], shared: int) -> list[str]:
    """What the prompts alone come to; `shared` tokens are in the cache before each question."""
    sides = [
        [_scored_as(item.case, {"held": float(item.held[side])}) for item in found]
        for side in (0, 1)
    ]
    sizes = [fmean(item.tokens[side] for item in found) for side in (0, 1)]
    held = compare([share("answer in the prompt", "held")], sides[1], sides[0]).comparisons
    read_anew = (sizes[0] - shared) / (sizes[1] - shared)
    return [
        f"{len(found)} questions; sentences, whole passages",
        f"prompt tokens, mean: {sizes[0]:.0f}, {sizes[1]:.0f}",
        f"tokens to read, of the whole passages': {read_anew:.2f}",
        *(_difference(item) for item in held),
    ]


def questions(path: Path, n: int) -> list[Case]:
    """The first `n` cases that have an answer, in an order that a fixed seed gives."""
    cases = [case for case in open_cases([path], get("qa").check).read() if case.row["answers"]]
    Random(SEED).shuffle(cases)  # noqa: S311
    return cases[:n]


def differences(asked: Sequence[Asked]) -> tuple[Comparison, ...]:
    """F1 and contained of the sentences less those of the whole passages, pair by pair."""
    metrics = (mean("f1", "f1"), share("contained", "contained"))
    sides = (
        [_scored(a.case, a.whole) for a in asked],
        [_scored(a.case, a.sentences) for a in asked],
    )
    return compare(metrics, *sides).comparisons


def lines(asked: Sequence[Asked]) -> list[str]:
    """What it came to, for people."""
    few, many = [a.sentences for a in asked], [a.whole for a in asked]
    sizes = [fmean(r.tokens for r in side) for side in (few, many)]
    clocks = [fmean(r.first_s for r in side) for side in (few, many)]
    return [
        f"{len(asked)} questions; sentences, whole passages",
        f"prompt tokens, mean: {sizes[0]:.0f}, {sizes[1]:.0f}",
        f"first token, mean seconds: {clocks[0]:.2f}, {clocks[1]:.2f}",
        *(_difference(found) for found in differences(asked)),
        _times("time to first token, of the whole passages'", asked, 0.0),
        _times("the same with reading and choosing charged to the sentences", asked, 1.0),
    ]


def _scored(case: Case, given: Reply) -> ScoredCase:
    answers = case.row["answers"]
    right = float(contains_answer(given.text, answers))
    values: dict[str, float | None] = {"f1": token_f1(given.text, answers), "contained": right}
    return _scored_as(case, values)


def _scored_as(case: Case, values: dict[str, float | None]) -> ScoredCase:
    return ScoredCase(Score(case.id, case.cluster, "scored", values), case.sha256, {})


def _difference(found: Comparison) -> str:
    if found.difference is None or found.low is None or found.high is None:
        return f"{found.metric}: no cases"
    return (
        f"{found.metric}: {found.candidate:.3f}, {found.baseline:.3f}; difference"
        f" {found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}], p {found.p:.2f}"
    )


def _times(name: str, asked: Sequence[Asked], charged: float) -> str:
    """Seconds over seconds, summed over the questions, resampled by source."""
    scores = [
        Score(
            a.case.id,
            a.case.cluster,
            "scored",
            {"ours": a.sentences.first_s + charged * a.reading_s, "theirs": a.whole.first_s},
        )
        for a in asked
    ]
    return f"{name}: {estimate(ratio('ratio', 'ours', 'theirs', bounds=None), table(scores))}"


def run(
    cases: Sequence[Case], ask_one: Callable[[Case, int], Asked], journal: Path | None, under: str
) -> list[Asked]:
    """Ask all that the `journal` does not hold `under` this setting; it keeps what is asked."""
    known = kept(journal, under)
    asked = []
    for turn, case in enumerate(cases):
        found = known.get(case.id) or ask_one(case, turn)
        asked.append(replace(found, case=case))
        if journal and case.id not in known:
            keep(found, journal)
        print(f"{turn + 1} of {len(cases)}: {case.id}", file=sys.stderr, flush=True)
    return asked


def main() -> None:
    """`python -m evals.bench.budget CASES --kb KB [--sample N] [--model NAME]`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("cases", type=Path, help="qa cases")
    parser.add_argument("--kb", type=Path, required=True)
    parser.add_argument("--sample", type=int, default=SAMPLE, help="questions")
    parser.add_argument("--model", help="default: the configured one")
    parser.add_argument("--tokens", type=int, default=TOKENS, help="budget of the sentences")
    parser.add_argument("--whole", type=int, default=WHOLE, help="whole passages beside them")
    parser.add_argument("--journal", type=Path, help="keeps what was asked; goes on from it")
    parser.add_argument("--prompts-only", action="store_true", help="ask no model anything")
    given = parser.parse_args()
    before = load_average()
    try:
        config = load().with_model(given.model)
        embedder = open_embedder()
        with closing(KnowledgeBase.open(given.kb, embedder)) as base:
            found = _measured(given, open_parts(base, embedder, config))
    except (SurefootError, ValueError) as error:
        sys.exit(str(error))
    load_now = f"load {before:.1f} before, {load_average():.1f} after"
    print("\n".join([*found, f"{config.engine.model}; {load_now}; {usable_cpus()} cores"]))


def _measured(given: argparse.Namespace, parts: Parts) -> list[str]:
    cases, sizes = questions(given.cases, given.sample), (given.tokens, given.whole)
    if given.prompts_only:
        shared = parts.engine.count_tokens(beginning())
        return prompt_lines([prompted(case, parts, *sizes) for case in cases], shared)
    reply(parts.engine, compose("Ready?", (), (), ()))
    asked = run(
        cases,
        lambda case, turn: ask(case, parts, *sizes, turn),
        given.journal,
        setting(parts, *sizes),
    )
    return lines(asked)


def open_parts(base: KnowledgeBase, embedder: Embedder, config: Config) -> Parts:
    """The parts over an open knowledge base. Raises ModelUnavailable, EngineError."""
    retriever = Retriever(base, embedder, config.retrieve)
    return Parts(retriever, open_guard(config, embedder), embedder, open_engine(config))


if __name__ == "__main__":
    main()
