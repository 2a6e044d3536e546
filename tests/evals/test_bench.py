"""The benches: fair rounds, honest ratios, leaks counted right, and each bench in small."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from evals.bench import buffers, retrieve, texts
from evals.bench import eval as eval_bench
from evals.bench.harness import (
    Contest,
    Measure,
    Missing,
    Plan,
    Side,
    ratio,
    run_bench,
    run_contest,
)
from evals.bench.show import as_json, lines
from rag.safety.pii import PiiFilter
from rag.types import Decision, Finding, Verdict
from ui.commands.bench import app

EMAIL = re.compile(r"[\w.]+@\w+\.\w+")


def quiet(_: str) -> None:
    pass


def sides(*seconds: tuple[str, Sequence[float]], log: list[str] | None = None) -> tuple[Side, ...]:
    def side(name: str, times: Sequence[float]) -> Side:
        left = iter(times)

        def run() -> Measure:
            if log is not None:
                log.append(name)
            return Measure(next(left), {"twice_s": 2.0})

        return Side(name, "1", run)

    return tuple(side(name, times) for name, times in seconds)


def test_rounds_alternate_and_the_first_does_not_count() -> None:
    log: list[str] = []
    contest = Contest("c", "", sides(("a", [9, 1, 2, 3]), ("b", [9, 2, 4, 6]), log=log))
    found = run_contest(contest, 3, quiet)
    assert "".join(log) == "baabbaab"
    assert (found.sides[0].seconds.min, found.sides[0].seconds.max) == (1, 3)
    assert found.ratios[0].spread.median == 2
    assert found.ratios[0].note == ""


@pytest.mark.parametrize(
    ("ratios", "note"),
    [
        ([2.0, 2.0, 2.1], ""),
        ([0.5, 0.6, 0.5], ""),
        ([2.0, 2.1], "too few"),
        ([0.9, 1.1, 1.2], "says nothing"),
        ([1.5, 2.0, 4.0], "uneven"),
    ],
)
def test_ratios_that_say_little_say_so(ratios: list[float], note: str) -> None:
    found = ratio("p", "seconds", [(Measure(1.0), Measure(value)) for value in ratios])
    assert note in found.note
    assert bool(note) == bool(found.note)


def test_figures_can_be_compared_too() -> None:
    contest = Contest("c", "", sides(("a", [1, 1]), ("b", [1, 3])), compared=("seconds", "twice_s"))
    found = run_contest(contest, 1, quiet)
    assert [(r.of, r.spread.median) for r in found.ratios] == [("seconds", 3), ("twice_s", 1)]


@given(st.lists(st.tuples(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6)), min_size=1, max_size=9))
def test_a_ratio_lies_within_its_spread(pairs: list[tuple[float, float]]) -> None:
    found = ratio("p", "seconds", [(Measure(ours), Measure(theirs)) for ours, theirs in pairs])
    assert found.spread.min <= found.spread.median <= found.spread.max
    again = ratio("p", "seconds", [(Measure(theirs), Measure(ours)) for ours, theirs in pairs])
    assert again.spread.max == pytest.approx(1 / found.spread.min)


def plan_of(contest: Contest) -> Plan:
    return lambda size, workspace, say: [contest]


def test_a_result_is_json_and_names_who_is_missing() -> None:
    peers = (Missing("peerless", "pip install peerless"),)
    contest = Contest("c", "some work", sides(("a", [1, 1])), missing=peers)
    result = run_bench("guard", plan_of(contest), 7, 1, quiet)
    found = json.loads(json.dumps(as_json(result), allow_nan=False))
    assert found["command"] == "surefoot bench guard --size 7 --repeats 1"
    assert found["contests"][0]["missing"] == [
        {"name": "peerless", "install": "pip install peerless"}
    ]
    assert found["machine"]["cores"] >= 1
    assert "not installed: peerless (pip install peerless)" in "\n".join(lines(result))


def test_a_stopped_bench_leaves_nothing_behind() -> None:
    seen: list[Path] = []

    def plan(size: int, workspace: Path, say: Callable[[str], None]) -> list[Contest]:
        (workspace / "much").write_text("data")
        seen.append(workspace)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_bench("guard", plan, 1, 1, quiet)
    assert not seen[0].exists()


def mails(text: str, context: str) -> Verdict:
    """Redacts e-mail addresses; sees those that begin in the context."""
    whole, offset = context + text, len(context)
    spans = [(m.start() - offset, m.end() - offset) for m in EMAIL.finditer(whole)]
    found = tuple(
        Finding("answer", "EMAIL_ADDRESS", max(0, start), end, 1.0, "test", "redact")
        for start, end in spans
        if end > 0
    )
    return Verdict(Decision.REDACT if found else Decision.ALLOW, text, found)


def allow(text: str, context: str) -> Verdict:
    return Verdict(Decision.ALLOW, text)


BUFFERS = (
    buffers.by_segment,
    buffers.chunks_shown_first,
    buffers.chunks_checked_first,
    buffers.whole,
)


@pytest.mark.parametrize("buffer", BUFFERS)
@given(st.lists(st.sampled_from([" word", ".", " 12", "\n", " Yes"]), max_size=450))
def test_with_nothing_to_find_everything_is_shown(
    buffer: buffers.Buffer, tokens: list[str]
) -> None:
    found = buffer(tokens, allow)
    shown = sum(end - start for start, end in found.visible)
    assert shown == len("".join(tokens))
    assert not found.stopped


def mail_across(border: int) -> tuple[list[str], int, int]:
    head = [" word"] * (border - 3) + ["."]
    mail = [" ann", "@sea", ".org"]
    start = len("".join(head)) + 1
    return [*head, *mail, ".", *[" word"] * 40], start, start + len("ann@sea.org")


@pytest.mark.parametrize(
    ("buffer", "leaked", "first"),
    [
        (buffers.by_segment, "", 120),
        (buffers.chunks_shown_first, "ann@sea.org", 200),
        (buffers.chunks_checked_first, "ann@sea", 200),
        (buffers.whole, "", 242),
    ],
)
def test_what_leaks_across_a_border(buffer: buffers.Buffer, leaked: str, first: int) -> None:
    tokens, start, end = mail_across(200)
    found = buffer(tokens, mails)
    assert buffers.overlap(found.visible, [(start, end)]) == len(leaked)
    assert found.stopped == (buffer is buffers.chunks_shown_first)
    assert found.first_token == first


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, []),
        (10, [10]),
        (200, [200]),
        (201, [200, 201]),
        (350, [200, 350]),
        (520, [200, 350, 500, 520]),
    ],
)
def test_borders_of_a_rolling_buffer(count: int, expected: list[int]) -> None:
    assert buffers.borders(count) == expected


@given(st.text(max_size=200))
def test_tokens_join_to_the_text(text: str) -> None:
    assert "".join(texts.tokens(text)) == text


def test_planted_data_is_found_and_cut_by_the_borders() -> None:
    finder, borders = PiiFilter(None), buffers.borders(700)[:-1]
    for planted in texts.straddling(4, borders):
        tokens = texts.tokens(planted.text)
        for (start, end, label), border in zip(planted.spans, borders, strict=True):
            assert start < len("".join(tokens[:border])) < end
            assert any(
                f.start <= start and end <= f.end and f.label == label
                for f in finder.find(planted.text, "answer")
            )


def test_the_same_seed_gives_the_same_texts() -> None:
    assert texts.answers(3, 5) == texts.answers(3, 5)
    assert texts.answers(3, 5) != texts.answers(3, 5, seed=1)


def test_retrieve_through_the_command(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    command = ["retrieve", "--size", "30", "--repeats", "1", "--json", "--out", str(out)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found == json.loads(out.read_text(encoding="utf-8"))
    ours = found["contests"][0]["sides"][0]
    assert ours["figures"]["overlap"]["median"] == 1
    assert ours["figures"]["found"]["median"] > 0.9


def test_a_peer_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieve, "installed", lambda name: None)
    done = CliRunner().invoke(app, ["retrieve", "--size", "20", "--repeats", "1"])
    assert done.exit_code == 0, done.output
    assert "not installed: bm25s (pip install 'surefoot[bench]')" in done.stdout
    assert "LangChain ensemble (pip install langchain-community langchain-classic" in done.stdout


def test_out_to_nowhere_is_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["retrieve", "--out", str(tmp_path / "no" / "file.json")])
    assert "no such folder" in str(done.exception)


def test_auc_comes_to_the_same_as_in_scikit_learn() -> None:
    pytest.importorskip("sklearn")
    ours, peer = run_contest(eval_bench._auc(120, "1"), 1, quiet).sides
    assert ours.figures["auc"].median == pytest.approx(peer.figures["auc"].median)
    assert ours.figures["low"].median == pytest.approx(peer.figures["low"].median, abs=0.05)


def test_the_smallest_eval_bench_has_figures() -> None:
    pytest.importorskip("sklearn")
    for side in run_contest(eval_bench._auc(1, "1"), 1, quiet).sides:
        assert 0 <= side.figures["low"].median <= side.figures["auc"].median <= 1


def test_ndcg_comes_to_the_same_as_in_trec_eval() -> None:
    pytest.importorskip("pytrec_eval")
    ours, peer = run_contest(eval_bench._ndcg(40, "1"), 1, quiet).sides
    assert ours.figures["ndcg@10"].median == pytest.approx(peer.figures["ndcg@10"].median)


@pytest.mark.models
def test_guard_in_small(ner_path: Path, embedder_path: Path) -> None:
    from evals.bench import guard

    result = run_bench("guard", guard.plan, 2, 1, quiet)
    data, anywhere, across = result.contests
    assert {side.figures["planted_found_share"].median for side in data.sides[:2]} == {1.0}
    for contest in (anywhere, across):
        ours, shown_first, checked_first, whole = contest.sides
        assert ours.figures["leaked_characters"].median == 0
        assert whole.figures["leaked_characters"].median == 0
        assert ours.seconds.median > 0
        first = [side.figures["first_shown_tokens"].median for side in contest.sides]
        assert first[0] < first[1] == first[2] < first[3]
    assert shown_first.figures["leaked_characters"].median > 0
    assert checked_first.figures["leaked_characters"].median > 0


@pytest.mark.models
def test_ingest_in_small(embedder_path: Path) -> None:
    from evals.bench import ingest

    (contest,) = run_bench("ingest", ingest.plan, 2, 1, quiet).contests
    ours = contest.sides[0]
    assert ours.figures["second_ingest_s"].median < ours.seconds.median
    assert float(contest.what.rsplit(maxsplit=1)[1]) > 0.99


@pytest.mark.models
def test_generate_in_small(small_lm_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from evals.bench import generate

    monkeypatch.setattr(generate, "MAX_TOKENS", 6)
    contest = run_contest(generate._decoding(2, quiet), 1, quiet)
    assert "the same" in contest.what
    assert all(np.isfinite(side.figures["decode_tokens_per_s"].median) for side in contest.sides)


def test_batch_in_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from evals.bench import batch

    monkeypatch.setattr(batch, "CPU_PROMPTS", 3)
    monkeypatch.setattr(batch, "CPU_TOKENS", 5)
    contest = run_contest(batch.contest(2, tmp_path, quiet), 1, quiet)
    if "no GPU was measured" in contest.what:
        assert "3 of 3 replies are the same" in contest.what
    assert all(side.figures["decoded_tokens_per_s"].median > 0 for side in contest.sides)


@pytest.mark.e2e
def test_busy_in_small(small_lm_path: Path, tmp_path: Path) -> None:
    from evals.bench import busy

    alone, beside = busy.plan(1, tmp_path, quiet)
    for side in (*alone.sides, beside.sides[0]):
        measure = side.run()
        assert 0 < measure.figures["token_s"] < measure.figures["first_s"] < measure.seconds


@pytest.mark.browser
def test_paint_in_small(embedder_path: Path, tmp_path: Path) -> None:
    from evals.bench import paint

    try:
        (contest,) = paint.plan(1, tmp_path, quiet)
        measure = contest.sides[0].run()
    except paint.NoBrowser as error:
        pytest.skip(str(error))
    assert min(measure.seconds, measure.figures["next_page_s"]) > 0


@pytest.mark.e2e
def test_overhead_in_small(
    small_lm_path: Path, ner_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from evals.bench import overhead

    monkeypatch.setattr(overhead, "QUESTIONS", 1)
    contest = overhead.contest(small_lm_path.parent.name, tmp_path, quiet)
    (ours,) = run_contest(contest, 1, quiet).sides
    assert 0 < ours.figures["outside_model_percent"].median < 100


def test_a_stopwatch_counts_the_model_alone() -> None:
    from evals.bench.overhead import Stopwatch
    from rag.engines.scripted import ScriptedEngine
    from rag.types import Decoding, Message

    watch = Stopwatch(ScriptedEngine(["one two three"]))
    asked = [Message("user", "what?")]
    for _ in watch.stream(asked, Decoding(), Event()):
        time.sleep(0.2)
    assert 0 < watch.seconds < 0.2
    assert watch.count_tokens(asked) == 5
    assert watch.score(asked, ("Yes", "No")) == [-0.5, -2.5]


@pytest.mark.models
def test_runner_finds_what_the_filter_finds(ner_path: Path, tmp_path: Path) -> None:
    ours, loop = run_contest(eval_bench._runner(8, tmp_path, "1"), 1, quiet).sides
    assert ours.figures["spans_found"] == loop.figures["spans_found"]
    assert ours.figures["spans_found"].median > 0
