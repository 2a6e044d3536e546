"""Judging runs: by probabilities and by replies, resumable, both orders, agreement with people."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from evals.errors import RunError
from evals.journal import Journal
from evals.judge.material import parts_of
from evals.judge.rubric import load_rubric
from evals.judge.runs import judge_pair, judge_run, render
from evals.judge.verdict import Judge, parse
from evals.rundir import JOURNAL, Run, write_run
from evals.types import Case, Outcome, Pins, RunInfo, Score, ScoredCase
from ingest.lock import writer_lock
from rag.engines.scripted import ScriptedEngine
from rag.errors import ConfigError, EngineError
from rag.types import Decoding, Message, Token

CORRECT = load_rubric("correctness")
PAIRWISE = load_rubric("pairwise")
PINS = Pins("qa", "model", code="1")


class Oracle:
    """A judge whose log-probabilities a test decides from what it is shown."""

    name = "oracle"
    sha256 = "f" * 64
    window = 4096

    def __init__(self, decide: Callable[[str], Sequence[float]], reply: str = "") -> None:
        self.decide = decide
        self.reply = reply
        self.asked: list[str] = []
        self.rewound = 0

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(len(message.content.split()) for message in messages)

    def score(self, messages: Sequence[Message], choices: Sequence[str]) -> list[float]:
        self.asked.append(messages[-1].content)
        return list(self.decide(messages[-1].content))

    def stream(
        self, messages: Sequence[Message], decoding: Decoding, cancel: Event
    ) -> Generator[Token, None, None]:
        self.asked.append(messages[-1].content)
        yield Token(self.reply, 0, -0.1)

    def rewind(self, messages: Sequence[Message]) -> None:
        assert [message.role for message in messages] == ["system", "user"]
        assert messages[-1].content == ""
        self.rewound += 1


def fenced(prompt: str, part: str) -> str:
    return prompt.split(f'<judged part="{part}">\n')[1].split("\n</judged>")[0]


def says_right(prompt: str) -> tuple[float, float]:
    """Yes if a reference answer stands in the answer."""
    reference = fenced(prompt, "reference").removeprefix("- ")
    yes = reference in fenced(prompt, "answer")
    return (-0.1, -3.0) if yes else (-3.0, -0.1)


def case(name: str, **extra: Any) -> Case:
    row = {"id": name, "query": f"What is {name}?", "answers": [f"<{name}>"], **extra}
    digest = hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()
    return Case(name, name, row, digest[:32])


def finished(
    folder: Path,
    said: Sequence[tuple[Case, str | None]],
    right: dict[str, float] | None = None,
) -> Run:
    """A run with these answers; None is a case that failed."""
    folder.mkdir(parents=True)
    journal = Journal(folder / JOURNAL)
    scores = []
    for item, answer in said:
        data = {} if answer is None else {"answer": answer, "status": "answered", "passages": []}
        journal.append(PINS, [(item, Outcome(data, 1.0, "timed out" if answer is None else ""))])
        values = {"right": (right or {}).get(item.id)}
        scores.append(ScoredCase(Score(item.id, item.cluster, "scored", values), item.sha256, {}))
    journal.close()
    info = RunInfo(PINS, (("cases.jsonl", "0"),), len(scores), None, 0)
    return write_run(folder, info, scores, {"suite": "qa", "n": len(scores), "metrics": {}})


def answers(*rows: tuple[Case, str | None]) -> Sequence[tuple[Case, str | None]]:
    return rows


def test_the_share_of_right_answers(tmp_path: Path) -> None:
    run = finished(
        tmp_path / "run",
        answers((case("a"), "It is <a>."), (case("b"), "It is <x>."), (case("c"), "<c>")),
        {"a": 1.0, "b": 1.0, "c": 1.0},
    )
    engine = Oracle(says_right)
    report = judge_run(run, Judge(engine, CORRECT))
    assert (report.n, report.way, report.choices) == (3, "score", {"Yes": 2, "No": 1})
    assert report.figures["correctness"].value == pytest.approx(2 / 3)
    assert report.figures["correctness"].n == 3
    assert report.agreement["right"].share.value == pytest.approx(2 / 3)
    assert "human" not in report.agreement
    assert engine.rewound == 3


def test_what_was_judged_is_not_judged_again(tmp_path: Path) -> None:
    run = finished(tmp_path / "run", answers((case("a"), "<a>"), (case("b"), "no")))
    first = judge_run(run, Judge(Oracle(says_right), CORRECT))
    again = Oracle(says_right)
    assert judge_run(run, Judge(again, CORRECT)) == first
    assert again.asked == []
    other = Oracle(says_right)
    other.sha256 = "e" * 64
    judge_run(run, Judge(other, CORRECT))
    assert len(other.asked) == 2
    byreply = Oracle(says_right, "No.")
    assert judge_run(run, Judge(byreply, CORRECT, "text")).choices == {"No": 2}
    assert len(byreply.asked) == 2


def test_stopped_half_way_it_goes_on(tmp_path: Path) -> None:
    run = finished(tmp_path / "run", answers(*((case(n), f"<{n}>") for n in "abcd")))

    def stops_at_the_third(done: int, total: int) -> None:
        assert total == 4
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judge_run(run, Judge(Oracle(says_right), CORRECT), tick=stops_at_the_third)
    ledger = run.path / "judge-correctness.jsonl"
    ledger.write_bytes(ledger.read_bytes()[:-20])
    engine = Oracle(says_right)
    assert judge_run(run, Judge(engine, CORRECT)).n == 4
    assert len(engine.asked) == 2


def test_missing_verdicts_count_against(tmp_path: Path) -> None:
    rows = answers((case("a"), "<a>"), (case("b"), None), (case("c"), "word " * 5000))
    report = judge_run(finished(tmp_path / "run", rows), Judge(Oracle(says_right), CORRECT))
    assert report.figures["correctness"].value == pytest.approx(1 / 3)
    assert report.figures["correctness"].n == 3
    assert [name for name, _ in report.unscored] == ["b", "c"]
    assert "timed out" in report.unscored[0][1]
    assert "do not fit" in report.unscored[1][1]


def test_an_engine_that_fails_is_asked_again_next_time(tmp_path: Path) -> None:
    def fails(prompt: str) -> Sequence[float]:
        raise EngineError("oracle", "out of memory")

    run = finished(tmp_path / "run", answers((case("a"), "<a>")))
    report = judge_run(run, Judge(Oracle(fails), CORRECT))
    assert report.unscored == (("a", "engine oracle: out of memory"),)
    assert judge_run(run, Judge(Oracle(says_right), CORRECT)).choices == {"Yes": 1}


def test_no_probability_is_no_verdict(tmp_path: Path) -> None:
    run = finished(tmp_path / "run", answers((case("a"), "<a>")))
    engine = Oracle(lambda prompt: (-math.inf, -math.inf))
    assert judge_run(run, Judge(engine, CORRECT)).unscored[0][1].endswith("any probability")


def test_agreement_with_people(tmp_path: Path) -> None:
    rows = [(case(f"y{i}", human="Yes"), f"<y{i}>") for i in range(6)]
    rows += [(case(f"n{i}", human=False), "wrong") for i in range(4)]
    rows += [(case("z", human=1), "wrong"), (case("unlabelled"), "wrong")]
    run = finished(tmp_path / "run", answers(*rows))
    found = judge_run(run, Judge(Oracle(says_right), CORRECT)).agreement["human"]
    assert found.share.value == pytest.approx(10 / 11)
    assert found.kappa.n == 11
    # po = 10/11, pe = (6 * 7 + 5 * 4) / 121
    assert found.kappa.value == pytest.approx((10 / 11 - 62 / 121) / (1 - 62 / 121))


def test_a_failed_verdict_is_a_disagreement(tmp_path: Path) -> None:
    run = finished(
        tmp_path / "run",
        answers((case("a", human=True), "<a>"), (case("b", human=False), None)),
    )
    found = judge_run(run, Judge(Oracle(says_right), CORRECT)).agreement["human"]
    assert found.share.value == pytest.approx(0.5)


def test_labels_that_do_not_fit(tmp_path: Path) -> None:
    run = finished(tmp_path / "run", answers((case("a", human="perhaps"), "<a>")))
    with pytest.raises(ConfigError, match="'perhaps', not one of Yes, No"):
        judge_run(run, Judge(Oracle(says_right), CORRECT))
    with pytest.raises(RunError, match="none of its cases has the field 'gold'"):
        judge_run(run, Judge(Oracle(says_right), CORRECT), "gold")


def test_grades_have_a_mean(tmp_path: Path) -> None:
    rubric = load_rubric("helpfulness")
    run = finished(tmp_path / "run", answers((case("a"), "good"), (case("b"), None)))
    engine = Oracle(lambda prompt: (-9.0, -9.0, -9.0, -9.0, -0.01))
    report = judge_run(run, Judge(engine, rubric))
    assert report.figures["helpfulness"].value == pytest.approx(3.0)
    assert report.choices == {"": 1, "5": 1}


def test_a_rubric_that_fits_no_case(tmp_path: Path) -> None:
    other = Case("a", "a", {"id": "a", "text": "x"}, "0" * 32)
    run = finished(tmp_path / "run", answers((other, "<a>")))
    with pytest.raises(RunError, match="does not fit: the case has no question"):
        judge_run(run, Judge(Oracle(says_right), CORRECT))


def longer(prompt: str) -> tuple[float, float]:
    first, second = len(fenced(prompt, "first")), len(fenced(prompt, "second"))
    return (-0.1, -2.0) if first > second else (-2.0, -0.1)


def test_pairs_are_asked_in_both_orders(tmp_path: Path) -> None:
    cases = [case(name) for name in "abcd"]
    run = finished(
        tmp_path / "run",
        answers(*zip(cases, ["a long answer", "short", "same", None], strict=True)),
    )
    against = finished(
        tmp_path / "against",
        answers(*zip(cases, ["brief", "an answer of length", "same", "x"], strict=True)),
    )
    engine = Oracle(longer)
    report = judge_pair(run, against, Judge(engine, PAIRWISE))
    assert report.choices == {"against": 2, "run": 1, "tie": 1}
    assert report.figures["wins"].value == pytest.approx(1 / 4)
    assert report.figures["net"].value == pytest.approx(-1 / 4)
    assert report.figures["position_bias"].value == 0
    assert report.figures["position_bias"].n == 2
    assert len(engine.asked) == 4
    assert fenced(engine.asked[0], "first") == fenced(engine.asked[1], "second")


def test_a_judge_that_likes_the_first_prefers_nothing(tmp_path: Path) -> None:
    cases = [case(name) for name in "ab"]
    run = finished(tmp_path / "run", answers(*((item, "one") for item in cases)))
    against = finished(tmp_path / "against", answers(*((item, "two") for item in cases)))
    report = judge_pair(run, against, Judge(Oracle(lambda prompt: (-0.1, -3.0)), PAIRWISE))
    assert report.choices == {"tie": 2}
    assert report.figures["position_bias"].value == 1
    assert report.figures["prefers_first"].value == 1
    fair = judge_pair(run, against, Judge(Oracle(longer), PAIRWISE))
    assert fair.figures["prefers_first"].value == 1  # the ledger knows these verdicts already


def test_pairs_need_common_cases_and_their_own_rubric(tmp_path: Path) -> None:
    run = finished(tmp_path / "run", answers((case("a"), "one")))
    other = finished(tmp_path / "other", answers((case("a", changed=1), "one")))
    with pytest.raises(RunError, match="no case in common"):
        judge_pair(run, other, Judge(Oracle(longer), PAIRWISE))
    with pytest.raises(ConfigError, match="judges two runs"):
        judge_run(run, Judge(Oracle(longer), PAIRWISE))
    with pytest.raises(ConfigError, match="judges one run"):
        judge_pair(run, run, Judge(Oracle(longer), CORRECT))


def test_a_pairs_labels(tmp_path: Path) -> None:
    cases = [case("a", human="A"), case("b", human="tie"), case("c", human="against")]
    run = finished(tmp_path / "run", answers(*((item, "longer") for item in cases)))
    against = finished(tmp_path / "against", answers(*((item, "x") for item in cases)))
    report = judge_pair(run, against, Judge(Oracle(longer), PAIRWISE))
    assert report.agreement["human"].share.value == pytest.approx(1 / 3)
    bad = case("d", human="yes")
    one = finished(tmp_path / "one", answers((bad, "x")))
    with pytest.raises(ConfigError, match="not run, against or tie"):
        judge_pair(one, one, Judge(Oracle(longer), PAIRWISE))


@pytest.mark.parametrize(
    ("reply", "choice"),
    [
        ("Yes", "Yes"),
        (" yes.", "Yes"),
        ("**No**, because", "No"),
        ("Answer: Yes", "Yes"),
        ("The answer is: no", "No"),
        ("'Yes'", "Yes"),
        ("Yesterday", None),
        ("I would say Yes", None),
        ("", None),
        ("Not sure", None),
        ("maybe yes", None),
    ],
)
def test_a_reply_is_parsed_strictly(reply: str, choice: str | None) -> None:
    assert parse(reply, ("Yes", "No")) == choice


@pytest.mark.parametrize(
    ("reply", "choice"),
    [("4", "4"), ("Grade: 5", "5"), ("4.5", None), ("10", None), ("2,", "2"), ("3/5", "3")],
)
def test_a_grade_is_parsed_strictly(reply: str, choice: str | None) -> None:
    assert parse(reply, ("1", "2", "3", "4", "5")) == choice


def test_an_engine_without_choices_is_asked_for_replies(tmp_path: Path) -> None:
    class Speaks:
        """An engine that can only talk."""

        def __init__(self, reply: str) -> None:
            self._inner = ScriptedEngine([reply])
            self.name, self.sha256, self.window = "speaks", "d" * 64, 4096
            self.count_tokens, self.stream = self._inner.count_tokens, self._inner.stream

    run = finished(tmp_path / "run", answers((case("a"), "<a>"), (case("b"), "<b>")))
    mumbles: Any = Speaks("Well, hard to say")
    report = judge_run(run, Judge(mumbles, CORRECT))
    assert (report.way, report.choices) == ("text", {"": 2})
    assert "names no choice: 'Well, hard to say'" in report.unscored[0][1]
    assert report.figures["correctness"].value == 0


def test_the_report_says_what_is_not_known(tmp_path: Path) -> None:
    rows = [(case(f"c{i}"), None) for i in range(7)] + [(case("a"), "<a>")]
    report = judge_run(
        finished(tmp_path / "run", answers(*rows)), Judge(Oracle(says_right), CORRECT)
    )
    text = "\n".join(render(report))
    assert "correctness v1, judged by oracle by probabilities, n=8" in text
    assert "how far this judge can be trusted here is not known" in text
    assert "and 2 more without a verdict" in text
    shown = json.loads(json.dumps(report.json()))
    assert shown["failed"] == 7
    assert shown["metrics"]["correctness"]["n"] == 8
    assert shown["model"] == {"name": "oracle", "sha256": "f" * 64}


def test_two_judges_at_once_is_one_clear_error(tmp_path: Path) -> None:
    run = finished(tmp_path / "run", answers((case("a"), "<a>")))
    with writer_lock(run.path), pytest.raises(RunError, match="is being written by"):
        judge_run(run, Judge(Oracle(says_right), CORRECT))


def test_what_a_judge_may_read() -> None:
    row = {
        "id": "a",
        "query": "And when?",
        "answers": ["noon", "12:00"],
        "history": [
            {"role": "user", "content": "Where?"},
            {"role": "assistant", "content": "Oslo"},
        ],
    }
    data = {"answer": "At noon.", "passages": [{"text": "It is at noon."}, {"text": "Bring food."}]}
    assert parts_of(Case("a", "a", row, "0"), Outcome(data)) == {
        "question": "user: Where?\nassistant: Oslo\nuser: And when?",
        "reference": "- noon\n- 12:00",
        "passages": "[1] It is at noon.\n\n[2] Bring food.",
        "answer": "At noon.",
    }
    grounding = {"id": "b", "source": "It rains.", "answer": "It rains."}
    found = parts_of(Case("b", "b", grounding, "0"), Outcome({"sentences": []}))
    assert found == {"passages": "It rains.", "answer": "It rains."}
    assert parts_of(Case("c", "c", {}, "0"), Outcome({"answer": ""})) == {"answer": ""}


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import typer
    from typer.testing import CliRunner

    import rag.assemble
    from ui.commands.judge import judge as command

    cases = [case("a"), case("b")]
    run = finished(tmp_path / "run", answers(*((item, f"<{item.id}>") for item in cases)))
    against = finished(tmp_path / "against", answers(*((item, "x") for item in cases)))
    engine = Oracle(lambda prompt: longer(prompt) if '"first"' in prompt else says_right(prompt))
    monkeypatch.setattr(rag.assemble, "open_engine", lambda config: engine)
    app = typer.Typer()
    app.command()(command)
    done = CliRunner().invoke(app, [str(run.path), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["choices"] == {"Yes": 2}
    done = CliRunner().invoke(app, [str(run.path), "--against", str(against.path)])
    assert done.exit_code == 0, done.output
    assert "pairwise v1, judged by oracle" in done.stdout
    engine.window = 10
    done = CliRunner().invoke(app, [str(run.path), "--rubric", "faithfulness"])
    assert done.exit_code == 3
    bad = CliRunner().invoke(app, [str(run.path), "--rubric", "nope"])
    assert isinstance(bad.exception, ConfigError)
