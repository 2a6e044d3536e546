"""The bench of the server: what a client makes of a response, and what the figures count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from evals.bench.clients import Address, Reply, ask, crowd, ready
from evals.bench.serve import TIMES, measured, questions

STAGE = b'event: stage\ndata: {"stage": "retrieve", "ms": 1}\n\n'
SENTENCE = b'event: sentence\ndata: {"text": "Yes."}\n\n'
ANSWER = b'event: answer\ndata: {"status": "answered"}\n\n'
ERROR = b'event: error\ndata: {"error": {"code": "engine_failed"}}\n\n'


class Patient(ThreadingHTTPServer):
    request_queue_size = 64


@contextmanager
def server(status: int, body: bytes, headers: dict[str, str]) -> Iterator[Address]:
    """Gives one response to whoever asks."""

    class Always(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self.send_error(status)

        def log_message(self, *_: object) -> None:
            pass

    made = Patient(("127.0.0.1", 0), Always)
    thread = Thread(target=made.serve_forever)
    thread.start()
    try:
        yield ("127.0.0.1", made.server_port)
    finally:
        made.shutdown()
        thread.join()
        made.server_close()


@pytest.mark.parametrize(
    ("status", "headers", "body", "is_"),
    [
        (200, {}, STAGE + SENTENCE + ANSWER, "made"),
        (200, {}, SENTENCE + ANSWER, "known"),
        (200, {}, STAGE + SENTENCE + ERROR, "lost"),
        (200, {}, STAGE + SENTENCE, "lost"),
        (200, {"content-length": "9999"}, STAGE + SENTENCE, "lost"),
        (429, {"retry-after": "3"}, b"{}", "refused"),
        (503, {"retry-after": "3"}, b"{}", "refused"),
        (503, {}, b"{}", "lost"),
        (500, {"retry-after": "3"}, b"{}", "lost"),
        (401, {}, b"{}", "lost"),
    ],
)
def test_every_response_counts_as_what_it_is(
    status: int, headers: dict[str, str], body: bytes, is_: str
) -> None:
    with server(status, body, headers) as address:
        reply = ask(address, "sf_x", "Who?", 10)
    assert reply.settled is (is_ != "lost")
    assert reply.refused is (is_ == "refused")
    assert (reply.answered and reply.made) is (is_ == "made")
    assert (reply.answered and not reply.made) is (is_ == "known")


def test_a_server_that_is_not_there_is_told() -> None:
    with server(200, b"", {}) as address:
        assert ready(address) is True
    reply = ask(address, "sf_x", "Who?", 10)
    assert (reply.status, reply.settled) == (0, False)
    assert "refused" in reply.problem
    assert ready(address) is False


def test_a_crowd_asks_all_its_questions() -> None:
    with server(200, STAGE + SENTENCE + ANSWER, {}) as address:
        replies = crowd(address, ["a", "b"], [["1", "2"]] * 20, 10)
    assert len(replies) == 40
    assert all(reply.answered for reply in replies)


@pytest.mark.parametrize("clients", [1, 2, 16, 70, 300])
def test_each_question_is_asked_twice_while_there_are_enough(clients: int) -> None:
    asked = questions(clients)
    assert [len(each) for each in asked] == [TIMES] * clients
    counts = Counter(question for each in asked for question in each)
    assert min(counts.values()) >= TIMES
    assert clients > 70 or max(counts.values()) == TIMES


def test_the_figures_are_of_answers_and_the_shares_of_all() -> None:
    replies = [
        Reply(200, 3.0, 2.0, "answered", True),
        Reply(200, 5.0, 4.0, "abstained", True),
        Reply(200, 0.2, 0.1, "answered", False),
        Reply(429, 0.0, retry_after=1),
        Reply(0, 9.0, problem="broken"),
    ]
    found = measured(replies, 10.0)
    assert found.figures == {
        "requests": 5,
        "answers_per_s": 0.3,
        "first_shown_p50_s": 3.0,
        "first_shown_p95_s": pytest.approx(3.9),
        "cached_shown_p50_s": 0.1,
        "cache_hit_rate": pytest.approx(1 / 3),
        "refused_rate": 0.2,
        "lost": 1,
    }


def test_figures_without_an_answer_are_nought() -> None:
    figures = measured([Reply(0, 1.0)], 1.0).figures
    assert {name for name, value in figures.items() if value} == {"requests", "lost"}
