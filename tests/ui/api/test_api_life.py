"""Clients who leave, a server that drains, and what waits for a turn."""

from __future__ import annotations

import threading
import time
from typing import Any

import httpx
import pytest

QUESTION = "How many days of annual leave are there?"
BODY = {"question": QUESTION}


def leave_early(client: httpx.Client, body: dict[str, Any]) -> None:
    with pytest.raises(httpx.ReadTimeout):
        client.post("/ask", json=body, timeout=0.5)


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_who_leaves_stops_the_model_within_a_second(
    serve: Any, slow_engine: Any, stream: bool
) -> None:
    with serve(slow_engine(30.0)) as running, running.client() as client:
        if stream:
            with client.stream("POST", "/ask", json={**BODY, "stream": True}) as reply:
                next(reply.iter_lines())
        else:
            leave_early(client, BODY)
        engine = running.service.router.pick("").assistant.engine
        assert engine.cancelled.wait(1.0)


def test_a_client_who_leaves_while_it_waits_gives_its_place_up(
    serve: Any, slow_engine: Any
) -> None:
    with serve(slow_engine(2.0), workers=1, queue=1) as running, running.client() as client:
        first = threading.Thread(target=lambda: client.post("/ask", json=BODY))
        first.start()
        assert running.service.router.pick("").assistant.engine.started.wait(5)
        with running.client() as other:
            leave_early(other, {"question": "Can they be carried over?"})
        wait_until(lambda: running.service.admission.depth == 0)
        first.join()
        wait_until(lambda: "left" in running.notes.kinds())


def test_a_full_queue_refuses_and_says_when_to_come_back(serve: Any, slow_engine: Any) -> None:
    with serve(slow_engine(1.0), workers=1, queue=0) as running, running.client() as client:
        first = threading.Thread(target=lambda: client.post("/ask", json=BODY))
        first.start()
        assert running.service.router.pick("").assistant.engine.started.wait(5)
        with running.client() as other:
            for body in ({"question": "Another?"}, {"question": "Another?", "stream": True}):
                done = other.post("/ask", json=body)
                assert done.status_code in (429, 503)
                assert int(done.headers["retry-after"]) > 0
        first.join()


def test_draining_takes_nothing_new_and_finishes_what_runs(serve: Any, slow_engine: Any) -> None:
    with serve(slow_engine(1.0)) as running, running.client() as client:
        done: list[httpx.Response] = []
        first = threading.Thread(target=lambda: done.append(client.post("/ask", json=BODY)))
        first.start()
        assert running.service.router.pick("").assistant.engine.started.wait(5)
        running.server.stop()
        wait_until(lambda: running.service.life.state == "draining")
        with running.client() as other:
            assert other.get("/readyz").status_code == 503
            refused = other.post("/ask", json=BODY)
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "draining"
        first.join()
        assert done[0].status_code == 200


@pytest.mark.parametrize("stream", [False, True])
def test_a_drain_that_takes_too_long_ends_in_a_clear_word(
    serve: Any, slow_engine: Any, stream: bool
) -> None:
    with serve(slow_engine(60.0), drain_s=0.2) as running, running.client() as client:
        done: list[httpx.Response] = []
        body = {**BODY, "stream": stream}
        first = threading.Thread(target=lambda: done.append(client.post("/ask", json=body)))
        first.start()
        engine = running.service.router.pick("").assistant.engine
        assert engine.started.wait(5)
        running.server.stop()
        first.join(10)
        assert done[0].status_code == (200 if stream else 503)
        assert '"code": "draining"' in done[0].text.replace('":"', '": "')
        assert engine.cancelled.wait(2)


def wait_until(true: Any) -> None:
    end = time.monotonic() + 5
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)
