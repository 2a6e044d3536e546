"""The accounts of a job: every document that was met ends in exactly one column."""

from __future__ import annotations

from collections import Counter

from ingest.plan import Decision, Found, Outcome, Plan
from ingest.progress import Progress
from ingest.types import Failure, IngestReport


class Accounts:
    """Settles documents in the plan and counts them."""

    def __init__(self, plan: Plan, progress: Progress) -> None:
        self.plan = plan
        self._progress = progress
        self._count: Counter[Outcome] = Counter()
        self._chunks = 0
        self._failed: list[Failure] = []

    def fail(self, failure: Failure) -> None:
        self._failed.append(failure)
        self._progress.failed(failure.path, failure.reason)

    def settle(self, decision: Decision, identity: str, path: str, key: str, origin: str) -> None:
        """Give an identity its content and count it by what was decided."""
        outcome = _outcome(decision)
        self.plan.meet(identity, path, key, origin, outcome)
        self._count[outcome] += 1

    def repeat(self, decision: Decision, origin: str, identity: str) -> None:
        """An identity that was met before in this job: a copy, or two documents of one name."""
        if decision.same:
            self._count[Outcome.DUPLICATE] += 1
        else:
            self.fail(Failure(origin, f"id {identity!r} is already used by {decision.origin}"))

    def count_chunks(self, chunks: int) -> None:
        self._chunks += chunks

    def remove(self, identity: str) -> None:
        """Drop a document that is gone. One that has only moved is an update of its path."""
        outcome = self.plan.drop(identity)
        self._count[outcome] += 1
        if outcome is Outcome.MOVED:
            # It was met at its new path, where it looked like a copy.
            self._count[Outcome.DUPLICATE] -= 1

    def report(self, seconds: float) -> IngestReport:
        """`chunks` counts those of added and updated documents that were cut in this job."""
        return IngestReport(
            added=self._count[Outcome.ADDED],
            updated=self._count[Outcome.UPDATED] + self._count[Outcome.MOVED],
            unchanged=self._count[Outcome.UNCHANGED],
            removed=self._count[Outcome.REMOVED],
            duplicates=self._count[Outcome.DUPLICATE],
            failed=tuple(self._failed),
            chunks=self._chunks,
            seconds=seconds,
        )


def _outcome(decision: Decision) -> Outcome:
    if decision.found is Found.UNCHANGED:
        return Outcome.UNCHANGED
    if decision.known:
        return Outcome.UPDATED
    return Outcome.DUPLICATE if decision.found is Found.STORED else Outcome.ADDED
