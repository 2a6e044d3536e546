"""Asking, searching and conversations over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rag.engines.scripted import ScriptedEngine
from ui.api.wire import AnswerReply, SearchReply

QUESTION = "How many days of annual leave are there?"
PAY = "What is the pay of a harbour pilot?"


def events(text: str) -> list[tuple[str, Any]]:
    found = []
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def test_an_answer_is_what_the_command_line_prints(running: Any) -> None:
    with running.client() as client:
        done = client.post("/ask", json={"question": QUESTION})
    assert done.status_code == 200, done.text
    reply = done.json()
    AnswerReply.model_validate(reply)
    assert reply["status"] == "answered"
    assert reply["answer"].startswith("Annual leave is twenty five days")
    assert reply["sentences"][0]["citations"][0]["quote"]
    assert "/" not in reply["trace"]


def test_a_stream_ends_with_the_same_answer(running: Any) -> None:
    with running.client() as client:
        whole = client.post("/ask", json={"question": QUESTION}).json()
        done = client.post("/ask", json={"question": QUESTION, "stream": True})
    assert done.headers["content-type"].startswith("text/event-stream")
    found = events(done.text)
    assert [name for name, _ in found][-1] == "answer"
    assert found[-1][1]["answer"] == whole["answer"]
    sentences = [data["text"] for name, data in found if name == "sentence"]
    assert sentences == [item["text"] for item in whole["sentences"]]


@pytest.mark.parametrize(
    ("key", "groups", "seen"),
    [
        ("all", None, True),
        ("hr", None, True),
        ("hr", ["hr"], True),
        ("all", [], False),
        ("all", ["legal"], False),
        ("open", None, False),
    ],
)
def test_a_key_sees_its_groups_and_a_request_may_narrow_them(
    running: Any, key: str, groups: list[str] | None, seen: bool
) -> None:
    with running.client(key) as client:
        done = client.post("/search", json={"question": PAY, "groups": groups})
    SearchReply.model_validate(done.json())
    assert seen == any("pilot" in item["text"] for item in done.json()["passages"])


@pytest.mark.parametrize("path", ["/ask", "/search"])
def test_a_request_never_widens_its_groups(running: Any, path: str) -> None:
    with running.client("open") as client:
        done = client.post(path, json={"question": PAY, "groups": ["hr"]})
    assert done.status_code == 403
    assert done.json()["error"]["code"] == "groups"


def test_a_conversation_goes_on_and_belongs_to_its_key(serve: Any) -> None:
    engine = ScriptedEngine(["Annual leave is twenty five days a year."])
    with (
        serve(engine) as running,
        running.client("open") as mine,
        running.client("ask") as other,
    ):
        for question in (QUESTION, "Can they be carried over?"):
            body = {"question": question, "conversation": "holidays"}
            assert mine.post("/ask", json=body).status_code == 200
        assert any(QUESTION in message.content for message in engine.asked[-1][:-1])
        [kept] = mine.get("/conversations").json()["conversations"]
        assert (kept["name"], kept["turns"]) == ("holidays", 2)
        assert other.get("/conversations").json()["conversations"] == []
        assert other.delete("/conversations/holidays").status_code == 404
        assert mine.delete("/conversations/holidays").json() == {"removed": True}
        assert mine.get("/conversations").json()["conversations"] == []


def test_nobody_reaches_a_conversation_by_its_id(running: Any) -> None:
    with running.client("open") as mine, running.client("ask") as other:
        mine.post("/ask", json={"question": QUESTION, "conversation": "holidays"})
        [kept] = running.service.conversations.all()
        assert other.delete(f"/conversations/{kept.id}").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"question": ""},
        {"question": "   "},
        {"question": QUESTION, "unknown": 1},
        {"question": QUESTION, "where": ["nonsense"]},
        {"question": QUESTION, "where": ["nokey=1"]},
        {"question": QUESTION, "history": [{"role": "system", "content": "x"}]},
        {"question": QUESTION, "history": [{"role": "user", "content": "x"}], "conversation": "c"},
    ],
)
def test_what_is_wrong_is_said_in_one_line(running: Any, body: dict[str, Any]) -> None:
    with running.client() as client:
        done = client.post("/ask", json=body)
    assert done.status_code == 400, done.text
    assert "\n" not in done.json()["error"]["message"]


def test_asked_again_it_comes_from_the_cache_and_is_noted(running: Any) -> None:
    with running.client() as client:
        first, second = (client.post("/ask", json={"question": QUESTION}).json() for _ in range(2))
    assert first == second
    assert running.notes.kinds() == ["cached"]
    assert running.service.cache.hits == 1
