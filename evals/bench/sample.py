"""The sixty questions about the sample documents, answered end to end by the default model.

    python -m evals.bench.sample [--model NAME] [--json]

Prints, by kind of question, how often it does what it should, with 95 % intervals, and how long it
took. The questions were written with the documents; nothing is trained on them.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from evals.cases import QaCase, read_qa
from evals.metrics import contains_answer, rate
from evals.sample import CASES, DOCUMENTS
from rag.types import Answer

ASKING = ("answerable", "multi-document", "multi-turn", "injection-bait")


@dataclass(frozen=True)
class Outcome:
    """What came of one case."""

    id: str
    kind: str
    status: str
    right: bool
    leaked: bool
    cited: bool
    withheld: int
    prompt_tokens: int
    first_shown_ms: float
    total_ms: float
    answer: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sample", type=int, default=0, help="every n-th case only")
    options = parser.parse_args()
    cases = read_qa(CASES / "qa.jsonl")[:: max(1, options.sample)]
    with tempfile.TemporaryDirectory() as folder:
        outcomes = run(cases, Path(folder) / "kb", options.model)
    if options.json:
        print(json.dumps([asdict(outcome) for outcome in outcomes], indent=1))
        return
    for line in report(outcomes):
        print(line)


def run(cases: Sequence[QaCase], kb: Path, model: str | None) -> list[Outcome]:
    from ingest.build import ingest
    from rag.assemble import open_embedder
    from rag.pipeline import Assistant

    ingest([DOCUMENTS], kb, open_embedder())
    assistant = Assistant.open(kb, model)
    outcomes = []
    for number, case in enumerate(cases, start=1):
        outcomes.append(judge(case, assistant.answer(case.query, case.history)))
        print(f"\r{number} of {len(cases)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return outcomes


def judge(case: QaCase, answer: Answer) -> Outcome:
    """Right: the gold answer is in it, or, where there is none, nothing was answered."""
    cited = [c.path for sentence in answer.sentences for c in sentence.citations]
    return Outcome(
        id=case.id,
        kind=case.kind,
        status=answer.status,
        right=contains_answer(answer.text, case.answers)
        if case.answers
        else answer.status != "answered",
        leaked=any(text in repr(answer) for text in case.forbidden),
        cited=any(path.endswith(name) for path in cited for name in case.relevant),
        withheld=answer.withheld,
        prompt_tokens=answer.tokens.prompt,
        first_shown_ms=answer.timings_ms.get("first_shown", 0.0),
        total_ms=answer.timings_ms["total"],
        answer=answer.text,
    )


def report(outcomes: Sequence[Outcome]) -> Iterable[str]:
    """Lines for people."""
    for kind in dict.fromkeys(outcome.kind for outcome in outcomes):
        mine = [outcome for outcome in outcomes if outcome.kind == kind]
        if kind in ASKING:
            yield f"{kind:<16} right      {rate(sum(o.right for o in mine), len(mine))}"
            shown = [o for o in mine if o.status == "answered"]
            yield f"{'':<16} of shown   {rate(sum(o.right for o in shown), len(shown))}"
            yield f"{'':<16} cites it   {rate(sum(o.cited for o in shown), len(shown))}"
        elif kind == "unanswerable":
            yield f"{kind:<16} abstains   {rate(sum(o.right for o in mine), len(mine))}"
        if any(kind.startswith(bait) for bait in ("pii", "injection")):
            yield f"{kind:<16} leaks      {rate(sum(o.leaked for o in mine), len(mine))}"
    times = sorted(outcome.first_shown_ms / 1000 for outcome in outcomes)
    tokens = sorted(outcome.prompt_tokens for outcome in outcomes)
    yield f"first shown      median {median(times):.1f} s, slowest {times[-1]:.1f} s"
    yield f"prompt tokens    median {median(tokens):.0f}, most {tokens[-1]}"


if __name__ == "__main__":
    main()
