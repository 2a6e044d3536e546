"""Classifiers that a config names, as subjects: each text is judged as a question, anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from threading import Event
from typing import Any

from evals.types import Case, Outcome
from ingest.errors import SurefootError
from rag.config import Config
from rag.safety.classifiers.filter import ClassifierFilter
from rag.safety.classifiers.types import OddScoresError

Judged = Callable[[Mapping[str, float], frozenset[str]], Mapping[str, Any]]
# What a classifier raises of one text. The guard blocks on it; here the case fails.
_FAILURES = (SurefootError, RuntimeError, ValueError, OddScoresError)


class NamedSubject:
    """`judged` makes an outcome of the probabilities by label, and of the labels that are found."""

    def __init__(self, named: ClassifierFilter, judged: Judged) -> None:
        self._named = named
        self._judged = judged

    def run(self, cases: Sequence[Case], cancel: Event) -> list[Outcome]:
        self._named.forget()
        return [self._outcome(case.row["text"]) for case in cases if not cancel.is_set()]

    def _outcome(self, text: str) -> Outcome:
        began, reason, data = time.perf_counter(), "", dict[str, Any]()
        try:
            scores = {label: round(p, 6) for label, p in self._named.scores(text).items()}
            found = frozenset(finding.label for finding in self._named.find(text, "question"))
            data = dict(self._judged(scores, found))
        except _FAILURES as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
        return Outcome(data, (time.perf_counter() - began) * 1000, reason)


def named_subject(role: str, config: Config, judged: Judged) -> NamedSubject | None:
    """The subject of a filter whose classifiers the config names; None for the shipped one."""
    from rag.assemble import open_classifier, open_plain_embedder

    named = open_classifier(config, open_plain_embedder(), role)
    return None if named is None else NamedSubject(named, judged)
