"""The accounts of a job: every document that was met ends in exactly one column."""

from __future__ import annotations

from ingest.plan import Decision, Found, Plan
from ingest.progress import Progress
from ingest.types import Failure, IngestReport


class Accounts:
    """Settles documents in the plan and counts them."""

    def __init__(self, plan: Plan, progress: Progress) -> None:
        self.plan = plan
        self._progress = progress
        self._added = self._updated = self._unchanged = self._duplicates = 0
        self._removed = self._chunks = 0
        self._failed: list[Failure] = []

    def fail(self, failure: Failure) -> None:
        self._failed.append(failure)
        self._progress.failed(failure.path, failure.reason)

    def settle(self, decision: Decision, identity: str, path: str, key: str, origin: str) -> None:
        """Give an identity its content and count it by what was decided."""
        self.plan.meet(identity, path, key, origin)
        if decision.found is Found.UNCHANGED:
            self._unchanged += 1
        elif decision.known:
            self._updated += 1
        elif decision.found is Found.STORED:
            self._duplicates += 1
        else:
            self._added += 1

    def repeat(self, decision: Decision, origin: str, identity: str) -> None:
        """An identity that was met before in this job: a copy, or two documents of one name."""
        if decision.same:
            self._duplicates += 1
        else:
            self.fail(Failure(origin, f"id {identity!r} is already used by {decision.origin}"))

    def count_chunks(self, chunks: int) -> None:
        self._chunks += chunks

    def remove(self, identity: str) -> None:
        self.plan.drop(identity)
        self._removed += 1

    def report(self, seconds: float) -> IngestReport:
        """`chunks` counts those of added and updated documents that were cut in this job."""
        return IngestReport(
            added=self._added,
            updated=self._updated,
            unchanged=self._unchanged,
            removed=self._removed,
            duplicates=self._duplicates,
            failed=tuple(self._failed),
            chunks=self._chunks,
            seconds=seconds,
        )
