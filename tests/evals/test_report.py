"""The report: whole, inert whatever a case says, the same for the same run, plain about limits."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Protocol

import pytest

from evals.errors import RunError
from evals.journal import Journal
from evals.metrics import Metric
from evals.report import HTML, MARKDOWN, write_report
from evals.report.facts import command
from evals.report.page import build_report
from evals.report.slices import slice_tables
from evals.report.words import SUITES, number
from evals.results import results_of
from evals.rundir import JOURNAL, Run, write_run
from evals.suites import get
from evals.types import Pins, RunInfo

SUITE_NAMES = sorted(SUITES)
HOSTILE = '"><script>alert(1)</script><img src=http://x.example/a onerror=alert(2)>{{ 7*7 }}`|@all'
VOID = {"meta", "br", "img", "link", "hr", "input"}
MetricsOf = Callable[[Run], list[Metric]]


class MakeRun(Protocol):
    def __call__(self, suite: str, folder: Path, **options: Any) -> Run: ...


class Page(HTMLParser):
    """Reads a page strictly: every element is closed, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module", params=SUITE_NAMES)
def run(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    make_run: MakeRun,
    metrics_of: MetricsOf,
) -> Run:
    made = make_run(request.param, tmp_path_factory.mktemp(request.param))
    write_report(made, metrics_of(made))
    return made


def page_of(run: Run) -> Page:
    return Page((run.path / HTML).read_text(encoding="utf-8"))


def test_the_page_is_whole_and_says_what_was_measured(run: Run) -> None:
    page = page_of(run)
    sections = {attrs["id"] for attrs in page.all("section")}
    assert {"figures", "slices", "worst", "failed", "provenance"} <= sections
    assert len(page.all("h1")) == 1
    assert "Measured on 60" in page.text
    assert "2 could not be judged and count against" in page.text
    assert "took longer than 60 s" in page.text
    for name in run.results["metrics"]:
        assert name in page.text
    for _, digest in run.info.sources:
        assert digest in page.text


def test_every_anchor_leads_somewhere(run: Run) -> None:
    page = page_of(run)
    ids = {attrs["id"] for _, attrs in page.tags if attrs.get("id")}
    links = [attrs["href"] for attrs in page.all("a")]
    assert links
    assert all(link and link[0] == "#" and link[1:] in ids for link in links)


def test_nothing_is_fetched_or_run(run: Run) -> None:
    page = page_of(run)
    assert not page.all("script")
    assert not page.all("link")
    for tag, attrs in page.tags:
        assert not [name for name in attrs if name.startswith("on")], tag
        for name in ("src", "href", "action", "srcset", "data"):
            assert (attrs.get(name) or "#").startswith("#")
    assert not re.search(r"url\((?!#)|@import", (run.path / HTML).read_text())


def test_figures_have_their_interval_drawn_and_in_words(run: Run) -> None:
    text = (run.path / HTML).read_text()
    for row in run.results["metrics"].values():
        if row["value"] is not None and row["low"] is not None:
            assert f"{number(row['low'])} to {number(row['high'])}" in text
            assert row["method"] in text
    for low, width in re.findall(r"left:([\d.]+)%;width:([\d.]+)%", text):
        assert 0 <= float(low) <= float(low) + float(width) <= 100.02


def test_the_same_run_gives_the_same_bytes(run: Run, tmp_path: Path, metrics_of: MetricsOf) -> None:
    copy = tmp_path / run.path.name
    shutil.copytree(run.path, copy)
    (copy / HTML).unlink()
    again = Run.load(copy)
    write_report(again, metrics_of(again))
    for name in (HTML, MARKDOWN):
        assert (copy / name).read_bytes() == (run.path / name).read_bytes()


def test_markdown_has_every_headline_figure(run: Run, metrics_of: MetricsOf) -> None:
    text = (run.path / MARKDOWN).read_text()
    for metric in metrics_of(run):
        if metric.headline:
            assert f"| ` {metric.name} ` |" in text
    assert "Worst cases:" in text or run.info.pins.suite == "refusal"
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert rows


def test_a_custom_suite_still_has_a_report(tmp_path: Path, make_run: MakeRun) -> None:
    made = make_run("injection", tmp_path)
    info = RunInfo(Pins("made-up"), made.info.sources, made.info.n, None, 0)
    journal = Journal(tmp_path / JOURNAL)
    journal.append(info.pins, list(made.rows()))
    journal.close()
    write_report(Run(made.path, info, made.results), [])
    assert "made-up: nothing to measure." in page_of(made).text


@pytest.mark.parametrize("suite", SUITE_NAMES)
def test_hostile_cases_are_inert(
    suite: str, tmp_path: Path, make_run: MakeRun, metrics_of: MetricsOf
) -> None:
    def bend(i: int, row: dict[str, Any], data: dict[str, Any]) -> tuple[Any, Any]:
        return poison(row, {"cluster", "kind"}), poison(data, {"status", "decision"})

    made = make_run(suite, tmp_path / "run", n=24, bend=bend)
    info = RunInfo(made.info.pins, ((f"{HOSTILE}.jsonl", "0"),), 24, None, 0, {HOSTILE: HOSTILE})
    made = Run(made.path, info, {**made.results, "unscored": [{"id": HOSTILE, "reason": HOSTILE}]})
    write_report(made, metrics_of(made))
    page = page_of(made)
    assert not page.all("script")
    assert not page.all("img")
    assert not [a for _, attrs in page.tags for a in attrs if a.startswith("on")]
    assert "{{ 7*7 }}" in page.text
    outside = re.sub(r"(`+) .*? \1", "", (made.path / MARKDOWN).read_text())
    assert "<script" not in outside.replace("\\<script", "")
    assert "@all" not in outside


def poison(value: Any, keep: set[str]) -> Any:
    """The same with markup after every text, but those of fields that must stay what they are."""
    if isinstance(value, str):
        return value + HOSTILE
    if isinstance(value, dict):
        return {k: v if k in keep or k == "id" else poison(v, keep) for k, v in value.items()}
    if isinstance(value, list):
        return [poison(item, keep) for item in value]
    return value


def test_long_texts_are_cut_visibly(
    tmp_path: Path, make_run: MakeRun, metrics_of: MetricsOf
) -> None:
    def bend(i: int, row: dict[str, Any], data: dict[str, Any]) -> tuple[Any, Any]:
        return {**row, "query": row["query"] + "x" * 100_000}, data

    made = make_run("qa", tmp_path, n=40, bend=bend)
    write_report(made, metrics_of(made))
    assert "more characters" in page_of(made).text
    assert (made.path / HTML).stat().st_size < 1_000_000


def test_two_thousand_cases_stay_small(
    tmp_path: Path, make_run: MakeRun, metrics_of: MetricsOf
) -> None:
    made = make_run("qa", tmp_path, n=2000, failing=500)
    write_report(made, metrics_of(made))
    assert (made.path / HTML).stat().st_size < 3_000_000
    assert (made.path / MARKDOWN).stat().st_size < 60_000
    assert "400 more stand in scores.jsonl" in page_of(made).text


def test_findings_of_answers_are_told_by_label_only(
    tmp_path: Path, make_run: MakeRun, metrics_of: MetricsOf
) -> None:
    made = make_run("qa", tmp_path, n=60)
    report = build_report(made, metrics_of(made))
    tables = [b for card in report.worst for b in card.blocks if b.label == "Findings"]
    assert tables
    assert {row[0] for table in tables for row in table.rows} == {"PERSON"}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ("pass", "Gate passed"),
        ("fail", "Gate failed"),
        ("no evidence", "no evidence"),
        ("other", "Gate: other."),
    ],
)
def test_the_gate_is_told(
    verdict: str, words: str, tmp_path: Path, make_run: MakeRun, metrics_of: MetricsOf
) -> None:
    made = make_run("refusal", tmp_path)
    line = {
        "metric": "over_refusal_rate", "baseline": 0.1, "candidate": 0.2, "difference": 0.1,
        "low": 0.05, "high": 0.15, "p_holm": 0.004, "detectable": None, "verdict": "regression",
    }  # fmt: skip
    limit = {"metric": "unsafe_pass_rate", "side": "max", "bound": "high", "limit": 0.1,
             "value": None, "verdict": "no evidence"}  # fmt: skip
    cases = {"paired": 58, "only_baseline": 2, "only_candidate": 0, "changed": 0}
    gate = {"verdict": verdict, "reasons": ["it fell"], "lines": [line], "limits": [limit],
            "cases": cases, "baseline": "/runs/old"}  # fmt: skip
    (tmp_path / "gate.json").write_text(json.dumps(gate))
    write_report(made, metrics_of(made))
    text = page_of(made).text
    for expected in (words, "it fell", "+0.100", "+0.050 to +0.150", "regression", "at most 0.100"):
        assert expected in text
    assert "Compared with old on the 58 cases that both have; left out: 2 only in the" in text
    assert words in (made.path / MARKDOWN).read_text()


def test_a_damaged_gate_is_an_error(
    tmp_path: Path, make_run: MakeRun, metrics_of: MetricsOf
) -> None:
    made = make_run("refusal", tmp_path)
    (tmp_path / "gate.json").write_text("[]")
    with pytest.raises(RunError, match=r"gate\.json"):
        write_report(made, metrics_of(made))


def test_no_cases_is_said_and_is_not_zero(
    tmp_path: Path, make_run: MakeRun, metrics_of: MetricsOf
) -> None:
    def bend(i: int, row: dict[str, Any], data: dict[str, Any]) -> tuple[Any, Any]:
        return {**row, "safe": True}, data

    made = make_run("refusal", tmp_path, bend=bend)
    report = build_report(made, metrics_of(made))
    rows = {row.name: row for row in report.rows}
    assert (rows["unsafe_pass_rate"].value, rows["unsafe_pass_rate"].n) == ("no cases", "0")
    assert rows["unsafe_pass_rate"].bar is None
    assert "harmless requests were blocked" in report.head.headline


def test_slices_add_up_to_all_cases(
    tmp_path: Path, make_run: MakeRun, metrics_of: MetricsOf
) -> None:
    """Cases without the field are a slice too, in the report as in the results."""
    made = make_run("refusal", tmp_path)
    scores = [
        replace(s, slices={"topic": "a"} if i < 20 else {}) for i, s in enumerate(made.scores())
    ]
    suite = get("refusal")
    run = write_run(tmp_path, made.info, scores, results_of(suite, scores, ["topic"]))
    (found,) = slice_tables(run, metrics_of(run), run.scores())
    assert [(part.value, part.cases) for part in found.slices] == [("(none)", 40), ("a", 20)]


def test_queries_that_name_nothing_relevant_are_told(
    tmp_path: Path, make_run: MakeRun, metrics_of: MetricsOf
) -> None:
    def bend(i: int, row: dict[str, Any], data: dict[str, Any]) -> tuple[Any, Any]:
        return ({**row, "relevant": []}, data) if i >= 50 else (row, data)

    made = make_run("retrieval", tmp_path, bend=bend, failing=0)
    report = build_report(made, metrics_of(made))
    assert "10 name nothing relevant and are left out" in report.head.measured
    assert report.rows[0].n == "50"


def test_the_time_taken_says_what_it_leaves_out(run: Run, metrics_of: MetricsOf) -> None:
    (picture,) = [p for p in build_report(run, metrics_of(run)).pictures if p.title == "Time taken"]
    assert "2 that failed" in picture.caption


def test_the_command_can_be_given_again() -> None:
    pins = Pins("qa", index="abc")
    info = RunInfo(pins, (("my cases.jsonl", "0"),), 5, 5, 3, {})
    assert command(info) == "surefoot eval qa --cases 'my cases.jsonl' --kb DIR --sample 5 --seed 3"
    told = RunInfo(pins, (), 5, None, 0, {"command": "surefoot eval qa --cases c"})
    assert command(told) == "surefoot eval qa --cases c"
