"""The engine over a server, against a real one on loopback that fails in every way it can."""

from __future__ import annotations

import json
import time
from pathlib import Path
from threading import Event, Timer
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag.engines.counting import counts_exactly, estimated, local_counter
from rag.engines.openai import OpenAIEngine
from rag.engines.retry import Retries
from rag.errors import EngineError
from rag.types import Decoding, Message, Token

ASK = (Message("system", "Be brief."), Message("user", "Name three colours, please."))
KEY = "sk-secret-of-the-test"
QUICK = Retries(attempts=4, first=0.01, longest=0.02)


def engine(server: Any, **options: Any) -> OpenAIEngine:
    known = {"key": KEY, "window": 512, "timeout": 1.0, "retries": QUICK, **options}
    return OpenAIEngine("m", server.url, **known)


def ask(server: Any, cancel: Event | None = None, **options: Any) -> list[Token]:
    opened = engine(server)
    decoding = Decoding(**{"max_tokens": 50, **options})
    return list(opened.stream(ASK, decoding, cancel or Event()))


def text(tokens: list[Token]) -> str:
    return "".join(token.text for token in tokens)


def test_streams_text_and_log_probabilities(chat_server: Any) -> None:
    tokens = ask(chat_server)
    assert text(tokens) == chat_server.reply
    assert {token.logprob for token in tokens} == {-0.25}
    assert [token.id for token in tokens] == list(range(len(tokens)))
    assert chat_server.keys == [f"Bearer {KEY}"]


@pytest.mark.parametrize(
    "faults",
    [[500], [503, 502], [429], [(429, "0")], ["close"], ["close", 500], ["hang"]],
    ids=str,
)
def test_failures_before_the_first_token_are_tried_again(
    chat_server: Any, faults: list[Any]
) -> None:
    chat_server.faults = list(faults)
    assert text(ask(chat_server)) == chat_server.reply
    assert len(chat_server.asked) == len(faults) + 1


@pytest.mark.parametrize("fault", ["middle", "error", "half", "slow"])
def test_a_failure_after_text_was_taken_is_an_error_and_never_a_second_try(
    chat_server: Any, fault: str
) -> None:
    chat_server.faults = [fault]
    taken: list[Token] = []
    with pytest.raises(EngineError, match="broke off"):
        taken.extend(engine(chat_server).stream(ASK, Decoding(), Event()))
    assert chat_server.reply.startswith(text(taken))
    assert taken
    assert len(chat_server.asked) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_is_said_once_and_without_the_key(chat_server: Any, status: int) -> None:
    chat_server.faults = [status]
    with pytest.raises(EngineError, match=f"no: {status}") as raised:
        ask(chat_server)
    assert KEY not in str(raised.value)
    assert len(chat_server.asked) == 1


def test_gives_up_after_so_many_attempts(chat_server: Any) -> None:
    chat_server.faults = [500] * 9
    with pytest.raises(EngineError, match="500"):
        ask(chat_server)
    assert len(chat_server.asked) == QUICK.attempts


def test_does_not_wait_longer_than_its_patience(chat_server: Any) -> None:
    chat_server.faults = [(429, "3600")]
    began = time.monotonic()
    with pytest.raises(EngineError, match="429"):
        ask(chat_server)
    assert time.monotonic() - began < 10


def test_waits_as_long_as_it_is_asked_to(chat_server: Any) -> None:
    chat_server.faults = [(503, "1")]
    began = time.monotonic()
    assert ask(chat_server)
    assert 1.0 <= time.monotonic() - began < 10


@pytest.mark.parametrize("fault", ["hang", "slow"])
def test_cancelling_closes_the_connection(chat_server: Any, fault: str) -> None:
    """Also before the first token, while the server says nothing at all."""
    chat_server.faults = [fault]
    cancel = Event()
    opened = engine(chat_server, timeout=30.0)
    Timer(0.3, cancel.set).start()
    began = time.monotonic()
    taken = list(opened.stream(ASK, Decoding(), cancel))
    assert time.monotonic() - began < 10
    assert len(taken) <= 1
    assert chat_server.left.wait(5)


def test_closing_the_stream_closes_the_connection(chat_server: Any) -> None:
    chat_server.faults = ["slow"]
    stream = engine(chat_server, timeout=30.0).stream(ASK, Decoding(), Event())
    next(stream)
    stream.close()
    assert chat_server.left.wait(5)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.integers(1, 40), max_size=5),
    reply=st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=30),
)
def test_how_the_bytes_are_cut_changes_nothing(
    chat_server: Any, cuts: list[int], reply: str
) -> None:
    chat_server.cuts, chat_server.reply = cuts, f"x{reply.strip()}"
    assert text(ask(chat_server, max_tokens=100)) == chat_server.reply


def test_scores_by_the_likeliest_tokens(chat_server: Any) -> None:
    opened = engine(chat_server)
    assert opened.score(ASK, ("Yes", "No")) == [-0.2, -2.0]
    assert opened.score(ASK, ("Perhaps",)) == [-9.0]
    assert chat_server.asked[0]["max_tokens"] == 1
    assert chat_server.asked[0]["top_logprobs"] == 20


def test_a_server_without_log_probabilities_streams_but_cannot_score(chat_server: Any) -> None:
    chat_server.logprobs = False
    opened = engine(chat_server)
    tokens = list(opened.stream(ASK, Decoding(), Event()))
    assert text(tokens) == chat_server.reply
    assert {token.logprob for token in tokens} == {0.0}
    with pytest.raises(EngineError, match="no log-probabilities"):
        opened.score(ASK, ("Yes", "No"))


def test_decoding_is_sent_as_servers_name_it(chat_server: Any) -> None:
    ask(chat_server, temperature=0.5, top_k=7, top_p=0.9, repetition_penalty=1.2, seed=3)
    sent = chat_server.asked[0]
    assert (sent["temperature"], sent["top_k"], sent["top_p"], sent["seed"]) == (0.5, 7, 0.9, 3)
    assert sent["repetition_penalty"] == sent["repeat_penalty"] == 1.2


def test_a_server_that_counts_no_tokens_is_one_clear_error(chat_server: Any) -> None:
    chat_server.counts = False
    with pytest.raises(EngineError, match="name a tokenizer folder"):
        engine(chat_server)


def test_a_server_that_is_not_there_is_one_clear_error(chat_server: Any) -> None:
    with pytest.raises(EngineError, match="onnect"):
        OpenAIEngine("m", "http://127.0.0.1:9/v1", KEY, retries=Retries(attempts=1))


def test_estimates_are_marked_and_too_high(chat_server: Any) -> None:
    chat_server.counts = False
    opened = engine(chat_server, count=estimated, counts_exactly=False)
    assert not counts_exactly(opened)
    assert text(list(opened.stream(ASK, Decoding(), Event()))) == chat_server.reply


def test_a_folder_counts_as_its_model_does(tiny_lm: str) -> None:
    from rag.engines.hf import TransformersEngine

    count, served = local_counter(Path(tiny_lm)), TransformersEngine(tiny_lm, 512)
    assert count(ASK) == served.count_tokens(ASK)
    assert estimated(ASK) > 0


def test_a_folder_without_a_tokenizer_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cannot read"):
        local_counter(tmp_path)
    (tmp_path / "tokenizer.json").write_text(json.dumps({"version": "none"}))
    with pytest.raises(EngineError, match="cannot read"):
        local_counter(tmp_path)
