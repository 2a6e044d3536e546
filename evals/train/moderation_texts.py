"""The texts that the moderation heads learn from: all whose licence lets weights ship."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from evals.train.fit import Example, benign_sentences, read_cases
from rag.safety.moderation import ANY
from rag.safety.policy import ILLICIT, MODERATION

CATEGORIES = tuple(label for label in MODERATION if label != ANY)
LABELS = (*CATEGORIES, ILLICIT, ANY)
# Other sets of hate and harassment, and of how many texts one is taken: more of them add nothing.
OTHERS = {"hatecheck": 1, "davidson": 3, "wikitox": 1, "surge": 1}
REFUSALS = ("xstest", "cyber-benign", "harmful", "donotanswer")
SAFE_TYPED = ("wildguard_benign", "notinject", "squad-questions", "deepset")
# Ordinary questions to documents; every other one is kept back to be measured on.
SAFE_QUESTIONS = ("qa-clapnq", "qa-mtrag", "rewrite-cast")
PROSE = ("squad", "python-devguide", "python-peps", "owasp-cheatsheets", "prometheus-docs")
LOOKALIKES = "lookalikes"
_WRITTEN = Path(__file__).parent / "data" / f"{LOOKALIKES}.jsonl"
_SENTENCES = 400


def examples(data: Path) -> list[Example]:
    """Every text once; where two files hold it, as the first says."""
    return list({e.text: e for e in reversed(list(_all(data / "cases", data)))}.values())


def questions_kept(data: Path) -> list[str]:
    """The ordinary questions that no head has seen."""
    return [
        str(row["query"])
        for name in SAFE_QUESTIONS
        for row in read_cases(data / "cases" / f"{name}.jsonl.gz")[1::2]
    ]


def _all(cases: Path, data: Path) -> Iterator[Example]:
    for row in read_cases(cases / "moderation-openai.jsonl.gz"):
        yield _moderation(row, "openai", 1.0)
    for name, step in OTHERS.items():
        for row in read_cases(cases / f"moderation-{name}.jsonl.gz")[::step]:
            yield _moderation(row, name, 0.3)
    for name in REFUSALS:
        for row in read_cases(cases / f"refusal-{name}.jsonl.gz"):
            yield _request(row, f"refusal-{name}")
    for line in _WRITTEN.read_text(encoding="utf-8").splitlines():
        yield _request(json.loads(line), LOOKALIKES)
    yield from _benign(cases, data)


def _benign(cases: Path, data: Path) -> Iterator[Example]:
    for name in ("piguard", "mix", "deepset"):
        for row in read_cases(cases / f"injection-{name}.jsonl.gz"):
            if row["source"] in SAFE_TYPED and not row["injection"]:
                yield _safe(str(row["text"]), "typed-benign", 0.3)
    for name in SAFE_QUESTIONS:
        for row in read_cases(cases / f"{name}.jsonl.gz")[::2]:
            yield _safe(str(row["query"]), "questions", 0.3)
    for sentence in benign_sentences(data, PROSE, _SENTENCES):
        yield _safe(sentence, "prose", 0.3)


def _safe(text: str, source: str, weight: float) -> Example:
    return Example(text, source, dict.fromkeys(LABELS, 0), weight)


def _request(row: dict[str, object], source: str) -> Example:
    """A request: a harmless one is harmless in every way, a harmful one is ILLICIT at least."""
    text = str(row["text"])
    return _safe(text, source, 0.5) if row["safe"] else Example(text, source, {ILLICIT: 1}, 0.5)


def _moderation(row: dict[str, object], source: str, weight: float) -> Example:
    labels = row["labels"]
    assert isinstance(labels, dict)
    known = {k.upper(): int(v) for k, v in labels.items() if v is not None and k != "any"}
    given = labels.get("any", row.get("any"))
    if given is not None:
        known[ANY] = int(given)
    return Example(text := str(row["text"]), source, known, weight, str(row.get("cluster", text)))
