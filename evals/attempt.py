"""Trying a batch: off the event loop, under a time limit, again after a failure, then one by one.

A case that can't be computed gets an outcome with the reason; it is never left out.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event

from evals.types import Case, Outcome, Subject
from rag.errors import ModelCorrupt, ModelUnavailable
from rag.safety.runner import Worker

# Trying again does not mend these, and every other case would fail alike.
FATAL = (ModelUnavailable, ModelCorrupt)
# How long a subject that was asked to stop may take before the program ends without it.
GRACE_S = 3.0


@dataclass(frozen=True, slots=True)
class Limits:
    """`seconds` for each case; `retries` after a failure, the first after `backoff_s`, then twice.

    `workers` batches are under way at once: more than one where the subject waits for others.
    """

    seconds: float = 120.0
    retries: int = 2
    backoff_s: float = 0.5
    workers: int = 1


class Attempts:
    """Gets outcomes out of a subject, whatever it does."""

    def __init__(self, subject: Subject, limits: Limits) -> None:
        self._subject = subject
        self._limits = limits
        # Threads are kept: numerical libraries hold a pool for every thread that calls them.
        self._idle: list[Worker] = []
        self._jitter = random.Random(0)  # noqa: S311

    async def run(self, cases: Sequence[Case]) -> list[Outcome]:
        """One outcome a case, in order."""
        problem = ""
        for attempt in range(self._limits.retries + 1):
            try:
                if attempt:
                    await asyncio.sleep(self._wait(attempt))
                return await self._once(cases)
            except FATAL:
                raise
            except TimeoutError:
                problem = f"took longer than {self._limits.seconds:g} s"
            except Exception as error:  # noqa: BLE001  it becomes the reason of these cases
                problem = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            if len(cases) > 1:
                # One of them is at fault: which one shows when they are alone.
                return [outcome for case in cases for outcome in await self.run([case])]
            if problem.startswith("took"):
                break
        return [Outcome({}, 0.0, problem) for _ in cases]

    async def _once(self, cases: Sequence[Case]) -> list[Outcome]:
        """Raises what the subject raises, TimeoutError, or ValueError for a wrong count."""
        cancel = Event()
        worker = self._idle.pop() if self._idle else Worker()
        job = _submit(worker, self._subject, cases, cancel)
        try:
            found = await asyncio.wait_for(asyncio.shield(job), self._limits.seconds * len(cases))
        except BaseException:
            cancel.set()
            ended, _ = await asyncio.wait({job}, timeout=GRACE_S)
            for late in ended:
                late.exception()  # looked at, so that the loop does not report it again
            worker.dismiss()
            raise
        self._idle.append(worker)
        if len(found) != len(cases):
            raise ValueError(f"gave {len(found)} outcomes for {len(cases)} cases")
        return found

    def _wait(self, attempt: int) -> float:
        """Seconds before a try: doubling, with jitter so that clients of one server spread."""
        longest = self._limits.backoff_s * 2.0 ** (attempt - 1)
        return longest * (0.5 + self._jitter.random() / 2)


def _submit(
    worker: Worker, subject: Subject, cases: Sequence[Case], cancel: Event
) -> asyncio.Future[list[Outcome]]:
    """Run the subject on the worker's thread; the future belongs to this event loop."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[list[Outcome]] = loop.create_future()

    def settle(found: list[Outcome] | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(found or [])

    def job() -> None:
        found, problem = None, None
        try:
            found = subject.run(cases, cancel)
        except BaseException as error:  # noqa: BLE001  it is raised where the result is awaited
            problem = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, found, problem)

    worker.give(job)
    return future
