"""The operations page: its pieces as HTML, and all of it in a real Chromium."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.build import ingest
from ingest.testing import HashEmbedder
from rag.audit import AuditLog
from rag.audit_chain import AuditReport, log_files
from rag.config import Config, TelemetryConfig
from rag.releases.gates import Gates
from rag.releases.registry import Registry
from rag.releases.rows import Event, State, clock
from rag.releases.trial import Trial
from rag.releases.variant import Lineage, make_variant
from rag.telemetry.memory import Memory
from rag.types import Answer, Finding, ModelRef, Sentence, TokenUse
from ui.operations import server
from ui.operations.alerts import Alert
from ui.operations.budgets import standings
from ui.operations.rows import Found, Row
from ui.operations_view import SPANS, days, findings, inside, reasons, slots, summary
from ui.page import operations_cards as draw
from ui.page import operations_state as tell
from ui.testing import Tags

NOW = time.time()
PRICES = TelemetryConfig(price_prompt=0.1)
FACTS = server.Facts("1.0", NOW - 7300, 12, 1, 2, 3, 9, {"rate": 2}, {"host": 0.5}, 1)
TRIAL = Trial(1, "v2", "v1", 0.2, False, "s", "2026-11-22T09:00:00Z", Gates())
ANSWER = Answer(
    status="answered",
    text="Yes.",
    sentences=(Sentence("Yes.", 0.9),),
    passages=(),
    findings=(Finding("passage", "PHONE_NUMBER", 0, 2, 0.9, "pii", "redact"),),
    tokens=TokenUse(500, 11, 4096, (), cached=60),
    timings_ms={"first_token": 200.0, "first_shown": 2300.0, "generate": 600.0, "total": 2610.0},
    model=ModelRef("tiny", "ab"),
    trace="",
    withheld=1,
)
HOSTILE = st.lists(
    st.sampled_from(["<script>x()</script>", "<img src=x>", '"', "'", "</div>", "&lt;", "\n", "a"])
    | st.text(max_size=6),
    max_size=6,
).map("".join)


ATTRIBUTES = {
    "class", "role", "title", "aria-label", "aria-hidden", "style", "tabindex", "scope",
}  # fmt: skip


@given(HOSTILE, HOSTILE)
def test_nothing_that_is_told_can_inject(text: str, other: str) -> None:
    event = Event(1, "2026-11-22T09:00:00Z", "promoted", text, other, text)
    facts = replace(FACTS, version=text, refused={other: 1}, memory={text: 0.1})
    html = tell.release_html(State(text, replace(TRIAL, variant=other)), [event], text, 0)
    html += tell.release_html(State(), [], text, 0) + tell.server_html(facts, other, NOW)
    html += tell.no_server_html(server.NoServer(text), True, other)
    html += tell.no_server_html(server.NoServer(text, asks_key=True), False, other)
    html += tell.audit_html(AuditReport(1, 1, 0, 2, 3), "") + tell.memory_html([Memory(text, 2, 1)])
    html += tell.audit_html(AuditReport(1, 1, 0, 2, 3, problem=text), text)
    html += draw.nothing_html(text) + draw.alerts_html([Alert("page", other)])
    html += draw.reasons_html([("failed", text, 1), ("refused", other, 2)])
    tags = Tags(html)
    assert tags.attributes <= ATTRIBUTES
    assert tags.seen <= {
        "div", "section", "h4", "p", "pre", "b", "table", "thead", "tbody", "tr", "th", "td", "dl",
        "dt", "dd", "ul", "li",
    }  # fmt: skip


@given(
    st.lists(
        st.builds(
            Row,
            at=st.floats(NOW - 90_000, NOW),
            kind=st.sampled_from(["answered", "abstained", "blocked", "failed", "left", "cached"]),
            ms=st.none() | st.floats(0, 10**6),
            first_shown_ms=st.none() | st.floats(0, 10**6),
            token_ms=st.none() | st.floats(0, 10**3),
            completion=st.integers(0, 99),
            withheld=st.integers(0, 3),
            findings=st.just((Found("answer", "PERSON", "redact", 1),)) | st.just(()),
        ),
        max_size=12,
    ),
    st.sampled_from(SPANS),
)
def test_any_log_can_be_drawn(rows: list[Row], span: Any) -> None:
    rows.sort(key=lambda row: row.at)
    found = slots(rows, span, NOW)
    total = summary(inside(found), PRICES)
    html = draw.figures_html(total) + draw.traffic_html(found, span, 0)
    html += draw.reasons_html(reasons(rows))
    html += draw.guard_html(found, findings(rows), span, 0)
    html += draw.cost_html(total.spent, days(rows, PRICES, NOW), PRICES, 0)
    html += draw.objectives_html(standings(rows, NOW), quiet=True)
    assert Tags(html).attributes <= ATTRIBUTES
    sizes = [float(n) for n in re.findall(r"(?:height|width|bottom):([\d.-]+)%", html)]
    assert all(0 <= size <= 100 for size in sizes)


@pytest.mark.parametrize(
    ("part", "words"),
    [(0.0, "0 %"), (0.001, "under 1 %"), (0.5, "50 %"), (0.999, "over 99 %"), (1.0, "100 %")],
)
def test_shares_never_round_to_none_or_all(part: float, words: str) -> None:
    assert draw.percent(part) == words


def test_what_is_said_of_a_log() -> None:
    said = tell.audit_html(AuditReport(9, 2, 9, 1, 1), "9:30")
    for words in (
        "9 lines in 2 files",
        "All of them are sealed",
        "1 line could not",
        "1 line was cut",
    ):
        assert words in said
    assert "forge" in tell.audit_html(AuditReport(9, 2, 0, 0, 0), "")


playwright = pytest.importorskip("playwright.sync_api")
browser_test = pytest.mark.browser
CHAT = Path(draw.__file__).parents[1] / "chat.py"
CHECK = "Check the log"
MONTH = re.compile(r"^Questions, \d\d [A-Z]")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    note = tmp_path / "leave.md"
    note.write_text("# Leave\n\nAnnual leave is twenty five days a year.\n")
    ingest([note], tmp_path / "kb", HashEmbedder())
    return tmp_path / "kb"


@pytest.fixture
def visit(browser: Any, base: Path, serve_script: Any) -> Iterator[Callable[[], Any]]:
    """visit() opens the operations page of the base as it is then."""
    env = {"SUREFOOT_CHAT_KB": str(base), "SUREFOOT_METRICS_URL": "http://127.0.0.1:1/metrics"}
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    with serve_script(CHAT, base.with_name("log"), **env) as url:

        def visit() -> Any:
            page = context.new_page()
            page.goto(f"{url}/operations")
            page.wait_for_selector(".st-key-operations h2", timeout=60_000)
            return page

        yield visit
        context.close()


def lived(base: Path) -> None:
    """Some answers, and a release with a canary."""
    log = AuditLog(base / "audit", b"")
    for _ in range(3):
        log.answered(ANSWER, time.time_ns(), "")
    log.answered(replace(ANSWER, status="abstained", withheld=0), time.time_ns(), "")
    log.note("refused", "k1", status=429, why="busy")
    registry = Registry.beside(base)
    for name in ("v1", "v2"):
        lineage = Lineage("", clock(), "surefoot release add", "")
        registry.add(make_variant(name, Config(), lineage, None), "ada")
    registry.promote("v1", "ada", "as we began", {})
    registry.begin("v2", 0.2, False, Gates(), "ada")


def sees(page: Any, words: str) -> None:
    playwright.expect(page.get_by_text(words).first).to_be_visible(timeout=15_000)


@browser_test
def test_a_base_that_nobody_asked_teaches(visit: Any, axe: Any) -> None:
    page = visit()
    sees(page, "Nothing has been asked yet")
    sees(page, "Nothing was released by name")
    sees(page, "The server gives no figures")
    sees(page, "It begins with the first question.")
    playwright.expect(page.get_by_role("button", name=CHECK)).to_have_count(0)
    axe(page)


@browser_test
def test_what_happened_is_shown_and_goes_on(visit: Any, base: Path, axe: Any) -> None:
    lived(base)
    page = visit()
    tiles = page.locator(".sf-ops-tile")
    playwright.expect(tiles.nth(0)).to_contain_text("Questions4none failed, 1 refused")
    playwright.expect(tiles.nth(1)).to_contain_text("Answered75 %19 to 99 %, of 4 questions")
    playwright.expect(tiles.nth(4)).to_contain_text("First sentence2.3 s")
    sees(page, "Phone number")
    sees(page, "v2 runs as a canary beside v1, on 20 % of the conversations")
    sees(page, "0 of at least 200 conversations")
    axe(page)

    AuditLog(base / "audit", b"").answered(ANSWER, time.time_ns(), "")
    playwright.expect(tiles.nth(0)).to_contain_text("Questions5", timeout=15_000)
    page.get_by_text("Month").click()
    playwright.expect(page.get_by_role("img", name=MONTH)).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    axe(page)


@browser_test
def test_a_whole_log_passes_and_a_tampered_one_is_named(visit: Any, base: Path, axe: Any) -> None:
    lived(base)
    page = visit()
    page.get_by_role("button", name=CHECK).click()
    sees(page, "The log is whole")
    sees(page, "5 lines in 1 file: no edit, no gap.")
    path = log_files(base / "audit")[0]
    path.write_bytes(path.read_bytes().replace(b'"withheld":1', b'"withheld":0', 1))
    page.get_by_role("button", name=CHECK).click()
    sees(page, "The log does not hold")
    sees(page, f"{path.name}, line 1: was changed")
    axe(page)


@browser_test
def test_a_damaged_release_is_said_and_the_audit_stays(visit: Any, base: Path) -> None:
    lived(base)
    (base / "service" / "releases.db").write_bytes(b"not a database" * 99)
    page = visit()
    playwright.expect(page.locator(".sf-trouble").first).to_contain_text("releases.db")
    playwright.expect(page.locator(".sf-ops-tile").first).to_contain_text("Questions4")
    page.get_by_role("button", name=CHECK).click()
    sees(page, "The log is whole")


@browser_test
def test_a_log_that_cannot_be_read_is_said(visit: Any, base: Path) -> None:
    (base / "audit" / "audit-000001.jsonl").mkdir(parents=True)
    sees(visit(), "The audit log cannot be read")
