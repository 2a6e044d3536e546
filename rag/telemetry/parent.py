"""The trace of a caller that a question belongs to: a W3C `traceparent`, kept for one context."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_PARENT: ContextVar[str] = ContextVar("surefoot_traceparent", default="")


@contextmanager
def parented(traceparent: str | None) -> Iterator[None]:
    """Answers that end in this context, while this lasts, belong to the caller's trace.

    A thread has a context of its own: open this where the stream is read to its end.
    """
    before = _PARENT.get()
    _PARENT.set(traceparent or "")
    try:
        yield
    finally:
        # Not by a token: a generator may be closed in another context than it began in.
        _PARENT.set(before)


def current_parent() -> str:
    """The header's value, or "" for none."""
    return _PARENT.get()
