"""Spans as a real collector gets them, and that without one nothing is sent or even loaded."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from rag.config import Config, TelemetryConfig
from rag.errors import EngineError
from rag.telemetry.telemetry import Telemetry, open_telemetry
from rag.types import Answer, ModelRef, Passage, Sentence, TokenUse

collector_pb2 = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")

BEGAN = 1_700_000_000_000_000_000
SECRET = "Fiona's salary"
ANSWER = Answer(
    status="answered",
    text=SECRET,
    sentences=(Sentence(SECRET, 0.9),),
    passages=(Passage(1, 0.8, 0.7, 3.0, SECRET, SECRET, SECRET, (SECRET,), 1, 0, 4, SECRET),),
    findings=(),
    tokens=TokenUse(500, 11, 4096),
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
    trace=SECRET,
    searched=SECRET,
)
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass
class Collector:
    """An OTLP/HTTP collector on loopback that keeps what it is sent."""

    port: int = 0
    bodies: list[bytes] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def resources(self) -> list[Any]:
        found = []
        for body in self.bodies:
            request = collector_pb2.ExportTraceServiceRequest.FromString(body)
            found += list(request.resource_spans)
        return found

    def spans(self) -> dict[str, Any]:
        return {
            span.name: span
            for resource in self.resources()
            for scope in resource.scope_spans
            for span in scope.spans
        }


@pytest.fixture
def collector() -> Iterator[Collector]:
    kept = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            kept.paths.append(self.path)
            kept.bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quietly."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.port = server.server_address[1]
    Thread(target=server.serve_forever, daemon=True).start()
    yield kept
    server.shutdown()
    server.server_close()


def to(url: str) -> Telemetry:
    return open_telemetry(Config(telemetry=TelemetryConfig(otlp_endpoint=url)), {})


def plain(attributes: Any) -> dict[str, Any]:
    """OTLP attributes as a dictionary."""
    found = {}
    for item in attributes:
        kind = item.value.WhichOneof("value")
        value = getattr(item.value, kind)
        found[item.key] = [v.string_value for v in value.values] if "array" in kind else value
    return found


def test_a_collector_gets_the_spans_of_an_answer(collector: Collector) -> None:
    telemetry = to(collector.url)
    telemetry.of("new", "canary").answered(ANSWER, BEGAN, "somebody")
    telemetry.close()
    spans = collector.spans()
    assert collector.paths[0] == "/v1/traces"
    root, model = spans["invoke_workflow answer"], spans["chat tiny"]
    assert root.start_time_unix_nano == BEGAN
    assert root.end_time_unix_nano == BEGAN + 610_000_000
    assert root.parent_span_id == b""
    assert {span.trace_id for span in spans.values()} == {root.trace_id}
    assert model.parent_span_id == root.span_id
    assert spans["check"].parent_span_id == model.span_id
    assert spans["retrieval surefoot"].parent_span_id == root.span_id
    attributes = plain(model.attributes)
    assert attributes["gen_ai.operation.name"] == "chat"
    assert attributes["gen_ai.request.model"] == "tiny"
    assert attributes["gen_ai.usage.input_tokens"] == 500
    assert attributes["gen_ai.usage.output_tokens"] == 11
    assert attributes["gen_ai.response.finish_reasons"] == ["stop"]
    assert [event.name for event in model.events] == ["gen_ai.first_token"]
    assert model.events[0].time_unix_nano == BEGAN + 200_000_000
    assert plain(root.attributes)["surefoot.variant"] == "new"
    resource = plain(collector.resources()[0].resource.attributes)
    assert resource["service.name"] == "surefoot"


def test_no_text_of_anybody_is_sent(collector: Collector) -> None:
    telemetry = to(collector.url)
    telemetry.answered(ANSWER, BEGAN, SECRET)
    telemetry.failed(EngineError("tiny", SECRET), BEGAN, SECRET)
    telemetry.close()
    assert collector.bodies
    assert SECRET.encode() not in b"".join(collector.bodies)


def test_a_failure_is_an_error_and_a_reader_who_left_is_none(collector: Collector) -> None:
    for error, status in ((EngineError("tiny", "x"), 2), (GeneratorExit(), 0)):
        collector.bodies.clear()
        telemetry = to(collector.url)
        telemetry.failed(error, time.time_ns(), "")
        telemetry.close()
        assert collector.spans()["invoke_workflow answer"].status.code == status


@pytest.mark.parametrize(
    ("header", "joined"), [(CALLER, True), ("00-nonsense", False), ("x" * 9999, False), ("", False)]
)
def test_an_answer_joins_its_callers_trace(collector: Collector, header: str, joined: bool) -> None:
    telemetry = to(collector.url)
    with telemetry.parented(header):
        telemetry.answered(ANSWER, BEGAN, "")
    telemetry.close()
    root = collector.spans()["invoke_workflow answer"]
    assert (root.trace_id.hex() == CALLER.split("-")[1]) is joined
    assert (root.parent_span_id.hex() == CALLER.split("-")[2]) is joined


def test_the_standard_variable_names_a_collector(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "helpdesk")
    telemetry = open_telemetry(Config())
    telemetry.answered(ANSWER, BEGAN, "")
    telemetry.close()
    resource = plain(collector.resources()[0].resource.attributes)
    assert resource["service.name"] == "helpdesk"


@pytest.mark.parametrize("silent", [False, True])
def test_a_collector_that_is_gone_or_silent_slows_nobody(silent: bool) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        if silent:
            taken.listen()
        telemetry = to(f"http://127.0.0.1:{taken.getsockname()[1]}")
        times = []
        for _ in range(3000):
            began = time.perf_counter()
            telemetry.answered(ANSWER, BEGAN, "")
            times.append(time.perf_counter() - began)
        began = time.perf_counter()
        telemetry.close(0.5)
        assert time.perf_counter() - began < 5
    assert sorted(times)[1500] < 0.02
    assert b"surefoot_telemetry_errors_total 0.0" in telemetry.exposition()[0]


def test_without_an_endpoint_nothing_is_sent_and_no_library_loaded() -> None:
    """In a process of its own, where any connection and the library itself would be an error."""
    code = (
        "import socket, sys, time\n"
        "def refuse(*_): raise SystemExit('the network was used')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from rag.config import Config\n"
        "from rag.telemetry.telemetry import open_telemetry\n"
        "t = open_telemetry(Config(), {'OTEL_EXPORTER_OTLP_ENDPOINT': ' '})\n"
        "t.failed(ValueError(), time.time_ns(), ''); t.exposition(); t.close()\n"
        "print([m for m in sys.modules if m.startswith(('opentelemetry', 'torch', 'requests'))])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]", done.stdout
