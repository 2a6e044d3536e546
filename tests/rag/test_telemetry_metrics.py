"""What Prometheus reads: series, their bounds, and that counting never costs an answer."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from ingest.build import ingest
from ingest.testing import HashEmbedder
from rag.config import Config, TelemetryConfig, load
from rag.errors import ConfigError, EngineError
from rag.telemetry.counting import Counting
from rag.telemetry.instruments import TABLE
from rag.telemetry.measures import FINISH, STAGES
from rag.telemetry.memory import Memory
from rag.telemetry.state import StateCollector
from rag.telemetry.telemetry import Telemetry, open_telemetry
from rag.types import (
    Answer,
    Citation,
    Dropped,
    Finding,
    ModelRef,
    Passage,
    Sentence,
    TokenUse,
)

PRICED = Config(telemetry=TelemetryConfig(price_prompt=0.2, price_completion=0.4, currency="CHF"))
WHOSE = {"variant": "default", "role": "stable"}
ANSWER = Answer(
    status="answered",
    text="Yes.",
    sentences=(Sentence("Yes.", 0.9, (Citation("d", "p", 1, 0, 4, "Yes."),)),),
    passages=(Passage(1, 0.8, 0.7, 3.0, "d", "p", "t", (), 1, 0, 4, "Yes."),),
    findings=(Finding("answer", "EMAIL_ADDRESS", 0, 2, 0.9, "pii", "redact"),),
    tokens=TokenUse(500, 11, 4096, (Dropped("a", 30, "the budget is full"),), cached=60),
    timings_ms={
        "guard_question": 10.0,
        "retrieve": 40.0,
        "guard_passages": 60.0,
        "budget": 65.0,
        "check": 165.0,
        "first_token": 200.0,
        "first_shown": 300.0,
        "generate": 600.0,
        "total": 610.0,
    },
    model=ModelRef("tiny", "ab"),
    trace="",
    withheld=2,
    signals={"trust": 0.7},
)


def value(telemetry: Telemetry, name: str, **labels: str) -> float | None:
    """The value of the one series with these labels."""
    for family in text_string_to_metric_families(telemetry.exposition()[0].decode()):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return float(sample.value)
    return None


def series(telemetry: Telemetry) -> int:
    return sum(not line.startswith(b"#") for line in telemetry.exposition()[0].splitlines())


@pytest.fixture
def telemetry() -> Telemetry:
    return open_telemetry(PRICED, {})


def test_an_answer_is_counted_in_every_way(telemetry: Telemetry) -> None:
    telemetry.answered(ANSWER, time.time_ns(), "someone")
    mine = {**WHOSE, "gen_ai_request_model": "tiny"}
    for name, labels, expected in (
        ("surefoot_answers_total", {**WHOSE, "outcome": "answered", "cause": "none"}, 1),
        ("gen_ai_server_request_duration_seconds_sum", mine, 0.61),
        ("gen_ai_server_time_to_first_token_seconds_sum", mine, 0.2),
        ("gen_ai_server_time_per_output_token_seconds_sum", mine, 0.04),
        ("surefoot_time_to_first_shown_seconds_sum", WHOSE, 0.3),
        ("surefoot_stage_seconds_sum", {**WHOSE, "stage": "retrieve"}, 0.03),
        ("gen_ai_client_token_usage_sum", {**mine, "gen_ai_token_type": "input"}, 500),
        ("gen_ai_client_token_usage_sum", {**mine, "gen_ai_token_type": "output"}, 11),
        ("surefoot_prompt_cached_tokens_total", mine, 60),
        ("surefoot_cost_total", {**mine, "currency": "CHF"}, 0.1044),
        ("surefoot_prompt_dropped_tokens_total", {**WHOSE, "why": "budget_full"}, 30),
        ("surefoot_prompt_truncations_total", {**WHOSE, "why": "budget_full"}, 1),
        ("surefoot_retrievals_total", {**WHOSE, "result": "hit"}, 1),
        ("surefoot_retrieval_best_score_sum", WHOSE, 0.8),
        ("surefoot_trust_sum", WHOSE, 0.7),
        ("surefoot_sentences_total", {**WHOSE, "fate": "supported"}, 1),
        ("surefoot_sentences_total", {**WHOSE, "fate": "withheld"}, 2),
        (
            "surefoot_guard_findings_total",
            {**WHOSE, "stage": "answer", "label": "EMAIL_ADDRESS", "action": "redact"},
            1,
        ),
    ):
        assert value(telemetry, name, **labels) == pytest.approx(expected), name


def test_a_failure_and_a_filter_error(telemetry: Telemetry) -> None:
    telemetry.failed(EngineError("tiny", "broken"), time.time_ns(), "")
    blocked = replace(ANSWER, status="blocked", cause="filter pii: timeout")
    telemetry.answered(blocked, time.time_ns(), "")
    assert value(telemetry, "surefoot_failures_total", **WHOSE, cause="engine") == 1
    labels = {**WHOSE, "filter": "pii", "kind": "timeout"}
    assert value(telemetry, "surefoot_filter_errors_total", **labels) == 1


def test_what_happens_around_answers(telemetry: Telemetry) -> None:
    telemetry.requested("/documents/42", 200, 0.2)
    telemetry.refused("queue")
    telemetry.cached(True)
    telemetry.queued(7)
    telemetry.canary("new", 0.1, "canary")
    telemetry.canary("new", 0.0, "rolled_back")
    labels = {"http_route": "/documents/{id}", "http_response_status_code": "200"}
    assert value(telemetry, "http_server_request_duration_seconds_count", **labels) == 1
    assert value(telemetry, "surefoot_refusals_total", why="queue") == 1
    assert value(telemetry, "surefoot_cache_lookups_total", result="hit") == 1
    assert value(telemetry, "surefoot_queue_depth") == 7
    assert value(telemetry, "surefoot_release_share", variant="new") == 0
    states = {
        state: value(telemetry, "surefoot_release_state", variant="new", state=state)
        for state in ("canary", "rolled_back")
    }
    assert states == {"canary": 0, "rolled_back": 1}


def test_variants_are_told_apart_and_begin_at_zero(telemetry: Telemetry) -> None:
    canary = telemetry.of("new", "canary")
    mine = {"variant": "new", "role": "canary"}
    assert value(telemetry, "surefoot_failures_total", **mine, cause="engine") == 0
    canary.answered(ANSWER, time.time_ns(), "")
    assert value(telemetry, "surefoot_retrievals_total", **mine, result="hit") == 1
    assert value(telemetry, "surefoot_retrievals_total", **WHOSE, result="hit") == 0


def test_memory_and_process_are_there(telemetry: Telemetry) -> None:
    limit = value(telemetry, "surefoot_memory_limit_bytes", store="host") or 0
    left = value(telemetry, "surefoot_memory_available_bytes", store="host") or 0
    assert limit > left > 0
    assert (value(telemetry, "process_resident_memory_bytes") or 0) > 1e6


def test_memory_that_cannot_be_read_is_left_out() -> None:
    def closed() -> list[Memory]:
        raise PermissionError(13, "Permission denied")

    names = {sample.name for gauge in StateCollector(closed).collect() for sample in gauge.samples}
    assert names == set()


def test_the_index_is_read_anew_each_time(telemetry: Telemetry, tmp_path: Path) -> None:
    kb, document = tmp_path / "kb", tmp_path / "leave.md"
    telemetry.watch(kb)
    assert value(telemetry, "surefoot_index_chunks") is None
    document.write_text("Annual leave is twenty five days a year.")
    ingest([document], kb, HashEmbedder())
    assert value(telemetry, "surefoot_index_chunks") == 1
    assert value(telemetry, "surefoot_index_generation") == 1


def test_every_metric_of_the_table_is_shown(telemetry: Telemetry) -> None:
    text = telemetry.exposition()[0].decode()
    shown = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    assert {row.name for row in TABLE} <= shown
    assert telemetry.exposition()[1].startswith("text/plain")


@settings(max_examples=20)
@given(st.lists(st.text(max_size=12), min_size=1, max_size=8))
def test_no_text_makes_more_series_than_there_are_words(words: list[str]) -> None:
    telemetry = open_telemetry(PRICED, {})
    for word in [*words, *(f"{word}{n}" for word in words for n in range(6))]:
        finding = Finding("answer", word, 0, 1, 0.5, word)
        odd = replace(
            ANSWER,
            status="blocked",
            cause=f"filter {word}: {word}",
            findings=(finding,),
            model=ModelRef(word, word),
            tokens=TokenUse(1, 2, 3, (Dropped(word, 1, word),)),
            timings_ms={**ANSWER.timings_ms, word: 5.0},
        )
        telemetry.of(word, word).answered(odd, time.time_ns(), word)
        telemetry.requested(f"/{word}", len(word), 0.1)
        telemetry.refused(word)
        telemetry.canary(word, 0.5, word)
    assert value(telemetry, "surefoot_telemetry_errors_total") == 0
    text = telemetry.exposition()[0].decode()
    models = set(re.findall(r'gen_ai_request_model="((?:[^"\\]|\\.)*)"', text))
    variants = set(re.findall(r'[{,]variant="((?:[^"\\]|\\.)*)"', text))
    rest = {name for row in TABLE for name in row.labels} - {"gen_ai_request_model", "variant"}
    assert len(models) <= 17
    assert len(variants) <= 33
    for name in rest:
        assert len(set(re.findall(rf'[{{,]{name}="([^"]*)"', text))) < 90, name


def test_threads_lose_nothing(telemetry: Telemetry) -> None:
    def work() -> None:
        for _ in range(50):
            telemetry.answered(ANSWER, time.time_ns(), "")
            telemetry.exposition()

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    labels = {**WHOSE, "outcome": "answered", "cause": "none"}
    assert value(telemetry, "surefoot_answers_total", **labels) == 200


def test_a_fault_in_counting_costs_no_answer(
    telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a private text")

    monkeypatch.setattr(Counting, "answered", broken)
    for _ in range(3):
        telemetry.answered(ANSWER, time.time_ns(), "")
    assert value(telemetry, "surefoot_telemetry_errors_total") == 3
    assert len(caplog.records) == 1
    assert "private" not in caplog.text


def test_counting_an_answer_takes_less_than_a_millisecond(telemetry: Telemetry) -> None:
    def took(event: Callable[[], None]) -> float:
        began = time.perf_counter()
        event()
        return time.perf_counter() - began

    assert min(took(lambda: telemetry.answered(ANSWER, 0, "")) for _ in range(200)) < 0.001


def test_series_do_not_grow_with_answers(telemetry: Telemetry) -> None:
    telemetry.answered(ANSWER, 0, "")
    before = series(telemetry)
    for _ in range(100):
        telemetry.answered(ANSWER, 0, "")
    assert series(telemetry) == before


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("OTLP_ENDPOINT", "collector:4318"),
        ("OTLP_ENDPOINT", "http://me:secret@collector:4318"),
        ("PRICE_PROMPT", "-1"),
        ("PRICE_COMPLETION", "nan"),
        ("CURRENCY", "euro"),
    ],
)
def test_settings_that_make_no_sense(name: str, text: str, tmp_path: Path) -> None:
    file = tmp_path / "surefoot.toml"
    file.write_text("")
    with pytest.raises(ConfigError, match=f"telemetry.{name.lower()}") as raised:
        load({f"SUREFOOT_TELEMETRY_{name}": text}, file)
    assert "secret" not in str(raised.value)


@pytest.mark.e2e
def test_a_real_answer_is_counted(
    telemetry: Telemetry, tmp_path: Path, embedder_path: Path, small_lm_path: Path
) -> None:
    """The real parts on one document: every stage of one go has its time; no word is "other"."""
    from rag.assemble import open_assistant, open_embedder

    kb, document = tmp_path / "kb", tmp_path / "leave.md"
    document.write_text("# Leave\n\nEvery employee has 25 days of annual leave a year.")
    ingest([document], kb, open_embedder())
    assistant = open_assistant(kb, "qwen2.5-coder-0.5b", observers=[telemetry])
    answer = assistant.answer("How many days of annual leave does an employee have?")
    labels = {**WHOSE, "outcome": "answered", "cause": "none"}
    assert value(telemetry, "surefoot_answers_total", **labels) == 1
    for stage in (*STAGES, FINISH):
        times = None if stage == "regenerate" else 1
        assert value(telemetry, "surefoot_stage_seconds_count", **WHOSE, stage=stage) == times
    mine = {**WHOSE, "gen_ai_request_model": "qwen2.5-coder-0.5b", "gen_ai_token_type": "input"}
    assert value(telemetry, "gen_ai_client_token_usage_sum", **mine) == answer.tokens.prompt
    assert '"other"} 1' not in telemetry.exposition()[0].decode()
