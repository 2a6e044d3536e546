"""What the operations page counts: rows of the audit log, series, budgets, alerts, a server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.audit import AuditLog
from rag.audit_chain import log_files
from rag.config import Config, ServeConfig, TelemetryConfig
from rag.releases.rows import Event
from rag.telemetry.exposed import NotMetrics, read_exposition
from rag.telemetry.labels import LOAD
from rag.telemetry.memory import Memory
from rag.telemetry.telemetry import open_telemetry
from rag.types import Answer, Finding, ModelRef, Sentence, TokenUse
from ui.api.app import REFUSED
from ui.operations import server
from ui.operations.alerts import WINDOWS, firing
from ui.operations.budgets import JUDGES, NO_ROOM, seconds, standings
from ui.operations.ledger import Ledger
from ui.operations.objectives import OBJECTIVES
from ui.operations.rows import Found, Row, row_of
from ui.operations_view import (
    DAY_S,
    SPANS,
    Span,
    days,
    findings,
    inside,
    reasons,
    slots,
    spread,
    summary,
)

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC).timestamp()
ANSWER = Answer(
    status="answered",
    text="Yes.",
    sentences=(Sentence("Yes.", 0.9), Sentence("No.", 0.1), Sentence("So be it.", None)),
    passages=(),
    findings=(Finding("passage", "EMAIL_ADDRESS", 0, 2, 0.9, "pii", "redact"),) * 2,
    tokens=TokenUse(500, 11, 4096, (), cached=60),
    timings_ms={"first_token": 200.0, "first_shown": 300.0, "generate": 600.0, "total": 610.0},
    model=ModelRef("tiny", "ab"),
    trace="",
    withheld=1,
)


def logged(folder: Path, answer: Answer = ANSWER) -> AuditLog:
    log = AuditLog(folder, b"")
    log.answered(answer, 0, "")
    return log


def rows_at(*ages_s: float, **more: Any) -> list[Row]:
    return [Row(NOW - age, more.pop("kind", "answered"), **more) for age in sorted(ages_s)[::-1]]


def test_an_answer_becomes_a_row(tmp_path: Path) -> None:
    logged(tmp_path)
    (row,) = Ledger(tmp_path).rows()
    assert (row.kind, row.first_shown_ms, row.token_ms) == ("answered", 300.0, 40.0)
    assert (row.prompt, row.cached, row.completion) == (500, 60, 11)
    assert (row.supported, row.unsupported, row.withheld) == (1, 1, 1)
    assert row.findings == (Found("passage", "EMAIL_ADDRESS", "redact", 2),)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
NAMES = ("kind", "cause", "why", "times", "ms", "token_ms", "prompt_tokens", "findings", "at")


@given(st.dictionaries(st.sampled_from(NAMES), JSON))
def test_no_line_is_too_odd(line: dict[str, Any]) -> None:
    row = row_of({"at": "2026-11-22T12:30:00.000Z", "kind": "answered", **line})
    if row is not None:
        assert summary([row], TelemetryConfig()).asked == row.asked
        assert len(standings([row], NOW)) == len(OBJECTIVES)


def test_strange_labels_are_not_told() -> None:
    line = {"at": "2026-11-22T12:30:00Z", "kind": "answered", "findings": {"a/Jean Marsh/b": 1}}
    row = row_of(line)
    assert row is not None
    assert row.findings == (Found("other", "other", "other", 1),)


def test_the_ledger_goes_on_where_it_ended(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    assert (ledger.exists(), ledger.rows()) == (False, [])
    log = logged(tmp_path)
    assert len(ledger.rows()) == 1
    log.note("refused", "", status=429, why="busy")
    log.note("forgotten", "", receipt="r")
    assert [row.kind for row in ledger.rows()] == ["answered", "refused"]
    path = log_files(tmp_path)[0]
    half = path.read_bytes()
    path.write_bytes(half + half[:40])
    assert len(ledger.rows()) == 2, "a line that is being written waits"
    path.write_bytes(half[: half.index(b"\n") + 1])
    assert len(ledger.rows()) == 1, "a log that was cut is read anew"


def test_the_ledger_keeps_the_newest(tmp_path: Path) -> None:
    log = AuditLog(tmp_path, b"", file_bytes=400)
    for number in range(9):
        log.note("refused", "", why=str(number))
    ledger = Ledger(tmp_path, most=4)
    assert [row.why for row in ledger.rows()] == ["5", "6", "7", "8"]
    assert ledger.full
    for path in log_files(tmp_path)[:-1]:
        os.utime(path, (0, 0))
    assert len(Ledger(tmp_path).rows()) < 9, "files from before the month are not opened"
    month_on = datetime.now(UTC).timestamp() + 40 * DAY_S
    assert ledger.rows(month_on) == []


@given(
    st.lists(st.floats(0, 40 * DAY_S), max_size=30), st.sampled_from(SPANS), st.integers(-14, 14)
)
def test_slots_hold_every_row_of_the_span_once(ages: list[float], span: Span, hours: int) -> None:
    rows = rows_at(*ages)
    found = slots(rows, span, NOW, hours * 3600)
    assert len(found) == span.slots
    assert found[-1].begin <= NOW < found[-1].begin + span.slot_s
    begin, end = found[0].begin, found[-1].begin + span.slot_s
    assert list(inside(found)) == [row for row in rows if begin <= row.at < end]
    for slot in found:
        assert all(slot.begin <= row.at < slot.begin + span.slot_s for row in slot.rows)
        assert (slot.begin + hours * 3600) % span.slot_s == 0, "on the reader's clock"


@given(st.lists(st.none() | st.floats(0, 10**6), max_size=40))
def test_a_spread_is_of_what_was_measured(times: list[float | None]) -> None:
    found, known = spread(times), sorted(ms / 1000 for ms in times if ms is not None)
    if found is None:
        assert not known
        return
    assert found.n == len(known)
    assert found.half in known
    assert found.half <= found.most
    assert sum(one <= found.half for one in known) >= 0.5 * len(known)
    assert sum(one <= found.most for one in known) >= 0.95 * len(known)


def test_a_summary() -> None:
    rows = [
        Row(NOW, "answered", ms=4000.0, prompt=800, cached=100, completion=11, token_ms=50.0),
        Row(NOW, "answered", ms=2000.0, prompt=200, completion=41, token_ms=25.0, withheld=1),
        Row(NOW, "abstained", supported=3),
        Row(NOW, "cached"),
        Row(NOW, "refused"),
        Row(NOW, "failed", cause="EngineError"),
    ]
    found = summary(rows, TelemetryConfig(price_prompt=0.1, price_completion=0.5))
    assert (found.asked, found.ended, found.withheld, found.claims) == (5, 3, 1, 4)
    assert found.speed == pytest.approx(1000 * 50 / (10 * 50 + 40 * 25))
    assert (found.spent.answers, found.spent.prompt, found.spent.seconds) == (4, 1000, 6.0)
    assert found.spent.price == pytest.approx(0.1 + 0.026)
    assert summary([], TelemetryConfig()).speed is None


def test_days_are_the_readers() -> None:
    late = datetime(2026, 11, 21, 23, 30, tzinfo=UTC).timestamp()
    rows = [Row(late, "answered", prompt=5)]
    (utc,) = days(rows, TelemetryConfig(), NOW)
    (vienna,) = days(rows, TelemetryConfig(), NOW, 3600)
    assert [datetime.fromtimestamp(at, UTC).day for at, _ in (utc, vienna)] == [21, 21]
    assert vienna[0] == late - 1800, "midnight in Vienna: half an hour before"


def test_findings_are_summed() -> None:
    mail, iban = (
        Found("passage", "EMAIL_ADDRESS", "redact", 2),
        Found("question", "IBAN", "keep", 3),
    )
    rows = [Row(NOW, "answered", findings=(mail,)), Row(NOW, "blocked", findings=(mail, iban))]
    assert findings(rows) == (replace(mail, n=4), iban)


def test_reasons_are_counted_by_class() -> None:
    rows = [
        Row(NOW, "abstained", cause="far"),
        Row(NOW, "answered", cause="again"),
        Row(NOW, "refused", why="busy", times=3),
        Row(NOW, "abstained", cause="far"),
    ]
    assert reasons(rows) == (("refused", "busy", 3), ("abstained", "far", 2))


@pytest.mark.parametrize(
    ("name", "row", "bad", "every"),
    [
        ("availability", Row(NOW, "failed", cause="EngineError"), 1, 1),
        ("availability", Row(NOW, "failed", cause="PromptTooLong"), 0, 0),
        ("availability", Row(NOW, "blocked"), 0, 1),
        ("availability", Row(NOW, "refused"), 0, 0),
        ("first_shown", Row(NOW, "answered", first_shown_ms=10_001), 1, 1),
        ("first_shown", Row(NOW, "answered", first_shown_ms=10_000), 0, 1),
        ("first_shown", Row(NOW, "answered"), 0, 0),
        ("support", Row(NOW, "answered", supported=3, unsupported=1, withheld=2), 3, 6),
        ("safety", Row(NOW, "blocked", cause="filter"), 1, 1),
        ("safety", Row(NOW, "blocked", cause="policy"), 0, 1),
        ("room", Row(NOW, "refused", why="busy", times=4), 4, 4),
        ("room", Row(NOW, "refused", why="invalid_api_key"), 0, 0),
        ("room", Row(NOW, "answered"), 0, 1),
    ],
)
def test_objectives_judge_rows(name: str, row: Row, bad: int, every: int) -> None:
    found = JUDGES[name](row)
    assert (found.bad, found.all) == (bad, every)


def test_the_rules_are_those_of_prometheus() -> None:
    assert {code for code, why in REFUSED.items() if why in LOAD} == NO_ROOM
    assert set(JUDGES) == {objective.name for objective in OBJECTIVES}
    assert {burn.long for each in OBJECTIVES for burn in each.burns} == set(WINDOWS)
    assert [seconds(window) for window in ("5m", "6h", "3d")] == [300, 21_600, 259_200]


def standing_of(rows: list[Row]) -> Any:
    return next(item for item in standings(rows, NOW) if item.objective.name == "availability")


def test_a_budget_is_used_up_and_pages() -> None:
    assert standing_of([]).left is None
    calm = rows_at(*range(60, 60 + 400))
    assert (standing_of(calm).left, standing_of(calm).firing) == (1.0, None)
    failed = [Row(NOW - 10 + n / 10, "failed", cause="EngineError") for n in range(80)]
    found = standing_of([*calm, *failed])
    assert found.left < 0
    assert (found.firing.severity, found.firing.window) == ("page", "1h")
    assert found.firing.share == pytest.approx(80 / 480)
    few = standing_of([Row(NOW - 1, "failed", cause="EngineError")] * 3)
    assert few.firing is None, "one of three is no rate"


def test_alerts_in_their_order() -> None:
    event = Event(1, "2026-11-22T09:00:00Z", "rolled back", "v2", "gates", "slow")
    old = replace(event, at="2026-11-20T09:00:00Z")
    memory = (Memory("host", 100, 5), Memory("gpu", 100, 50))
    found = firing((), memory, (old, event), NOW)
    assert [alert.severity for alert in found] == ["page", "ticket"]
    assert "host" in found[0].words
    assert found[1].words == "The variant v2 was taken back: slow."


@contextmanager
def serving(status: int, body: bytes, key: str = "") -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = not key or self.headers["Authorization"] == f"Bearer {key}"
            self.send_response(status if known else 401)
            if status == 302:
                self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=listener.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.server_port}/metrics"
    finally:
        listener.shutdown()
        listener.server_close()


def test_a_server_says_how_it_fares() -> None:
    telemetry = open_telemetry(Config(), {})
    telemetry.answered(ANSWER, 0, "")
    telemetry.queued(3)
    for hit in (True, False, False, False):
        telemetry.cached(hit)
    telemetry.refused("rate")
    with serving(200, telemetry.exposition()[0], key="k") as url:
        found = server.facts(server.Where(url, "k"))
        with pytest.raises(server.NoServer, match="wants a key") as caught:
            server.facts(server.Where(url))
    assert caught.value.asks_key
    assert (found.answers, found.failures, found.waiting) == (1, 0, 3)
    assert (found.hits, found.lookups, dict(found.refused)) == (1, 4, {"rate": 1})
    assert 0 < found.memory["host"] <= 1
    assert found.began > 0


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (500, b"", "answers 500"),
        (302, b"", "answers 302"),
        (200, b"<html>{{{", "gives no metrics"),
        (200, b"# nothing of ours\nup 1\n", "not a Surefoot server"),
        (200, b"x" * (server.LARGEST + 1), "too long"),
    ],
)
def test_what_is_no_server_is_said(status: int, body: bytes, words: str) -> None:
    with serving(status, body) as url, pytest.raises(server.NoServer, match=words):
        server.facts(server.Where(url))


def test_nobody_there_and_no_file() -> None:
    with pytest.raises(server.NoServer, match="nothing answers"):
        server.facts(server.Where("http://127.0.0.1:1/metrics"))
    with pytest.raises(server.NoServer, match="must be an http"):
        server.facts(server.Where("file:///etc/passwd"))


@pytest.mark.parametrize(
    ("env", "host", "url", "named"),
    [
        ({}, "127.0.0.1", "http://127.0.0.1:8700/metrics", False),
        ({}, "0.0.0.0", "http://127.0.0.1:8700/metrics", False),
        ({}, "::", "http://[::1]:8700/metrics", False),
        ({"SUREFOOT_METRICS_URL": "http://h/m"}, "127.0.0.1", "http://h/m", True),
    ],
)
def test_where_the_server_is(env: dict[str, str], host: str, url: str, named: bool) -> None:
    place = server.where({**env, "SUREFOOT_METRICS_KEY": "secret"}, ServeConfig(host=host))
    assert (place.url, place.named, place.key) == (url, named, "secret")
    assert "secret" not in repr(place)


@given(st.text(max_size=200))
def test_any_text_is_metrics_or_not(text: str) -> None:
    with suppress(NotMetrics):
        read_exposition(text)
