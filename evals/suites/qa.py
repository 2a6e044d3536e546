"""Questions and answers, end to end: right, cited and supported, or honestly not known.

An answer is right if an accepted one stands in it, or if half the words of a long accepted one do.
What is not answered is not right; a blocked answer is neither answered nor an abstention. Risk is
of the answers given: where none was, there is none, whatever the trust. A sentence is unsupported
if the checker's own threshold says so, even where the gate let it pass.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

from evals.documents import Names
from evals.metrics import Metric, Table, aurc, mean, ratio, share
from evals.pins import code_hash, embedder_pin, engine_pin, index_hash, policy_hash
from evals.stats.text import contains_answer, exact_match, token_f1, token_recall
from evals.suites.base import Options, require_text, require_texts, unscored
from evals.suites.retrieval import read_history, require_kb
from evals.types import Case, Json, Outcome, Pins, Score
from rag.calibrated import in_force
from rag.grounding import shipped_threshold
from rag.prompt import SYSTEM, template_hash
from rag.trace import Made, Tracer
from rag.types import Answer, Message

if TYPE_CHECKING:
    from rag.pipeline import Assistant

# An accepted answer of more words than this is a passage: nobody repeats it word for word.
LONG_ANSWER = 8
HALF = 0.5
SNIPPET = 2000
# The trust of an answer that says none: no threshold withholds it.
ALWAYS = 1.0


class PromptKeeper(Tracer):
    """Keeps the last prompt instead of writing traces into the knowledge base."""

    def __init__(self) -> None:
        super().__init__(None, {})
        self.prompt: tuple[Message, ...] = ()

    def place(self) -> Path | None:
        self.prompt = ()
        return Path("evaluation")

    def write(self, path: Path, answer: Answer, made: Made) -> None:
        del path, answer
        self.prompt = made.packed.messages if made.packed else ()


class QaSubject:
    """The assistant, one question at a time, forgetting each before the next, whoever asks."""

    def __init__(
        self, assistant: Assistant, keeper: PromptKeeper, names: Names, groups: frozenset[str]
    ) -> None:
        self._assistant = assistant
        self._keeper = keeper
        self._names = names
        self._groups = groups
        self._alone = Lock()

    def run(self, cases: Sequence[Case], cancel: Event) -> list[Outcome]:
        return [self._ask(case, cancel) for case in cases if not cancel.is_set()]

    def _ask(self, case: Case, cancel: Event) -> Outcome:
        with self._alone:
            return self._asked(case, cancel)

    def _asked(self, case: Case, cancel: Event) -> Outcome:
        self._assistant.forget()
        began = time.perf_counter()
        answer = self._assistant.answer(
            case.row["query"], read_history(case.row), self._groups, cancel
        )
        ms = (time.perf_counter() - began) * 1000
        relevant = [self._names.resolve(name) for name in case.row.get("relevant") or ()]
        prompt = [asdict(message) for message in self._keeper.prompt]
        return Outcome({**_plain(answer), "prompt": prompt, "relevant": relevant}, ms)


class QaSuite:
    """Fields `query`, `answers` (empty: unanswerable), `relevant`?, `history`?, `forbidden`?"""

    name = "qa"
    fields = ("query", "answers", "relevant", "history", "forbidden")
    batch = 1

    def check(self, row: Mapping[str, Any]) -> None:
        require_text(row, "query")
        require_texts(row, "answers")
        for name in ("relevant", "forbidden"):
            if row.get(name) is not None:
                require_texts(row, name)
        read_history(row)

    def pins(self, options: Options) -> Pins:
        kb = require_kb(options)
        return Pins(
            self.name,
            f"{engine_pin(options.config)} {embedder_pin()}",
            template=template_hash(options.config.prompt.system or SYSTEM)[:16],
            index=index_hash(kb),
            policy=policy_hash(in_force(kb, options.config), options.groups),
            code=code_hash(),
        )

    def open(self, options: Options) -> QaSubject:
        from rag.assemble import open_assistant

        kb, keeper = require_kb(options), PromptKeeper()
        assistant = open_assistant(kb, None, options.config, keeper)
        return QaSubject(assistant, keeper, Names.of(kb), options.groups)

    def score(self, case: Case, outcome: Outcome) -> Score:
        answerable = bool(case.row["answers"])
        if outcome.reason:
            # As if it had answered wrongly, not abstained where it should, and told all.
            failed = {"em": 0.0, "f1": 0.0, "right": 0.0, "answerable": float(answerable)}
            failed |= {"answer_trust": ALWAYS, "answer_wrong": 1.0}
            extra = {"answered_right": 0.0} if answerable else {"abstained_on_unanswerable": 0.0}
            if case.row.get("forbidden"):
                extra["leaked"] = 1.0
            return unscored(case, outcome, {**failed, **extra})
        values = {
            **_answer_values(case, outcome.data),
            **_support_values(outcome.data),
            **_use_values(outcome.data),
            **_risk_values(case, outcome.data),
            "cited": _cited(outcome.data),
        }
        if case.row.get("forbidden"):
            values["leaked"] = _leaked(case, outcome.data)
        abstained = outcome.data["status"] == "abstained"
        return Score(case.id, case.cluster, "abstained" if abstained else "scored", values)

    def metrics(self, table: Table) -> Sequence[Metric]:
        found = [
            share("answered_precision", "answered_right"),
            share("em", "em"),
            mean("f1", "f1"),
            share("right", "right"),
            share("abstain_recall", "abstained_on_unanswerable"),
            share("abstain_precision", "unanswerable_when_abstained"),
            ratio("support_mean", "support_sum", "claims"),
            ratio("unsupported_shown_rate", "unsupported", "claims", better="lower"),
            share("cites_relevant", "cited"),
            aurc("aurc", "answer_trust", "answer_wrong"),
        ]
        if "leaked" in table.columns:
            found.append(share("leaks", "leaked", better="lower"))
        return found


def is_right(text: str, answers: Sequence[str]) -> bool:
    """An accepted answer stands in the text, or half the words of a long one do."""
    if contains_answer(text, tuple(answers)):
        return True
    long = tuple(answer for answer in answers if len(answer.split()) > LONG_ANSWER)
    return bool(long) and token_recall(text, long) >= HALF


def _answer_values(case: Case, data: Json) -> dict[str, float | None]:
    answers, text = case.row["answers"], data["answer"]
    answerable, answered = bool(answers), data["status"] == "answered"
    abstained = data["status"] == "abstained"
    said = text if answered else ""
    if answerable:
        em, f1 = exact_match(said, answers), token_f1(said, answers)
        right = float(answered and is_right(text, answers))
    else:
        em = f1 = right = float(abstained)
    return {
        "em": em,
        "f1": f1,
        "right": right,
        "answered": float(answered),
        "abstained": float(abstained),
        "answerable": float(answerable),
        "answered_right": float(answerable and bool(right)) if answered else None,
        "abstained_on_unanswerable": None if answerable else float(abstained),
        "unanswerable_when_abstained": float(not answerable) if abstained else None,
    }


def _support_values(data: Json) -> dict[str, float | None]:
    supports = [s["support"] for s in data["sentences"] if s["support"] is not None]
    return {
        "support_sum": sum(supports),
        "claims": float(len(supports)),
        "unsupported": float(sum(support < shipped_threshold() for support in supports)),
    }


def _use_values(data: Json) -> dict[str, float | None]:
    return {
        "prompt_tokens": float(data["tokens"]["prompt"]),
        "completion_tokens": float(data["tokens"]["completion"]),
        "withheld": float(data["withheld"]),
        "trust": data["signals"].get("trust"),
    }


def _risk_values(case: Case, data: Json) -> dict[str, float | None]:
    """How far an answer was trusted, and whether it is wrong; nothing where none was given.

    An answer to a question that has none is wrong.
    """
    if data["status"] != "answered":
        return {}
    trust = data["signals"].get("trust")
    wrong = not is_right(data["answer"], case.row["answers"])
    return {"answer_trust": ALWAYS if trust is None else trust, "answer_wrong": float(wrong)}


def _cited(data: Json) -> float | None:
    """Of an answer that should cite: does it cite one of the relevant documents?"""
    if data["status"] != "answered" or not data["relevant"]:
        return None
    cited = {c["document"] for s in data["sentences"] for c in s["citations"]}
    return float(bool(cited & set(data["relevant"])))


def _leaked(case: Case, data: Json) -> float:
    """Does a forbidden text stand anywhere in what the asker was given?"""
    texts = [data["answer"], *(p["text"] for p in data["passages"])]
    texts += [c["quote"] for s in data["sentences"] for c in s["citations"]]
    return float(any(secret in text for secret in case.row["forbidden"] for text in texts))


def _plain(answer: Answer) -> dict[str, Any]:
    """What is kept of an answer; the prompt stands in for its trace."""
    whole = asdict(answer)
    del whole["trace"], whole["text"]
    whole["passages"] = [
        {**passage, "groups": sorted(passage["groups"])} for passage in whole["passages"]
    ]
    return {**whole, "answer": answer.text}


SUITE = QaSuite()
