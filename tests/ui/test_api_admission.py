"""The queue: bounded, fair between keys, and nobody waits for ever."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Lock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ui.api.admission import LONGEST_RETRY, Admission, Busy, ClientLeft, retry_after
from ui.api.line import Line

KEYS = "abcd"


class Waiting(RuleBasedStateMachine):
    """A line beside the plainest model of one: every ticket with its key, in order of arrival."""

    def __init__(self) -> None:
        super().__init__()
        self.room = 6
        self.line: Line[tuple[str, int]] = Line(self.room)
        self.model: list[tuple[str, int]] = []
        self.turns: dict[str, Counter[str]] = {}
        self.number = 0

    def waiting(self, key: str) -> list[tuple[str, int]]:
        return [ticket for ticket in self.model if ticket[0] == key]

    def gone(self, ticket: tuple[str, int]) -> None:
        self.model.remove(ticket)
        if not self.waiting(ticket[0]):
            self.turns.pop(ticket[0], None)

    @precondition(lambda self: not self.line.full)
    @rule(key=st.sampled_from(KEYS))
    def join(self, key: str) -> None:
        self.number += 1
        self.turns.setdefault(key, Counter())
        self.model.append((key, self.number))
        self.line.join(key, (key, self.number))

    @rule()
    def next(self) -> None:
        ticket = self.line.next()
        assert (ticket is None) == (not self.model)
        if ticket is None:
            return
        assert ticket == self.waiting(ticket[0])[0], "a key's requests go in order"
        for key, seen in self.turns.items():
            seen[ticket[0]] += key != ticket[0]
            assert max(seen.values()) <= 1, "nobody has two turns while another waits for one"
        self.turns[ticket[0]] = Counter()
        self.gone(ticket)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from(self.model))
        self.line.leave(ticket[0], ticket)
        self.gone(ticket)

    @precondition(lambda self: self.line.full)
    @rule(key=st.sampled_from(KEYS))
    def make_room(self, key: str) -> None:
        held, share = self.line.waiting(key), self.line.share(key)
        ticket = self.line.make_room(key)
        if ticket is None:
            assert held >= share, "with fewer keys than places, someone is over its share"
            return
        assert ticket == self.waiting(ticket[0])[-1], "who came last goes"
        assert len(self.waiting(ticket[0])) > max(share, held)
        self.gone(ticket)

    @invariant()
    def agrees(self) -> None:
        assert len(self.line) == len(self.model) <= self.room
        assert all(self.line.waiting(key) == len(self.waiting(key)) for key in KEYS)


TestWaiting = Waiting.TestCase


@given(st.integers(0, 1000), st.integers(1, 64), st.floats(0, 1e6))
def test_retry_after_is_a_number_of_seconds_a_header_can_hold(
    waiting: int, workers: int, service: float
) -> None:
    assert 1 <= retry_after(waiting, workers, service) <= LONGEST_RETRY
    assert retry_after(waiting + 1, workers, service) >= retry_after(waiting, workers, service)


class Guests:
    """Requests in threads, each of which runs until it is told to end."""

    def __init__(self, admission: Admission, pool: ThreadPoolExecutor) -> None:
        self.admission = admission
        self.pool = pool
        self.order: list[str] = []
        self.ends: dict[str, Event] = {}

    def ask(self, key: str, name: str = "", cancel: Event | None = None) -> Future[None]:
        """Comes back when the request runs, waits or has been refused."""
        name = name or key
        self.ends[name] = Event()
        before = self._of(key)
        asked = self.pool.submit(self._run, key, name, cancel or Event())
        until(lambda: asked.done() or self._of(key) != before)
        return asked

    def _of(self, key: str) -> tuple[int, int]:
        return self.admission.running, self.admission._line.waiting(key)

    def state(self) -> tuple[int, int]:
        return self.admission.running, self.admission.depth

    def end(self, name: str) -> None:
        until(lambda: name in self.order)
        self.ends[name].set()

    def end_all(self) -> None:
        for each in self.ends.values():
            each.set()

    def _run(self, key: str, name: str, cancel: Event) -> None:
        with self.admission.enter(key, cancel):
            self.order.append(name)
            assert self.ends[name].wait(20)


@contextmanager
def guests(workers: int, queue: int) -> Iterator[Guests]:
    with ThreadPoolExecutor(32) as pool:
        made = Guests(Admission(workers, queue), pool)
        try:
            yield made
        finally:
            made.end_all()


def until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.001)


def test_so_many_run_and_so_many_wait() -> None:
    with guests(2, 3) as made:
        for number in range(5):
            made.ask("a", f"a{number}")
        assert made.state() == (2, 3)


def test_keys_take_turns_whatever_one_of_them_sends() -> None:
    with guests(1, 20) as made:
        made.ask("greedy", "g0")
        for number in range(1, 6):
            made.ask("greedy", f"g{number}")
        made.ask("b", "b1")
        made.ask("c", "c1")
        made.ask("b", "b2")
        for name in ("g0", "g1", "b1", "c1", "g2", "b2", "g3", "g4"):
            made.end(name)
        made.end("g5")
        until(lambda: made.state() == (0, 0))
        assert made.order == ["g0", "g1", "b1", "c1", "g2", "b2", "g3", "g4", "g5"]


def test_who_fills_the_queue_is_refused_with_429() -> None:
    with guests(1, 2) as made:
        for number in range(3):
            made.ask("a", f"a{number}")
        with pytest.raises(Busy) as caught:
            made.ask("a", "a3").result(10)
        assert caught.value.status == 429
        assert f"try again in {caught.value.retry_after} seconds" in str(caught.value)


def test_a_key_below_its_share_finds_a_place_in_a_full_queue() -> None:
    with guests(1, 4) as made:
        last = [made.ask("greedy", f"g{number}") for number in range(5)][-1]
        made.ask("modest")
        with pytest.raises(Busy) as caught:
            last.result(10)
        assert caught.value.status == 429
        assert made.state() == (1, 4)
        for name in ("g0", "g1", "modest"):
            made.end(name)


def test_a_queue_full_of_others_is_refused_with_503() -> None:
    with guests(1, 2) as made:
        for key in "abc":
            made.ask(key)
        with pytest.raises(Busy) as caught:
            made.ask("d").result(10)
        assert caught.value.status == 503


def test_without_a_queue_a_busy_server_says_so_at_once() -> None:
    with guests(1, 0) as made:
        made.ask("a")
        with pytest.raises(Busy) as caught:
            made.ask("b").result(10)
        assert caught.value.status == 503


def test_who_leaves_waits_no_longer_and_holds_no_place() -> None:
    with guests(1, 2) as made:
        made.ask("a", "a0")
        cancel = Event()
        leaver = made.ask("b", cancel=cancel)
        made.ask("c")
        cancel.set()
        with pytest.raises(ClientLeft):
            leaver.result(10)
        assert made.state() == (1, 1)
        made.end("a0")
        made.end("c")
        until(lambda: made.state() == (0, 0))
        assert made.order == ["a0", "c"]


def test_nobody_waits_longer_than_the_patience_there_is() -> None:
    admission, now = Admission(1, 2, patience_s=0.1), time.monotonic()
    with admission.enter("a", Event()):
        with pytest.raises(Busy, match="did not come") as caught:
            admission.enter("b", Event()).__enter__()
        assert (caught.value.status, admission.depth) == (503, 0)
    assert time.monotonic() - now < 10
    with admission.enter("c", Event()):
        assert admission.running == 1


def test_a_failure_gives_the_turn_on() -> None:
    admission = Admission(1, 1)
    with pytest.raises(ValueError, match="it broke"), admission.enter("a", Event()):
        raise ValueError("it broke")
    with admission.enter("a", Event()):
        assert admission.running == 1
    assert admission.running == 0


def test_closing_refuses_who_waits_and_who_comes_and_waits_for_who_runs() -> None:
    with guests(1, 4) as made:
        made.ask("a", "runs")
        waits = made.ask("a", "waits")
        closing = made.pool.submit(made.admission.close)
        with pytest.raises(Busy, match="stopping") as caught:
            waits.result(10)
        assert caught.value.status == 503
        with pytest.raises(Busy, match="stopping"):
            made.ask("b").result(10)
        assert not closing.done()
        made.end("runs")
        assert closing.result(10) is True


def test_closing_takes_no_longer_than_it_may() -> None:
    with guests(1, 4) as made:
        made.ask("a")
        assert made.admission.close(timeout_s=0.05) is False


def test_retry_after_follows_what_answers_take() -> None:
    now = [0.0]
    admission = Admission(1, 0, clock=lambda: now[0])
    for _ in range(40):
        with admission.enter("a", Event()):
            now[0] += 30.0
    with admission.enter("a", Event()), pytest.raises(Busy) as caught:
        admission.enter("b", Event()).__enter__()
    assert caught.value.retry_after == 30


Request = st.tuples(st.sampled_from(KEYS), st.sampled_from([None, 0.0, 0.002]), st.booleans())


@settings(max_examples=25)
@given(st.integers(1, 3), st.integers(0, 5), st.lists(Request, max_size=24))
def test_every_request_ends_and_no_turn_is_lost(
    workers: int, queue: int, requests: list[tuple[str, float | None, bool]]
) -> None:
    """Requests come at once, run for a moment, some fail and some leave: all is accounted for."""
    admission, lock, running, most = Admission(workers, queue), Lock(), [0], [0]

    def ask(request: tuple[str, float | None, bool]) -> str:
        key, leaves, fails = request
        cancel = Event()
        if leaves is not None:
            cancel.set()
        try:
            with admission.enter(key, cancel):
                with lock:
                    running[0] += 1
                    most[0] = max(most[0], running[0])
                time.sleep(0.001)
                with lock:
                    running[0] -= 1
                if fails:
                    raise ValueError
        except ValueError:
            return "failed"
        except Busy as busy:
            return "busy" if busy.status in (429, 503) and busy.retry_after >= 1 else "broken"
        except ClientLeft:
            return "left"
        return "ran"

    with ThreadPoolExecutor(24) as pool:
        ended = list(pool.map(ask, requests))
    assert len(ended) == len(requests)
    assert "broken" not in ended
    assert most[0] <= workers
    assert (admission.running, admission.depth) == (0, 0)
    assert admission.close(timeout_s=0) is True
