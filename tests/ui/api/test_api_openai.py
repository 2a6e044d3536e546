"""The official OpenAI client, unchanged, against a real server."""

from __future__ import annotations

from typing import Any

import numpy as np
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.engines.scripted import ScriptedEngine
from ui.api.chat import Even
from ui.api.wire_openai import ChatReply

LEAVE = "Annual leave is twenty five days a year."
REPLY = f"{LEAVE} Up to five days can be carried over."
QUESTION = "How many days of annual leave are there?"
ASKED = [{"role": "user", "content": QUESTION}]


def connect(running: Any, key: str = "all") -> openai.OpenAI:
    secret = running.secrets.get(key, key)
    return openai.OpenAI(base_url=f"{running.url}/v1", api_key=secret, max_retries=0, timeout=20)


def ask(running: Any, key: str = "all", **more: Any) -> Any:
    options = {"model": "surefoot", "messages": ASKED, **more}
    return connect(running, key).chat.completions.create(**options)


def test_a_completion(running: Any) -> None:
    done = ask(running)
    assert done.choices[0].message.content == REPLY
    assert done.choices[0].finish_reason == "stop"
    assert done.model == "scripted"
    assert done.usage.total_tokens == done.usage.prompt_tokens + done.usage.completion_tokens > 0
    ChatReply.model_validate(done.model_dump())
    facts = done.choices[0].message.model_extra["surefoot"]
    assert facts["status"] == "answered"
    assert facts["sentences"][0]["citations"]
    assert facts["trace"]
    assert facts["passages"] == []


def test_a_stream_says_the_same(running: Any) -> None:
    whole = ask(running)
    chunks = list(ask(running, stream=True, stream_options={"include_usage": True}))
    said = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert said == whole.choices[0].message.content
    last = chunks[-2]
    assert last.choices[0].finish_reason == "stop"
    assert last.model_extra["surefoot"]["trace"]
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage


def test_passages_come_when_asked_for(running: Any) -> None:
    done = ask(running, extra_body={"surefoot": {"passages": True}})
    assert done.choices[0].message.model_extra["surefoot"]["passages"]


def test_a_system_message_is_not_obeyed_and_named(serve: Any) -> None:
    engine = ScriptedEngine([REPLY])
    with serve(engine) as running:
        told = [{"role": "system", "content": "Answer in French."}, *ASKED]
        done = ask(running, messages=told, frequency_penalty=0.1, tools=[])
    assert not any("French" in message.content for message in engine.asked[0])
    ignored = done.choices[0].message.model_extra["surefoot"]["ignored"]
    assert ignored == ["frequency_penalty", "tools", "messages of the role system"]


def test_the_earlier_messages_are_the_history(serve: Any) -> None:
    engine = ScriptedEngine([REPLY])
    with serve(engine) as running:
        told = [*ASKED, {"role": "assistant", "content": LEAVE}]
        ask(running, messages=[*told, {"role": "user", "content": "Can they be carried over?"}])
    assert any(QUESTION in message.content for message in engine.asked[0][:-1])


@pytest.mark.parametrize(
    ("options", "finish"),
    [({"max_tokens": 8}, "length"), ({"max_completion_tokens": 8}, "length"), ({}, "stop")],
)
def test_tokens_are_bounded_as_asked(running: Any, options: dict[str, Any], finish: str) -> None:
    done = ask(running, temperature=0.0, top_p=1.0, seed=-7, n=1, stop=["§"], **options)
    assert done.choices[0].finish_reason == finish


def test_what_the_guard_blocks_is_filtered_in_both_ways(serve: Any) -> None:
    with serve(ScriptedEngine([f"{LEAVE} Then build a bomb of it."])) as running:
        whole = ask(running)
        chunks = list(ask(running, stream=True))
    assert whole.choices[0].finish_reason == "content_filter"
    assert chunks[-1].choices[0].finish_reason == "content_filter"
    said = "".join(c.choices[0].delta.content or "" for c in chunks)
    assert said == whole.choices[0].message.content
    assert said.startswith(LEAVE)
    assert "bomb" not in said


@pytest.mark.parametrize(
    ("key", "options", "error", "code"),
    [
        ("nonsense", {}, openai.AuthenticationError, "invalid_api_key"),
        ("all", {"model": "gpt-4o"}, openai.NotFoundError, "model_not_found"),
        ("all", {"temperature": 9}, openai.BadRequestError, "invalid_request"),
        ("all", {"n": 2}, openai.BadRequestError, "invalid_request"),
        ("all", {"messages": []}, openai.BadRequestError, "invalid_request"),
        ("all", {"messages": [{"role": "system", "content": "x"}]}, openai.BadRequestError, None),
    ],
)
def test_errors_are_the_clients_own(
    running: Any, key: str, options: dict[str, Any], error: type[Exception], code: str | None
) -> None:
    with pytest.raises(error) as raised:
        ask(running, key, **options)
    assert isinstance(raised.value, openai.APIStatusError)
    if code is not None:
        assert raised.value.code == code


def test_too_many_requests_say_when_to_come_back(running: Any) -> None:
    for _ in range(2):
        ask(running, "slow")
    with pytest.raises(openai.RateLimitError) as raised:
        ask(running, "slow")
    assert int(raised.value.response.headers["retry-after"]) > 0
    assert running.notes.lines[-1][2] == {"status": 429, "why": "rate_limit_exceeded"}


def test_models_and_embeddings(running: Any) -> None:
    client = connect(running)
    names = [model.id for model in client.models.list()]
    assert names == ["surefoot", "scripted", "hash"]
    packed = client.embeddings.create(model="hash", input=["leave", "pay"])
    plain = client.embeddings.create(model="hash", input="leave", encoding_format="float")
    assert packed.data[0].embedding == plain.data[0].embedding
    assert np.linalg.norm(packed.data[1].embedding) == pytest.approx(1.0)
    assert packed.usage.prompt_tokens == 2


@given(st.lists(st.text(alphabet="ab \n", max_size=5)))
def test_deltas_add_up_to_the_answers_text(sentences: list[str]) -> None:
    even = Even()
    assert "".join(map(even.delta, sentences)) == "".join(sentences).strip()
