"""Who gets in: keys and scopes, health, metrics, traces and feedback."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from ui.api.traces import may_see

QUESTION = "How many days of annual leave are there?"
PAY = "What is the pay of a harbour pilot?"
ROUTES = [
    ("POST", "/v1/chat/completions"),
    ("GET", "/v1/models"),
    ("POST", "/v1/embeddings"),
    ("POST", "/ask"),
    ("POST", "/search"),
    ("GET", "/documents"),
    ("DELETE", "/documents"),
    ("GET", "/traces/20260101T000000-00000000"),
    ("POST", "/feedback"),
    ("GET", "/conversations"),
    ("DELETE", "/conversations/x"),
    ("GET", "/metrics"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_no_key_no_answer(running: Any, method: str, path: str) -> None:
    with running.client(None) as client:
        done = client.request(method, path)
    assert done.status_code == 401
    assert done.json()["error"]["code"] == "invalid_api_key"
    assert done.headers["www-authenticate"] == "Bearer"
    assert done.headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/documents"), ("GET", "/metrics"), ("POST", "/search")]
)
def test_a_key_does_what_its_scopes_say(running: Any, method: str, path: str) -> None:
    with running.client("ask") as client:
        done = client.request(method, path)
    assert done.status_code == 403
    assert running.notes.kinds() == ["refused"]


def test_without_any_key_the_answer_says_how_to_make_one(serve: Any) -> None:
    with serve(keys=False) as running, running.client(None) as client:
        done = client.get("/v1/models")
    assert done.status_code == 401
    assert "surefoot keys add NAME --kb DIR" in done.json()["error"]["message"]


def test_a_revoked_key_is_out_at_once(running: Any) -> None:
    with running.client("open") as client:
        assert client.get("/v1/models").status_code == 200
        running.service.keys.revoke("open")
        assert client.get("/v1/models").status_code == 401


def test_health_needs_no_key(running: Any) -> None:
    with running.client(None) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/readyz").json() == {"status": "ready"}
        running.service.life.drain()
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200


def test_metrics_count_what_happened(running: Any) -> None:
    with running.client() as client:
        client.post("/ask", json={"question": QUESTION})
        client.get("/nowhere")
        text = client.get("/metrics").text
    assert 'route="/ask"' in text
    assert QUESTION not in text


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/docs", 404), ("/ask", 405)])
def test_other_paths_have_the_same_errors(running: Any, path: str, status: int) -> None:
    with running.client() as client:
        done = client.get(path)
    assert done.status_code == status
    assert done.json()["error"]["code"]
    assert done.headers["x-request-id"]


def test_a_trace_is_for_who_may_see_what_it_rests_on(running: Any) -> None:
    with running.client("hr") as mine, running.client("open") as other:
        id = mine.post("/ask", json={"question": PAY}).json()["trace"]
        assert mine.get(f"/traces/{id}").json()["question"] == PAY
        assert other.get(f"/traces/{id}").status_code == 404
        assert other.post("/feedback", json={"trace": id, "verdict": "bad"}).status_code == 404


@pytest.mark.parametrize("id", ["..%2F..%2Fservice%2Fkeys", "x", "20260101T000000-00000000"])
def test_only_ids_of_traces_are_looked_up(running: Any, id: str) -> None:
    with running.client() as client:
        assert client.get(f"/traces/{id}").status_code == 404


@pytest.mark.parametrize(
    ("asker", "passages", "reader", "seen"),
    [
        ([], [], [], True),
        (["hr"], [], [], False),
        (["hr"], [], ["hr"], True),
        ([], [["hr"]], ["legal"], False),
        ([], [["hr"], []], ["hr"], True),
        (["hr", "legal"], [[]], ["hr"], False),
    ],
)
def test_who_may_see_a_trace(
    asker: list[str], passages: list[list[str]], reader: list[str], seen: bool
) -> None:
    found = {"passages": [{"groups": each} for each in passages]}
    record = {"asked": {"groups": asker}, "answer": found}
    assert may_see(record, frozenset(reader)) == seen


def test_an_old_trace_that_names_no_asker_is_for_nobody() -> None:
    assert not may_see({"answer": {"passages": []}}, frozenset({"hr"}))


def test_feedback_goes_to_review(running: Any) -> None:
    with running.client() as client:
        id = client.post("/ask", json={"question": QUESTION}).json()["trace"]
        good = client.post("/feedback", json={"trace": id, "verdict": "good"})
        bad = {"trace": id, "verdict": "bad", "reason": "too short"}
        told = client.post("/feedback", json=bad).json()
    assert good.json() == {"noted": True, "item": None}
    item = running.service.review.get(told["item"])
    assert (item.question, item.source, item.reason) == (QUESTION, "thumbs-down", "too short")
    assert running.service.review.stats().thumbs_up == 1


def test_no_log_holds_a_question_or_a_secret(
    running: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with running.client() as client:
        client.post("/ask", json={"question": QUESTION})
        client.post("/ask", json={"question": QUESTION, "where": ["nokey=1"]})
        client.get("/traces/x", params={"q": QUESTION})
    ours = [record.getMessage() for record in caplog.records if "surefoot" in record.name]
    assert any("/ask" in line for line in ours)
    for line in ours:
        assert QUESTION not in line
        assert running.secrets["all"] not in line


@pytest.mark.parametrize("chunked", [True, False])
def test_a_client_that_is_still_sending_reads_why_it_is_refused(
    running: Any, chunked: bool
) -> None:
    pieces = [b"x" * 100_000] * 120
    with running.client() as client:
        for _ in range(3):
            got = client.post("/ask", content=iter(pieces) if chunked else b"".join(pieces))
            assert (got.status_code, got.json()["error"]["code"]) == (413, "too_large")
