"""When to ask again, and how long to wait: tables."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.engines.retry import Retries, asked_wait, passes

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("7", 7.0),
        (" 0 ", 0.0),
        ("-3", None),
        ("soon", None),
        ("²", None),
        ("Fri, 02 Jan 2026 03:04:15 GMT", 10.0),
        ("Fri, 02 Jan 2026 03:00:00 GMT", 0.0),
        ("Fri, 02 Jan 2026 03:04:15", None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert asked_wait(header, NOW) == seconds


@pytest.mark.parametrize(
    ("status", "again"), [(400, False), (401, False), (404, False), (408, True), (429, True)]
)
def test_which_statuses_pass(status: int, again: bool) -> None:
    assert passes(status) is again
    assert passes(500)
    assert passes(503)


@given(attempt=st.integers(1, 9), share=st.floats(0, 1), hint=st.none() | st.floats(0, 100))
def test_waits_are_bounded(attempt: int, share: float, hint: float | None) -> None:
    retries = Retries(attempts=5, first=0.5, longest=3.0, patience=20.0)
    wait = retries.wait(attempt, hint, lambda low, high: low + share * (high - low))
    if attempt >= 5 or (hint is not None and hint > 20):
        assert wait is None
    else:
        assert wait is not None
        assert (hint or 0.0) <= wait <= (hint or 0.0) + min(3.0, 0.5 * 2 ** (attempt - 1))
