"""The evaluations page in a real Chromium: from a file of cases to a verdict on two runs."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from evals.cases import open_cases
from evals.run import Plan, evaluate
from evals.suites import get
from evals.suites.base import Options
from evals.testing import Played, Silent
from evals.types import Case, Outcome
from ui.evaluation_runs import RUNS

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser
WAIT_MS, RUN_MS = 30_000, 120_000


def row(number: int) -> dict[str, Any]:
    text = f"Please write to Ada Lovelace at user{number}@example.org about boat {number}."
    mail = text.index("user")
    spans = [[16, 28, "PERSON"], [mail, text.index(" about"), "EMAIL_ADDRESS"]]
    return {"id": f"p{number}", "text": text, "spans": spans}


def case_file(path: Path, count: int) -> Path:
    lines = (json.dumps(row(number)) + "\n" for number in range(count))
    path.write_text("".join(lines), encoding="utf-8")
    return path


def finder(missed: float) -> Callable[[Case], Outcome]:
    """Finds what is marked, but for a share."""

    def say(case: Case) -> Outcome:
        dice = random.Random(case.id)
        found = [[*span, 0.9] for span in case.row["spans"] if dice.random() >= missed]
        return Outcome({"findings": found}, 3.0)

    return say


def made(base: Path, name: str, missed: float) -> None:
    cases = case_file(base.parent / "pii.jsonl", 40)
    suite = Played(get("pii"), finder(missed), name)
    files = open_cases([cases], suite.check)
    plan = Plan(suite, files, Options())
    with ThreadPoolExecutor(1) as pool:  # the browser's driver has a loop in this thread
        pool.submit(evaluate, plan, base / RUNS / name, Silent()).result()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("evaluations") / "kb"
    base.mkdir()
    return base


@pytest.fixture(scope="module")
def url(base: Path, serve_script: Any) -> Iterator[str]:
    script = Path(__file__).with_name("review_fake_page.py")
    with serve_script(script, base.with_name("log"), SUREFOOT_CHAT_KB=str(base)) as url:
        yield f"{url}/evaluations"


@pytest.fixture
def page(browser: Any, url: str) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto(url)
    sees(opened, "Evaluations")
    try:
        yield opened
        assert complaints == []
    finally:
        context.close()


def sees(page: Any, words: str, within_ms: int = WAIT_MS) -> None:
    """Visible, and the page is drawn to its end."""
    found = page.locator(".st-key-evaluations").get_by_text(words).first
    playwright.expect(found).to_be_visible(timeout=within_ms)
    page.wait_for_selector("[data-test-script-state=notRunning]", timeout=WAIT_MS)


def choose(page: Any, label: str, words: str) -> None:
    """An option of a list; what depends on it is drawn then."""
    page.wait_for_timeout(300)  # until a redrawing that is due has begun
    page.wait_for_selector("[data-test-script-state=notRunning]", timeout=WAIT_MS)
    box = page.get_by_role("combobox", name=label)
    box.click()
    page.get_by_role("option", name=words).first.click()
    playwright.expect(box).to_have_value(re.compile(re.escape(words)), timeout=WAIT_MS)


def press(page: Any, name: str) -> None:
    page.get_by_role("button", name=name).first.click()


def test_the_page_teaches_before_anything_was_measured(page: Any, axe: Any) -> None:
    sees(page, "Nothing was measured yet")
    press(page, "New evaluation")
    cases = page.get_by_role("combobox", name="Cases")
    playwright.expect(cases).to_have_value("The sample that ships: qa.jsonl", timeout=WAIT_MS)
    choose(page, "What to measure", "Personal-data filter:")
    sees(page, "A case file has one JSON object a line")
    start = page.get_by_role("button", name="Start")
    playwright.expect(start).to_be_disabled()
    axe(page)
    choose(page, "Cases", "A file on this machine")
    playwright.expect(start).to_be_enabled(timeout=WAIT_MS)
    press(page, "Start")
    sees(page, "choose a case file first")
    axe(page)


def test_a_bad_case_file_is_named_with_its_line(page: Any, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"id": "1", "text": "Ada", "spans": [[0, 9, "PERSON"]]}\n', encoding="utf-8")
    choose_upload(page, bad)
    press(page, "Start")
    sees(page, "bad.jsonl:1: 'spans' holds [0, 9, 'PERSON'], outside the text")


def choose_upload(page: Any, path: Path) -> None:
    press(page, "New evaluation")
    choose(page, "What to measure", "Personal-data filter:")
    choose(page, "Cases", "Upload a file")
    page.locator("input[type=file]").set_input_files(path)
    sees(page, path.name)


@pytest.mark.models
def test_a_run_from_its_file_to_its_end(
    page: Any, base: Path, tmp_path: Path, ner_path: Path
) -> None:
    choose_upload(page, case_file(tmp_path / "mine.jsonl", 5))
    press(page, "Start")
    playwright.expect(page.get_by_role("progressbar")).to_be_visible(timeout=WAIT_MS)
    sees(page, "of the marked personal data was found.", RUN_MS)
    (folder,) = (base / RUNS).glob("pii-2*")
    assert json.loads((folder / "results.json").read_text(encoding="utf-8"))["n"] == 5
    press(page, "All evaluations")
    sees(page, "mine.jsonl · 5 cases")


@pytest.mark.models
def test_a_run_is_stopped_and_goes_on(page: Any, tmp_path: Path, ner_path: Path) -> None:
    choose_upload(page, case_file(tmp_path / "long.jsonl", 200))
    press(page, "Start")
    press(page, "Stop")
    sees(page, "Personal-data filter: ")
    page.locator(".st-key-evaluations-again button").click()
    sees(page, "of the marked personal data was found.", RUN_MS)
    sees(page, "Measured on 200 marked texts")


@pytest.fixture(scope="module")
def two(base: Path) -> None:
    made(base, "worse", 0.4)
    made(base, "better", 0.05)


@pytest.mark.usefixtures("two")
def test_two_runs_are_compared_case_by_case(page: Any, axe: Any) -> None:
    press(page, "Open Personal-data filter, worse")
    sees(page, "of the marked personal data was found.")
    axe(page)
    page.get_by_role("tab", name="Compare").click()
    sees(page, "What differs between the runs")
    choose(page, "Compare with", "better ·")
    sees(page, "Gate failed: not fit for release as it stands.")
    sees(page, "recall fell from")
    page.get_by_text("Gained", exact=True).click()
    sees(page, "No case turned this way.")
    page.get_by_text("Lost", exact=True).click()
    lost = page.locator(".sf-turned details").first
    sees(page, "all found → missed")
    lost.locator("summary").click()
    playwright.expect(lost.get_by_text("After: missed")).to_be_visible()
    axe(page)


@pytest.mark.usefixtures("two")
def test_the_better_run_passes_its_gate(page: Any, base: Path) -> None:
    page.goto(f"{page.url.split('?')[0]}?run=better")
    sees(page, "of the marked personal data was found.")
    page.get_by_role("tab", name="Compare").click()
    choose(page, "Compare with", "worse ·")
    sees(page, "Gate passed")
    (base / "gates.toml").write_text("[pii]\nrecall = { min = 0.999 }\n", encoding="utf-8")
    page.reload()
    page.get_by_role("tab", name="Compare").click()
    sees(page, "recall must be at least 0.999")
    (base / "gates.toml").unlink()


@pytest.mark.usefixtures("two")
def test_cases_are_looked_at_one_by_one(page: Any, axe: Any) -> None:
    press(page, "Open Personal-data filter, worse")
    page.get_by_role("tab", name="Curves").click()
    playwright.expect(page.locator(".sf-report svg").first).to_be_visible(timeout=WAIT_MS)
    page.get_by_role("tab", name="Cases").click()
    sees(page, "Case 1 of")
    shown = page.locator(".sf-report .case")
    first = shown.inner_text()
    page.keyboard.press("j")
    sees(page, "Case 2 of")
    playwright.expect(shown).not_to_have_text(first)
    page.keyboard.press("k")
    sees(page, "Case 1 of")
    page.get_by_label("Find").fill("boat 17")
    page.keyboard.press("Enter")
    sees(page, "of 1, the worst first")
    axe(page)


@pytest.mark.usefixtures("two")
def test_a_phone_shows_it_all(browser: Any, url: str, axe: Any) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark")
    try:
        phone = context.new_page()
        for place in ("", "?new=", "?run=worse"):
            phone.goto(f"{url}{place}")
            phone.wait_for_selector(".st-key-evaluations h1", timeout=WAIT_MS)
            assert phone.evaluate("document.querySelector('.stMain').scrollWidth") <= 390
        axe(phone)
    finally:
        context.close()
