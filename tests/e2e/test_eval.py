"""`surefoot eval` as a script uses it: figures, exit codes, resuming, the gate, the report."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from evals.sample import CASES

pytestmark = [pytest.mark.e2e, pytest.mark.models]

SUREFOOT = Path(sys.executable).with_name("surefoot")
WAIT_S = 400
ESTIMATE = {"value", "low", "high", "n"}
PEOPLE = ("Ann Lee", "Bob Gray", "Carla Diaz", "Dmitri Petrov", "Emma Stone")


def pii_cases(path: Path, n: int) -> Path:
    """Sentences with a name and an e-mail address; kinds to slice by."""
    rows = []
    for i in range(n):
        name, mail = PEOPLE[i % 5], f"user{i}@example.org"
        text = f"Note {i}: write to {name} at {mail} before the ferry leaves."
        spans = [
            [text.index(part), text.index(part) + len(part), label]
            for part, label in ((name, "PERSON"), (mail, "EMAIL"))
        ]
        rows.append({"id": i, "text": text, "spans": spans, "kind": ["even", "odd"][i % 2]})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_figures_report_and_exit_code(tmp_path: Path, surefoot: Any) -> None:
    cases = pii_cases(tmp_path / "pii.jsonl", 40)
    out = tmp_path / "run"
    command = ("eval", "pii", "--cases", str(cases), "--out", str(out), "--slice", "kind")
    done = surefoot(*command, "--json")
    assert done.code == 0, done.err
    found = done.json()
    assert set(found) >= {"suite", "n", "metrics", "failed"}
    assert (found["suite"], found["n"], found["failed"]) == ("pii", 40, 0)
    assert set(found["metrics"]) >= {"precision", "recall", "f2", "PERSON/recall", "EMAIL/recall"}
    for figure in found["metrics"].values():
        assert set(figure) >= ESTIMATE
        assert figure["low"] <= figure["value"] <= figure["high"]
    assert set(found["slices"]["kind"]) == {"even", "odd"}
    page = (out / "report.html").read_text()
    assert "<svg" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert "f2" in (out / "report.md").read_text()
    again = surefoot(*command)
    assert again.code == 0
    assert "f2" in again.out
    assert surefoot("eval", "report", str(out)).code == 0
    sample = surefoot("eval", "pii", "--cases", str(cases), "--sample", "7", "--json").json()
    assert sample["n"] == 7


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("pii", "--cases", "nowhere.jsonl"), "nowhere.jsonl"),
        (("pii", "--cases", "bad.jsonl"), "bad.jsonl:2"),
        (("pii", "--cases", "good.jsonl", "--slice", "colour"), "colour"),
        (("pii", "--cases", "good.jsonl", "--baseline", "nowhere"), "no run is here"),
        (("pii", "--cases", "good.jsonl", "--gates", "bad.toml"), "pii.f2"),
        (("qa", "--cases", "qa.jsonl"), "--kb"),
        (("qa", "--cases", "qa.jsonl", "--kb", "nowhere"), "nowhere"),
        (("diff", "nowhere", "nowhere"), "no run is here"),
        (("songs", "--cases", "good.jsonl"), "songs"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, surefoot: Any, arguments: tuple[str, ...], problem: str
) -> None:
    pii_cases(tmp_path / "good.jsonl", 2)
    (tmp_path / "bad.jsonl").write_text('{"id": 1, "text": "a", "spans": []}\n{"id": 2}\n')
    (tmp_path / "bad.toml").write_text("[pii]\nf2 = 0.5\n")
    (tmp_path / "qa.jsonl").write_text('{"id": 1, "query": "a", "answers": []}\n')
    done = surefoot("eval", *arguments, cwd=tmp_path)
    assert done.code == 2
    assert problem in done.err
    assert done.out == ""


def start(*arguments: str, **env: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [str(SUREFOOT), *arguments],
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def wait_for_rows(process: subprocess.Popen[bytes], journal: Path, size: int) -> None:
    """Until the journal is longer than `size`; a busy machine may take minutes to load a model."""
    began = time.monotonic()
    while process.poll() is None:
        if journal.exists() and journal.stat().st_size > size:
            return
        if time.monotonic() - began > WAIT_S:
            process.kill()
            raise AssertionError(f"no row after {WAIT_S} s: {process.communicate()}")
        time.sleep(0.01)
    raise AssertionError(f"ended by itself: {process.communicate()}")


@pytest.mark.timeout(1800)
def test_killed_and_interrupted_it_comes_to_the_same_bytes(tmp_path: Path, surefoot: Any) -> None:
    cases = pii_cases(tmp_path / "pii.jsonl", 1200)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    done = surefoot("eval", "pii", "--cases", str(cases), "--out", str(whole), "--json")
    assert done.code == 0
    command = ("eval", "pii", "--cases", str(cases), "--out", str(cut), "--json")
    journal = cut / "rows.jsonl"
    for how in (signal.SIGKILL, signal.SIGINT, signal.SIGKILL, signal.SIGKILL, signal.SIGKILL):
        before = journal.stat().st_size if journal.exists() else 0
        process = start(*command)
        wait_for_rows(process, journal, before)
        process.send_signal(how)
        _, err = process.communicate(timeout=60)
        if how == signal.SIGINT:
            assert process.returncode == 130
            assert b"cases are kept; the same command goes on" in err
            assert b"Traceback" not in err
        else:
            assert process.returncode == -signal.SIGKILL
    again = surefoot(*command)
    assert again.out == done.out
    for name in ("results.json", "scores.jsonl"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()
    rows = [json.loads(line)["key"] for line in journal.read_text().splitlines()]
    assert len(rows) == len(set(rows)) == 1200


def test_the_gate_catches_a_fall_and_lets_the_same_pass(
    tmp_path: Path, surefoot: Any, sample_kb: Path
) -> None:
    cases = ("--cases", str(CASES / "retrieval.jsonl"), "--kb", str(sample_kb))
    base, worse = tmp_path / "base", tmp_path / "worse"
    first = surefoot("eval", "retrieval", *cases, "--out", str(base), "--json")
    assert first.code == 0, first.err
    assert first.json()["metrics"]["recall@10"]["value"] > 0.9
    gate = ("--baseline", str(base))
    same = surefoot("eval", "retrieval", *cases, "--out", str(tmp_path / "same"), *gate, "--json")
    assert same.code == 0, same.err
    assert same.json()["gate"]["verdict"] == "pass"
    lines = {line["metric"]: line for line in same.json()["gate"]["lines"]}
    assert {line["verdict"] for line in lines.values()} == {"no evidence"}
    fallen = surefoot(
        *("eval", "retrieval", *cases, "--out", str(worse), *gate),
        SUREFOOT_RETRIEVE_DENSE_WEIGHT="0",
        SUREFOOT_RETRIEVE_MAX_TERMS="1",
    )
    assert fallen.code == 4
    assert "gate: fail" in fallen.out
    assert "ndcg@10 fell from" in fallen.out
    turned = surefoot("eval", "diff", str(base), str(worse), "--json").json()
    assert turned
    shown = surefoot("eval", "diff", str(base), str(worse), "--top", "3")
    assert "policy" in shown.out


def test_absolute_limits(tmp_path: Path, surefoot: Any) -> None:
    cases = pii_cases(tmp_path / "pii.jsonl", 10)
    (tmp_path / "gates.toml").write_text("[pii]\nf2 = { min = 0.2 }\nrecall = { min = 1.01 }\n")
    done = surefoot("eval", "pii", "--cases", str(cases), "--json", cwd=tmp_path)
    assert done.code == 4
    verdicts = {row["metric"]: row["verdict"] for row in done.json()["gate"]["limits"]}
    assert verdicts == {"f2": "kept", "recall": "broken"}


@pytest.mark.timeout(1800)
def test_questions_with_a_real_model(tmp_path: Path, surefoot: Any, sample_kb: Path) -> None:
    """Stopped after the first answers, it comes to what an undisturbed run does."""
    lines = (CASES / "qa.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    kinds = {row["kind"]: row for row in rows}
    cases = tmp_path / "qa.jsonl"
    cases.write_text("".join(json.dumps(row) + "\n" for row in [*kinds.values(), *rows[:3]]))
    common = ("eval", "qa", "--cases", str(cases), "--kb", str(sample_kb))
    small = {"SUREFOOT_ENGINE_MODEL": "qwen2.5-coder-0.5b"}
    whole = surefoot(*common, "--out", str(tmp_path / "whole"), "--json", **small)
    assert whole.code == 0, whole.err
    found = whole.json()
    names = {"em", "f1", "answered_precision", "abstain_recall", "abstain_precision"}
    assert set(found["metrics"]) >= names | {"support_mean", "unsupported_shown_rate", "leaks"}
    assert found["metrics"]["leaks"]["value"] == 0
    traces = len(list((sample_kb / "traces").glob("*.json")))
    process = start(*common, "--out", str(tmp_path / "cut"), "--json", **small)
    wait_for_rows(process, tmp_path / "cut" / "rows.jsonl", 0)
    process.kill()
    process.communicate()
    again = surefoot(*common, "--out", str(tmp_path / "cut"), "--json", **small)
    assert again.out == whole.out
    assert len(list((sample_kb / "traces").glob("*.json"))) == traces


def test_perplexity_with_a_real_model(tmp_path: Path, surefoot: Any) -> None:
    cases = tmp_path / "texts.jsonl"
    texts = ["The ferry leaves the harbour at nine o'clock.", "zq wvx kkjh qqp wnx zzv"]
    cases.write_text("".join(json.dumps({"id": i, "text": t}) + "\n" for i, t in enumerate(texts)))
    done = surefoot("eval", "perplexity", "--cases", str(cases), "--slice", "id", "--json")
    assert done.code == 0, done.err
    found = done.json()
    assert found["metrics"]["tokens"]["value"] > 10
    plain, noise = (found["slices"]["id"][key]["perplexity"]["value"] for key in ("0", "1"))
    assert plain < noise
