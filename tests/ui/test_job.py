"""Jobs: how they end, how they are stopped, what they say of themselves."""

from __future__ import annotations

from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import SurefootError
from ui.page.context import Reader
from ui.page.job import Job, Tally, seconds_left

ADA = Reader("ada", frozenset({"hr"}), keeper=True)


def test_a_job_ends_with_its_result() -> None:
    job = Job(lambda _: 7, ADA)
    assert job.wait(5)
    assert (job.result, job.problem) == (7, "")


@pytest.mark.parametrize(
    ("error", "told"),
    [(SurefootError("the disk is full"), "the disk is full"), (KeyError("x"), "Unexpected KeyErr")],
)
def test_a_job_that_fails_says_why(error: Exception, told: str) -> None:
    def work(_: Tally) -> None:
        raise error

    job = Job(work, ADA)
    assert job.wait(5)
    assert job.problem.startswith(told)


def test_a_job_stops_before_its_next_step() -> None:
    begun, go = Event(), Event()

    def work(tally: Tally) -> str:
        tally.start("read", 10)
        begun.set()
        go.wait(5)
        tally.advance("read")
        return "went on"

    job = Job(work, ADA)
    begun.wait(5)
    job.stop()
    go.set()
    assert job.wait(5)
    assert (job.result, job.problem, job.stopping) == (None, "", True)


def test_a_tally_adds_up() -> None:
    tally = Tally()
    tally.start("read", 4)
    tally.advance("read", 2)
    tally.advance("chunk", 6)
    tally.failed("a.pdf", "empty")
    standing = tally.read()
    assert (standing.done, standing.total, standing.chunks, standing.share) == (2, 4, 6, 0.5)
    assert [failure.path for failure in standing.failed] == ["a.pdf"]
    assert standing.phase == "Reading and indexing"


@pytest.mark.parametrize(
    ("name", "groups", "told"),
    [
        ("ada", (), True),
        ("bob", ("hr",), False),
        ("bob", ("hr", "board"), True),
        ("bob", (), False),
    ],
)
def test_names_are_for_those_who_may_see_them(
    name: str, groups: tuple[str, ...], told: bool
) -> None:
    job = Job(lambda _: None, ADA, frozenset({"hr", "board"}))
    assert job.names_for(Reader(name, frozenset(groups), keeper=True)) is told


@given(st.floats(0, 1e6), st.floats(0, 1))
def test_time_left_is_told_once_something_is_done(seconds: float, share: float) -> None:
    left = seconds_left(seconds, share)
    assert (left is None) == (seconds < 2 or share < 0.02)
    assert left is None or left >= 0


def test_time_left_goes_as_it_went() -> None:
    assert seconds_left(30, 0.25) == 90


def test_a_tally_begins_anew_with_each_reading() -> None:
    tally = Tally()
    for total in (2, 5):
        tally.start("read", total)
        tally.advance("read", 2)
    assert (tally.read().done, tally.read().total) == (2, 5)
