"""From an answer to numbers and fixed words, without a library."""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import KnowledgeBaseMissing
from rag.draft import STOPPED
from rag.errors import EngineError, PromptTooLong
from rag.gate import NO_ANSWER, NOT_EVERY, NOTHING_PASSED, ONCE_MORE
from rag.telemetry import labels, measures
from rag.telemetry.labels import Learned, among, route_label, status_label
from rag.telemetry.memory import Memory, gpu_memory, group_memory, machine_memory, memories
from rag.telemetry.outline import Outline, of_answer, of_failure
from rag.telemetry.parent import current_parent, parented
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

RAG = Path(measures.__file__).parents[1]
TIMINGS = {
    "guard_question": 10.0,
    "retrieve": 40.0,
    "guard_passages": 60.0,
    "budget": 65.0,
    "check": 165.0,
    "first_token": 200.0,
    "first_shown": 300.0,
    "generate": 600.0,
    "total": 610.0,
}
SECRET = "Fiona's salary"


def passage(score: float = 0.8) -> Passage:
    return Passage(
        1, score, 0.7, 3.0, SECRET, f"/kb/{SECRET}.md", SECRET, (SECRET,), 1, 0, 4, SECRET
    )


def answer(
    status: str = "answered",
    cause: str | None = None,
    timings: Mapping[str, float] = TIMINGS,
    cited: bool = True,
    **more: object,
) -> Answer:
    citation = Citation(SECRET, SECRET, 1, 0, 4, SECRET)
    fields: dict[str, object] = {
        "status": status,
        "text": SECRET,
        "sentences": (Sentence(SECRET, 0.9, (citation,) if cited else ()), Sentence("Hm.", None)),
        "passages": (passage(),),
        "findings": (Finding("answer", "PERSON", 0, 5, 0.9, "pii"),),
        "tokens": TokenUse(500, 11, 4096, (Dropped(SECRET, 30, "the budget is full"),)),
        "timings_ms": timings,
        "model": ModelRef("tiny", "ab"),
        "trace": SECRET,
        "cause": cause,
        "withheld": 2,
        "signals": {"trust": 0.7},
        "searched": SECRET,
    }
    return Answer(**{**fields, **more})  # type: ignore[arg-type]


def test_stages_follow_each_other_and_make_up_the_whole() -> None:
    stages = measures.stage_times({**TIMINGS, "regenerate": 605.0})
    assert [stage.name for stage in stages] == [*measures.STAGES, "finish"]
    assert stages[0].start_ms == 0
    assert stages[-1].end_ms == 610
    for before, after in pairwise(stages):
        assert before.end_ms == after.start_ms


@given(st.dictionaries(st.sampled_from([*TIMINGS, "unheard_of"]), st.floats(0, 1e6)))
def test_any_timings_give_stages_in_order(timings: dict[str, float]) -> None:
    stages = measures.stage_times(timings)
    assert all(stage.start_ms <= stage.end_ms for stage in stages)
    assert {stage.name for stage in stages} <= {*measures.STAGES, "finish"}


@pytest.mark.parametrize(
    ("timings", "completion", "expected"),
    [(TIMINGS, 11, 40.0), (TIMINGS, 1, None), ({"total": 5.0}, 0, None)],
)
def test_time_per_token(timings: dict[str, float], completion: int, expected: float | None) -> None:
    made = answer(timings=timings, tokens=TokenUse(5, completion, 4096))
    assert measures.per_token_ms(made) == expected


@pytest.mark.parametrize(
    ("status", "cause", "expected"),
    [
        ("answered", None, "none"),
        ("answered", "stopped by the reader", "stopped"),
        ("abstained", "no passage comes near the question", "nothing_near"),
        ("abstained", "what nobody wrote yet", "other"),
        ("blocked", "injection: PROMPT_INJECTION", "rule"),
        ("blocked", "filter pii: timeout", "filter_error"),
    ],
)
def test_why_an_answer_ended(status: str, cause: str | None, expected: str) -> None:
    assert measures.outcome_cause(answer(status, cause)) == expected


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        ("filter pii: timeout", measures.FilterFailure("pii", "timeout")),
        ("filter : RuntimeError", measures.FilterFailure("other", "error")),
        ("filter made_up: ValueError", measures.FilterFailure("other", "error")),
        ("pii: EMAIL_ADDRESS", None),
        (None, None),
    ],
)
def test_a_filter_that_failed(cause: str | None, expected: measures.FilterFailure | None) -> None:
    assert measures.filter_failure(answer("blocked", cause)) == expected


def _literals(call: str) -> set[str]:
    """String arguments of the calls by this name anywhere in `rag`."""
    found = set()
    for node in (node for path in RAG.glob("*.py") for node in ast.walk(_tree(path))):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            found |= {a.value for a in node.args if name == call and isinstance(a, ast.Constant)}
    return {text for text in found if isinstance(text, str)}


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def test_every_cause_that_the_pipeline_gives_has_a_word() -> None:
    given_causes = _literals("abstained")
    assert len(given_causes) >= 2
    given_causes |= {NO_ANSWER, NOT_EVERY, NOTHING_PASSED, ONCE_MORE}
    assert given_causes | {STOPPED} == set(measures.CAUSES)


def test_every_reason_to_leave_something_out_has_a_word() -> None:
    reasons = {text for text in _literals("Dropped") if text in measures.WHYS}
    assert reasons == {"instructions or harmful content in a document"}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (GeneratorExit(), "left"),
        (PromptTooLong(9, 5), "prompt_too_long"),
        (EngineError("tiny", "llama_decode returned 1"), "engine"),
        (EngineError("tiny", "out of GPU memory; use a smaller window"), "memory"),
        (EngineError("template", "the chat template drops messages"), "tokenizer"),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates"), "tokenizer"),
        (KnowledgeBaseMissing(Path("kb")), "knowledge_base"),
        (MemoryError(), "memory"),
        (ZeroDivisionError(), "other"),
    ],
)
def test_why_there_was_no_answer(error: BaseException, expected: str) -> None:
    assert measures.failure_cause(error) == expected
    assert expected in measures.FAILURES


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (answer(), "hit"),
        (answer("abstained", cited=False), "near_miss"),
        (answer("abstained", passages=(), sentences=()), "empty"),
        (answer("blocked", "pii: X", passages=()), None),
        (answer(timings={"guard_question": 1.0, "total": 2.0}), None),
    ],
)
def test_what_retrieval_came_to(made: Answer, expected: str | None) -> None:
    assert measures.retrieval_of(made) == expected


def test_claims_by_fate() -> None:
    sentences = [Sentence("a", 0.9), Sentence("b", 0.2), Sentence("c", None)]
    assert measures.claims(sentences, 3, 0.35) == measures.Claims(1, 1, 3)


def test_cost_and_losses() -> None:
    assert measures.cost(500, 100, 0.2, 0.4) == pytest.approx(0.14)
    rows = (Dropped("a", 3, "the budget is full"), Dropped("b", 4, "the budget is full"))
    assert measures.losses((*rows, Dropped("c", 5, "?"))) == {"budget_full": 7, "other": 5}


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (answer(), "stop"),
        (answer(tokens=TokenUse(5, 256, 4096)), "length"),
        (answer("blocked", "pii: X"), "content_filter"),
        (answer(cause="stopped by the reader"), "cancelled"),
    ],
)
def test_finish_reasons(made: Answer, expected: str) -> None:
    assert measures.finish_reason(made, 256) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/ask", "/ask"),
        ("/ask/", "/ask"),
        ("/documents/a/b?c=d", "/documents/{id}"),
        ("/traces/{id}", "/traces/{id}"),
        ("/wp-admin", "other"),
        ("", "other"),
    ],
)
def test_routes(path: str, expected: str) -> None:
    assert route_label(path) == expected


@given(st.text(), st.integers())
def test_labels_are_of_closed_sets(text: str, number: int) -> None:
    assert route_label(f"/{text}") in labels.ROUTES
    assert among(text, labels.REFUSALS) in labels.REFUSALS | {"other"}
    shown = status_label(number)
    assert shown == "other" or 100 <= int(shown) <= 599


@given(st.lists(st.text(min_size=1)))
def test_only_so_many_names_are_learned(names: list[str]) -> None:
    learned = Learned(5)
    found = {learned.label(name) for name in names}
    assert len(found - {"other"}) <= 5
    assert all(learned.label(name) in found for name in names)


def _outlines(outline: Outline) -> list[Outline]:
    return [outline, *(below for item in outline.inside for below in _outlines(item))]


def test_an_outline_follows_the_conventions() -> None:
    found = {item.name: item for item in _outlines(of_answer(answer(), "default", 256))}
    model = found["chat tiny"]
    assert model.attributes["gen_ai.operation.name"] == "chat"
    assert model.attributes["gen_ai.usage.input_tokens"] == 500
    assert model.attributes["gen_ai.usage.output_tokens"] == 11
    assert model.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert model.attributes["gen_ai.response.time_to_first_chunk"] == pytest.approx(0.135)
    assert (model.start_ms, model.end_ms) == (65, 600)
    assert model.events == (("gen_ai.first_token", 200.0),)
    assert [item.name for item in model.inside] == ["check", "generate"]
    assert found["retrieval surefoot"].attributes["surefoot.passages"] == 1
    assert found["invoke_workflow answer"].end_ms == 610


def test_an_outline_holds_no_text_of_anybody() -> None:
    for made in (answer(), answer("blocked", f"filter {SECRET}: X"), answer("abstained", SECRET)):
        assert SECRET not in repr(of_answer(made, "default", 256))
    assert SECRET not in repr(of_failure(EngineError("tiny", SECRET), "default", 5.0))


def test_a_parent_lasts_as_long_as_its_block() -> None:
    with parented("outer"):
        with parented(None):
            assert current_parent() == ""
        assert current_parent() == "outer"
    assert current_parent() == ""


def test_memory_of_a_control_group_counts_idle_pages_as_free(tmp_path: Path) -> None:
    meminfo, groups = tmp_path / "meminfo", tmp_path / "cgroup"
    groups.mkdir()
    meminfo.write_text("MemTotal:    4000 kB\nMemAvailable:    3000 kB\n")
    assert next(iter(memories(meminfo, groups))).limit == 4_096_000
    (groups / "memory.max").write_text("1000000\n")
    (groups / "memory.current").write_text("900000\n")
    (groups / "memory.stat").write_text("anon 5\ninactive_file 300000\n")
    host = next(iter(memories(meminfo, groups)))
    assert (host.limit, host.available) == (1_000_000, 400_000)
    (groups / "memory.max").write_text("max\n")
    assert group_memory(groups) is None
    assert machine_memory(tmp_path / "nothing") is None


@pytest.mark.parametrize(("begun", "expected"), [(True, Memory("gpu", 100, 30)), (False, None)])
def test_memory_of_a_gpu_that_is_in_use(
    monkeypatch: pytest.MonkeyPatch, begun: bool, expected: Memory | None
) -> None:
    cuda = SimpleNamespace(
        is_available=lambda: True, is_initialized=lambda: begun, mem_get_info=lambda: (30, 100)
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    assert gpu_memory() == expected
