"""Rates and quotas: exact arithmetic, exact under threads, kept across restarts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ui.api.keys import Key, KeyStoreError
from ui.api.limits import REQUEST, Bucket, Limits, take, until_midnight

MINUTE = 60 * 10**9
NOON = 20_000 * 86_400 + 43_200.0


def key(rate: int = 60, tokens: int = 1000, id: str = "a" * 12) -> Key:
    return Key(id, "it", frozenset({"ask"}), frozenset(), rate, tokens, "2024-01-01T00:00:00Z")


class Clock:
    def __init__(self) -> None:
        self.ns = 0
        self.seconds = NOON

    def pass_(self, seconds: float) -> None:
        self.ns += round(seconds * 10**9)
        self.seconds += seconds


def limits(path: Path, clock: Clock) -> Limits:
    return Limits(path / "service" / "usage.db", lambda: clock.ns, lambda: clock.seconds)


@given(
    rate=st.integers(1, 500),
    gaps=st.lists(st.integers(0, 2 * MINUTE) | st.integers(0, MINUTE // 100), max_size=400),
)
def test_no_minute_has_more_than_the_rate_and_what_was_saved(rate: int, gaps: list[int]) -> None:
    bucket, now, passed, levels = None, 0, [], []
    for gap in gaps:
        now += gap
        before = bucket.level + (now - bucket.at) * rate if bucket else rate * REQUEST
        taken = take(bucket, now, rate)
        bucket = taken.bucket
        if not taken.wait_ns:
            passed.append(now)
            levels.append(min(before, rate * REQUEST))
    for first, began in enumerate(passed):
        within = sum(1 for each in passed if began <= each < began + MINUTE)
        assert within <= levels[first] / REQUEST + rate
        assert within <= 2 * rate


@given(rate=st.integers(1, 10_000), looks=st.lists(st.integers(1, MINUTE), max_size=30))
def test_it_refills_exactly_however_often_it_is_looked_at(rate: int, looks: list[int]) -> None:
    empty = Bucket(0, 0)
    wait = take(empty, 0, rate).wait_ns
    assert wait == -(-MINUTE // rate)
    for early in [each for each in looks if each < wait]:
        assert take(empty, early, rate).wait_ns == wait - early
    bucket = empty
    for early in sorted(each for each in looks if each < wait):
        bucket = take(bucket, early, rate).bucket
    assert take(bucket, wait - 1, rate).wait_ns == 1
    assert take(bucket, wait, rate).wait_ns == 0


@given(rate=st.integers(1, 200))
def test_an_empty_bucket_is_full_again_after_a_minute(rate: int) -> None:
    bucket: Bucket | None = Bucket(0, 0)
    for _ in range(rate):
        taken = take(bucket, MINUTE, rate)
        assert taken.wait_ns == 0
        bucket = taken.bucket
    assert take(bucket, MINUTE, rate).wait_ns > 0


def test_a_key_is_told_when_to_come_back(tmp_path: Path) -> None:
    clock = Clock()
    made = limits(tmp_path, clock)
    assert [made.allow(key(rate=6)) for _ in range(6)] == [None] * 6
    assert made.allow(key(rate=6)) == 10
    clock.pass_(9.5)
    assert made.allow(key(rate=6)) == 1
    clock.pass_(0.5)
    assert made.allow(key(rate=6)) is None
    assert made.allow(key(id="b" * 12)) is None, "keys have a bucket each"


def test_a_refusal_costs_nothing(tmp_path: Path) -> None:
    clock = Clock()
    made = limits(tmp_path, clock)
    made.allow(key(rate=1))
    for _ in range(59):
        clock.pass_(1)
        assert made.allow(key(rate=1)) is not None
    clock.pass_(1)
    assert made.allow(key(rate=1)) is None


def test_the_rate_is_exact_under_threads(tmp_path: Path) -> None:
    made = limits(tmp_path, Clock())
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: made.allow(key(rate=100)), range(400)))
    assert found.count(None) == 100


def test_tokens_are_exact_under_threads(tmp_path: Path) -> None:
    clock = Clock()
    made = limits(tmp_path, clock)

    def spend(_: int) -> None:
        clock.ns += 10**9  # so that some of them write
        made.spend(key(), 3)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(spend, range(200)))
    assert made.used(key()) == 600
    made.close()
    assert limits(tmp_path, clock).used(key()) == 600


def test_a_quota_holds_until_midnight_across_a_restart(tmp_path: Path) -> None:
    clock = Clock()
    made = limits(tmp_path, clock)
    made.spend(key(), 999)
    assert made.allow(key()) is None
    made.spend(key(), 1)
    assert made.allow(key()) == 43_200
    made.close()
    again = limits(tmp_path, clock)
    clock.pass_(43_199.5)
    assert again.allow(key()) == 1
    clock.pass_(0.5)
    assert again.allow(key()) is None
    assert again.used(key()) == 0


def test_two_servers_of_one_base_add_up(tmp_path: Path) -> None:
    clock = Clock()
    one, two = limits(tmp_path, clock), limits(tmp_path, clock)
    one.spend(key(), 10)
    two.spend(key(), 5)
    one.close()
    two.close()
    assert limits(tmp_path, clock).used(key()) == 15


def test_writing_is_lazy(tmp_path: Path) -> None:
    clock = Clock()
    made, file = limits(tmp_path, clock), tmp_path / "service" / "usage.db"
    made.spend(key(), 1)
    assert not file.exists()
    clock.pass_(2)
    made.spend(key(), 1)
    assert limits(tmp_path, clock).used(key()) == 2


def test_a_full_disk_costs_a_warning_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = limits(tmp_path, Clock())
    made.spend(key(), 7)
    with monkeypatch.context() as patch:
        patch.setattr(made._file, "writing", _full_disk)
        made.close()
    assert "not written" in caplog.text
    assert made.used(key()) == 7
    made.spend(key(), 1)
    made.close()
    assert limits(tmp_path, Clock()).used(key()) == 8


@given(st.floats(0, 4e9))
def test_midnight_is_a_whole_day_away_at_most(now: float) -> None:
    wait = until_midnight(now)
    assert 1 <= wait <= 86_400
    assert (int(now) + wait) % 86_400 == 0


def test_waits_shrink_as_time_goes_by() -> None:
    waits = [take(Bucket(0, 0), now, 7).wait_ns for now in range(0, MINUTE // 7, 10**7)]
    assert all(later < earlier for earlier, later in pairwise(waits))


def _full_disk() -> None:
    raise KeyStoreError("usage.db: disk full")
