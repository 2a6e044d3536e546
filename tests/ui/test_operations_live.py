"""A real Prometheus scrapes a live service's metrics, and answers what the dashboard asks."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
import yaml

from ingest.build import ingest
from ingest.testing import HashEmbedder
from rag.config import Config, TelemetryConfig
from rag.errors import EngineError
from rag.telemetry.telemetry import Telemetry, open_telemetry
from rag.types import Answer, Citation, Dropped, Finding, ModelRef, Passage, Sentence, TokenUse
from ui.operations.dashboard import dashboard
from ui.operations.rules import rules_file
from ui.operations.scrape import prometheus_file

KEY = "a-metrics-key"
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
    withheld=1,
    signals={"trust": 0.7},
)


def live(telemetry: Telemetry) -> None:
    """A moment in the life of a service."""
    for view in (telemetry, telemetry.of("new", "canary")):
        view.answered(ANSWER, time.time_ns(), "")
        view.answered(replace(ANSWER, status="abstained", cause="?"), time.time_ns(), "")
        view.answered(replace(ANSWER, status="blocked", cause="filter pii: timeout"), 0, "")
        view.failed(EngineError("tiny", "x"), time.time_ns(), "")
    telemetry.requested("/ask", 200, 0.6)
    telemetry.refused("queue")
    telemetry.cached(True)
    telemetry.queued(3)
    telemetry.canary("new", 0.1, "canary")


@dataclass
class Prometheus:
    """A running server that scrapes a service every second."""

    url: str

    def ask(self, path: str, **parameters: str) -> Any:
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=10) as reply:
            body = json.load(reply)
        assert body["status"] == "success"
        return body["data"]

    def value(self, expression: str) -> list[Any]:
        found = self.ask("query", query=expression)["result"]
        assert isinstance(found, list)
        return found


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed (Debian's package is prometheus)")
    folder = tmp_path_factory.mktemp("prometheus")
    telemetry, stop = _service(folder), Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(telemetry))
    target, listen = f"127.0.0.1:{server.server_address[1]}", f"127.0.0.1:{_free_port()}"
    Thread(target=server.serve_forever, daemon=True).start()
    traffic = Thread(target=_traffic, args=(telemetry, stop), daemon=True)
    traffic.start()
    command = [program, f"--config.file={_config(folder, target)}", "--log.level=error"]
    command += [f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={listen}"]
    process = subprocess.Popen(command)
    try:
        yield _ready(Prometheus(f"http://{listen}"))
    finally:
        stop.set()
        process.terminate()
        process.wait(20)
        server.shutdown()
        server.server_close()


def _service(folder: Path) -> Telemetry:
    document = folder / "leave.md"
    document.write_text("Annual leave is twenty five days a year.")
    ingest([document], folder / "kb", HashEmbedder())
    prices = TelemetryConfig(price_prompt=0.2, price_completion=0.4)
    telemetry = open_telemetry(Config(telemetry=prices), {})
    telemetry.watch(folder / "kb")
    return telemetry


def _handler(telemetry: Telemetry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers["authorization"] == f"Bearer {KEY}" and self.path == "/metrics"
            body, kind = telemetry.exposition() if known else (b"", "text/plain")
            self.send_response(200 if known else 401)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Quietly."""

    return Handler


def _traffic(telemetry: Telemetry, stop: Event) -> None:
    while not stop.wait(0.1):
        live(telemetry)


def _config(folder: Path, target: str) -> Path:
    (folder / "rules.yml").write_text(yaml.safe_dump(rules_file(), sort_keys=False))
    (folder / "metrics.key").write_text(KEY)
    made = prometheus_file(target, str(folder / "metrics.key"), "rules.yml", seconds=1)
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(made, sort_keys=False))
    return path


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _ready(server: Prometheus) -> Prometheus:
    """The server once it has scraped often enough for rates. Fails after a minute."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if server.value('count_over_time(up{job="surefoot"}[1m]) >= 5'):
                return server
        except (urllib.error.URLError, ConnectionError):
            pass
        time.sleep(0.3)
    raise AssertionError("prometheus did not scrape the service")


def test_it_scrapes_with_the_key(prometheus: Prometheus) -> None:
    assert [row["value"][1] for row in prometheus.value('up{job="surefoot"}')] == ["1"]


def test_it_answers_every_query_of_the_dashboard(prometheus: Prometheus) -> None:
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"].replace("$__rate_interval", "10s").replace("$variant", ".*")
            rows = prometheus.value(expression)
            assert rows, f"{panel['title']}: nothing for {expression}"
            numbers = [float(row["value"][1]) for row in rows]
            assert any(number >= 0 for number in numbers), (panel["title"], numbers)


def test_it_runs_every_rule(prometheus: Prometheus) -> None:
    def states() -> set[str]:
        groups = prometheus.ask("rules")["groups"]
        return {rule["health"] for group in groups for rule in group["rules"]}

    deadline = time.monotonic() + 20
    while states() != {"ok"} and time.monotonic() < deadline:
        time.sleep(0.3)
    assert states() == {"ok"}
    ratio = prometheus.value('surefoot:slo_errors:ratio_rate5m{slo="availability"}')
    assert float(ratio[0]["value"][1]) == pytest.approx(0.25, abs=0.03)


def test_the_variable_of_the_dashboard_finds_the_variants(prometheus: Prometheus) -> None:
    found = prometheus.ask("label/variant/values")
    assert found == ["default", "new"]
