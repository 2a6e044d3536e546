"""Many clients of one HTTP server at once: what each of them got, and after how long."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from threading import Barrier, Thread

Address = tuple[str, int]
REFUSED = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a request to /ask came to. Times are seconds since it was sent.

    `status` is 0 if the connection broke, which `problem` tells. `made` is False for an answer from
    the cache, which no stage comes before. `retry_after` is what a refusal says, in seconds.
    """

    status: int
    total_s: float
    first_shown_s: float | None = None
    answer: str | None = None
    made: bool = False
    retry_after: int | None = None
    problem: str = ""

    @property
    def answered(self) -> bool:
        """Whether a whole answer came, of whatever kind."""
        return self.status == HTTPStatus.OK and self.answer is not None

    @property
    def refused(self) -> bool:
        """Whether it was refused in so many words."""
        return self.status in REFUSED and (self.retry_after or 0) >= 1

    @property
    def settled(self) -> bool:
        """Whether it ended as it should: with an answer, or a refusal that says when to return."""
        return self.answered or self.refused


def ask(address: Address, secret: str, question: str, timeout_s: float) -> Reply:
    """Put one question to /ask and read its events to the end."""
    connection = http.client.HTTPConnection(*address, timeout=timeout_s)
    headers = {"authorization": f"Bearer {secret}", "content-type": "application/json"}
    body = json.dumps({"question": question, "stream": True})
    began = time.perf_counter()
    try:
        connection.request("POST", "/ask", body, headers)
        return _read(connection.getresponse(), began)
    except (OSError, http.client.HTTPException) as error:
        return Reply(0, time.perf_counter() - began, problem=f"{type(error).__name__}: {error}")
    finally:
        connection.close()


def ready(address: Address, path: str = "/readyz") -> bool:
    """Whether the server takes questions, or what else `path` says it does."""
    connection = http.client.HTTPConnection(*address, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def crowd(
    address: Address,
    secrets: Sequence[str],
    questions: Sequence[Sequence[str]],
    timeout_s: float,
) -> list[Reply]:
    """All clients begin together; client i puts its questions one after the other with key i."""
    start, replies = Barrier(len(questions)), list[list[Reply]]()

    def client(secret: str, mine: Sequence[str], got: list[Reply]) -> None:
        start.wait()
        got.extend(ask(address, secret, question, timeout_s) for question in mine)

    threads = []
    for number, mine in enumerate(questions):
        replies.append([])
        arguments = (secrets[number % len(secrets)], mine, replies[-1])
        threads.append(Thread(target=client, args=arguments))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [reply for got in replies for reply in got]


def _read(response: http.client.HTTPResponse, began: float) -> Reply:
    if response.status != HTTPStatus.OK:
        response.read()
        wait = response.getheader("retry-after")
        wait_s = int(wait) if wait else None
        return Reply(response.status, time.perf_counter() - began, retry_after=wait_s)
    name, first, made, answer, problem = "", None, False, None, ""
    for line in response:
        kind, _, value = line.decode().rstrip("\n").partition(": ")
        if kind == "event":
            name, made = value, made or value == "stage"
            if first is None and value == "sentence":
                first = time.perf_counter() - began
        elif kind == "data" and name == "answer":
            answer = json.loads(value)["status"]
        elif kind == "data" and name != "stage" and name != "sentence":
            problem = value
    total = time.perf_counter() - began
    return Reply(response.status, total, first, answer, made, None, problem)
