"""One answer made in a worker thread, its events handed to the event loop, in order.

The pipeline is synchronous and a client is not. Here they meet: the worker waits while the reader
is behind, and a reader who leaves stops the worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator
from concurrent.futures import Executor
from contextlib import closing
from threading import Event, Semaphore
from typing import TypeAlias

from fastapi.responses import StreamingResponse
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from rag.types import Answer, AnswerEvent
from ui.api.life import Life

Produce: TypeAlias = Callable[[Event], Generator[AnswerEvent, None, None]]

AHEAD = 16
"""Events that may wait for a reader before the worker waits too."""
_LOOK_S = 0.2


class Run:
    """Starts `produce` in `pool` at once. Belongs to the event loop that it is made in."""

    def __init__(self, life: Life, pool: Executor, produce: Produce) -> None:
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[AnswerEvent | Exception | None] = asyncio.Queue()
        self._room = Semaphore(AHEAD)
        self._cancel = Event()
        life.begun(self)
        pool.submit(self._work, produce)

    def leave(self) -> None:
        """Nobody reads any more: the model stops within a token."""
        self._cancel.set()

    def end(self, error: Exception) -> None:
        """Stop the model, and tell the reader why."""
        self._cancel.set()
        self._events.put_nowait(error)

    async def events(self) -> AsyncIterator[AnswerEvent]:
        """The events as they come. Raises what the worker raised."""
        while (event := await self._events.get()) is not None:
            self._room.release()
            if isinstance(event, Exception):
                raise event
            yield event

    def _work(self, produce: Produce) -> None:
        try:
            with closing(produce(self._cancel)) as events:
                for event in events:
                    self._put(event)
            self._put(None)
        except Exception as error:  # noqa: BLE001  it is raised where the events are read
            self._put(error)

    def _put(self, event: AnswerEvent | Exception | None) -> None:
        while not self._room.acquire(timeout=_LOOK_S):
            if self._cancel.is_set():
                # The pipeline ends by itself soon, and its end has still to be written down.
                return
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)


async def whole(run: Run, request: Request) -> Answer:
    """The answer at the end of a run; a client who leaves before stops it."""
    watch = asyncio.create_task(_gone(run, request))
    try:
        last: AnswerEvent | None = None
        async for event in run.events():
            last = event
    finally:
        run.leave()
        watch.cancel()
    assert isinstance(last, Answer), "a run always ends with its answer"
    return last


async def begun(run: Run, request: Request) -> AsyncIterator[AnswerEvent]:
    """The events of a run of which there is a first: what is refused is raised here.

    A response that has begun can't be refused any more.
    """
    events = run.events()
    watch = asyncio.create_task(_gone(run, request))
    try:
        first = await anext(events)
    except BaseException:
        run.leave()
        raise
    finally:
        watch.cancel()
    return _after(first, events)


class EventStream(StreamingResponse):
    """Server-sent events of a run, which ends when its reader leaves, however early that is."""

    def __init__(self, run: Run, lines: AsyncIterator[str]) -> None:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        super().__init__(lines, media_type="text/event-stream", headers=headers)
        self._run = run

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._run.leave()


async def _after(
    first: AnswerEvent, rest: AsyncIterator[AnswerEvent]
) -> AsyncIterator[AnswerEvent]:
    yield first
    async for event in rest:
        yield event


async def _gone(run: Run, request: Request) -> None:
    """Wait until the client has gone. Its request has been read: nothing else comes from it."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    run.leave()
