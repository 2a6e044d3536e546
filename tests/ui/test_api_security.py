"""What surrounds the routes: headers, limits of body and time, hosts, origins."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.testclient import TestClient

from rag.config import ServeConfig
from ui.api.security import HEADERS, harden

MB = 10**6
RELEASED = threading.Event()


def application() -> FastAPI:
    app = FastAPI()

    @app.post("/echo")
    async def echo(request: Request) -> JSONResponse:
        return JSONResponse({"bytes": len(await request.body())})

    @app.post("/typed")
    async def typed(body: dict[str, Any]) -> JSONResponse:
        return JSONResponse(body)

    @app.post("/documents")
    async def documents(request: Request) -> JSONResponse:
        return JSONResponse({"bytes": len(await request.body())})

    @app.get("/slow")
    async def slow() -> None:
        await asyncio.sleep(30)

    @app.get("/thread")
    def thread() -> None:
        RELEASED.wait(1.0)

    @app.get("/events")
    async def events() -> StreamingResponse:
        return StreamingResponse(_lines(), media_type="text/event-stream")

    @app.get("/pieces")
    async def pieces() -> StreamingResponse:
        return StreamingResponse(_lines(), media_type="text/plain")

    @app.get("/breaks")
    async def breaks() -> None:
        raise RuntimeError("the question was: who is Ada?")

    return app


async def _lines() -> AsyncIterator[str]:
    yield "data: one\n\n"
    await asyncio.sleep(30)


def client(**settings: Any) -> TestClient:
    app = application()
    harden(app, ServeConfig(**settings))
    return TestClient(app)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/echo", 200),
        ("GET", "/nowhere", 404),
        ("GET", "/echo", 405),
        ("POST", "/typed", 422),
        ("GET", "/breaks", 500),
    ],
)
def test_every_response_has_the_headers(method: str, path: str, status: int) -> None:
    got = client().request(method, path)
    assert got.status_code == status
    assert {name: got.headers[name] for name in HEADERS} == HEADERS


def test_what_breaks_tells_no_particulars(caplog: pytest.LogCaptureFixture) -> None:
    got = client().get("/breaks")
    assert got.json()["error"]["message"] == "something went wrong in the server"
    assert "unexpected RuntimeError in /breaks" in caplog.text
    assert "Ada" not in got.text + caplog.text


@pytest.mark.parametrize("path", ["/echo", "/typed"])
@pytest.mark.parametrize(("size", "status"), [(MB, 200), (MB + 1, 413)])
@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_has_a_limit_whether_or_not_it_says_its_length(
    path: str, size: int, status: int, chunked: bool
) -> None:
    body = b'{"a":"' + b"x" * (size - 8) + b'"}'
    sent: Any = _chunks(body) if chunked else body
    headers = {"content-type": "application/json"}
    got = client(body_mb=1.0).post(path, content=sent, headers=headers)
    assert got.status_code == status
    assert (got.headers.get("connection") == "close") == (status == 413)
    if status == 413:
        assert "1,000,000 bytes" in got.json()["error"]["message"]


def test_uploads_have_a_limit_of_their_own() -> None:
    asked = client(body_mb=0.001, upload_mb=0.01)
    assert asked.post("/documents", content=b"x" * 10_000).status_code == 200
    assert asked.post("/documents", content=b"x" * 10_001).status_code == 413
    assert asked.post("/echo", content=b"x" * 1001).status_code == 413


def test_a_length_that_lies_helps_nobody() -> None:
    headers = {"content-length": "5"}
    got = asgi("POST", "/echo", headers, [b"x" * 800, b"x" * 800], body_mb=0.001)
    assert status(got) == 413


def test_what_takes_too_long_ends_with_504() -> None:
    began = time.monotonic()
    got = client(timeout_s=0.1).get("/slow")
    assert time.monotonic() - began < 10
    assert (got.status_code, got.json()["error"]["code"]) == (504, "timeout")
    assert int(got.headers["retry-after"]) >= 1


def test_a_thread_does_not_hold_the_answer_back() -> None:
    RELEASED.clear()
    heard: list[float] = []
    began = time.monotonic()
    got = asgi("GET", "/thread", {}, [], lambda _: heard.append(time.monotonic() - began))
    RELEASED.set()
    assert status(got) == 504
    assert heard[-1] < 0.9


def test_events_that_take_too_long_end_with_an_error_as_the_last() -> None:
    got = client(timeout_s=0.1).get("/events")
    assert got.status_code == 200
    first, last, end = got.text.split("\n\n")
    assert (first, end) == ("data: one", "")
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "timeout"


def test_another_stream_that_takes_too_long_is_cut_off() -> None:
    got = asgi("GET", "/pieces", {}, [])
    assert [m["type"] for m in got] == ["http.response.start", "http.response.body"]
    assert got[-1]["more_body"], "it is never said to be whole"


def test_a_client_who_does_not_read_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.api.security._LAST_WORD_SECONDS", 0.1)

    async def stuck(message: Any) -> None:
        await asyncio.sleep(30)

    began = time.monotonic()
    asgi("GET", "/events", {}, [], stuck)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("hosts", "host", "expected"),
    [
        ((), "anything.example", 200),
        (("kb.example",), "kb.example", 200),
        (("kb.example",), "kb.example:8700", 200),
        (("kb.example",), "evil.example", 400),
        (("kb.example",), "kb.example.evil.example", 400),
    ],
)
def test_only_hosts_that_are_named_if_any_are(
    hosts: tuple[str, ...], host: str, expected: int
) -> None:
    got = client(hosts=hosts).post("/echo", headers={"host": host})
    assert got.status_code == expected
    assert got.headers["x-frame-options"] == "DENY"


PREFLIGHT = {"access-control-request-method": "POST", "access-control-request-headers": "X"}


@pytest.mark.parametrize(
    ("cors", "origin", "allowed"),
    [
        ((), "https://evil.example", None),
        (("https://a.example",), "https://a.example", "https://a.example"),
        (("https://a.example",), "https://evil.example", None),
        (("https://a.example",), "https://a.example.evil.example", None),
        (("https://a.example",), "null", None),
    ],
)
def test_pages_of_other_origins_may_not_ask_unless_named(
    cors: tuple[str, ...], origin: str, allowed: str | None
) -> None:
    asked = client(cors=cors)
    for got in (
        asked.post("/echo", headers={"origin": origin}),
        asked.options("/echo", headers={"origin": origin, **PREFLIGHT}),
    ):
        assert got.headers.get("access-control-allow-origin") == allowed
        assert "access-control-allow-credentials" not in got.headers


def _chunks(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 100_000):
        yield body[start : start + 100_000]


def status(messages: list[Any]) -> int:
    return int(messages[0]["status"])


def asgi(
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: list[bytes],
    heard: Any = None,
    **settings: Any,
) -> list[Any]:
    """What a hardened application sends to one request, message by message; 0.1 s are allowed."""
    app, sent = application(), []
    harden(app, ServeConfig(**{"timeout_s": 0.1, **settings}))
    parts = [
        {"type": "http.request", "body": part, "more_body": n < len(body)}
        for n, part in enumerate(body, 1)
    ]
    parts = parts or [{"type": "http.request", "body": b"", "more_body": False}]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 9),
        "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
    }

    async def receive() -> Any:
        if parts:
            return parts.pop(0)
        await asyncio.sleep(30)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        if heard is not None and (waiting := heard(message)) is not None:
            await waiting

    asyncio.run(app(scope, receive, send))
    return sent
