"""The policy "strict": all claims pass, or the answer is made once more, or it is not known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from threading import Event

import pytest

from ingest.testing import HashEmbedder, ListIndex
from rag.attempt import AGAIN, MOST_UNITS, best_units, pack_again
from rag.config import Config, GroundingConfig, PromptConfig
from rag.engines.scripted import ScriptedEngine
from rag.errors import EngineError
from rag.gate import NO_ANSWER, NOT_EVERY, NOTHING_PASSED, ONCE_MORE, ending, passes
from rag.grounding import Grounder, Support
from rag.pipeline import Assistant
from rag.prompt import Budget, Unit
from rag.replay import Replayer
from rag.retrieve import Retriever
from rag.safety.guard import Guard
from rag.safety.policy import DEFAULT
from rag.trace import Tracer
from rag.traced import read_trace
from rag.types import Answer, Finding, Flag, Message, Passage, Shown, Stage

TEXTS = (
    "Annual leave is twenty five days a year. Up to five days can be carried over until 31 March.",
    "Fiona Maclure is the harbour master. She works at Skarra. Write to fiona@example.org.",
)
LEAVE = "How many days of annual leave are there in a year?"
SAID = "Annual leave is twenty five days a year. "
CARRIED = "Up to five days can be carried over until 31 March. "
INVENTED = "Elephants pay 9000 dollars on Jupiter. "
WRONG_NUMBER = "Annual leave is twenty six days a year. "


class Marks:
    """Finds an address, and a word that blocks."""

    name = "marks"

    def find(self, text: str, stage: Stage) -> list[Finding]:
        rows = (("EMAIL_ADDRESS", "fiona@example.org"), ("VIOLENCE", "KILL"))
        return [
            Finding(stage, label, text.index(word), text.index(word) + len(word), 0.99, self.name)
            for label, word in rows
            if word in text
        ]


class Failing(ScriptedEngine):
    """Fails when it is asked a second time."""

    def stream(self, messages, decoding, cancel):  # type: ignore[no-untyped-def]
        if self.asked:
            raise EngineError(self.name, "out of memory")
        yield from super().stream(messages, decoding, cancel)


def strict(
    *replies: str,
    policy: str = "strict",
    folder: Path | None = None,
    engine: type[ScriptedEngine] = ScriptedEngine,
) -> Assistant:
    embedder = HashEmbedder(dimension=256)
    grounding = GroundingConfig(policy=policy)  # type: ignore[arg-type]
    config = Config(prompt=PromptConfig(tokens=2000), grounding=grounding)
    facts = {"config": asdict(config), "kb": {"generation": 1}}
    return Assistant(
        retriever=Retriever(ListIndex(embedder, TEXTS), embedder, config.retrieve),
        engine=engine(replies),
        guard=Guard([Marks()], DEFAULT),
        grounder=Grounder(embedder),
        embedder=embedder,
        config=config,
        tracer=Tracer(folder, facts),
    )


def prompts(part: Assistant) -> int:
    return len(part.engine.asked)  # type: ignore[attr-defined]


FLAG = Flag("number", "6", 0, 1)


@pytest.mark.parametrize(
    ("policy", "support", "flags", "shown"),
    [
        ("annotate", Support(0.0), (FLAG,), True),
        ("annotate", Support(None, failed="no score"), (), True),
        ("drop", Support(0.4), (FLAG,), True),
        ("drop", Support(0.3), (), False),
        ("drop", Support(None, failed="no score"), (), False),
        ("strict", Support(0.4), (), True),
        ("strict", Support(0.9), (FLAG,), False),
        ("strict", Support(0.3), (), False),
        ("strict", Support(0.9, failed="no score"), (), False),
    ],
)
def test_what_passes(policy: str, support: Support, flags: Sequence[Flag], shown: bool) -> None:
    assert passes(GroundingConfig(policy=policy), support, flags) is shown  # type: ignore[arg-type]


def test_a_failed_check_does_not_pass_at_any_threshold() -> None:
    assert not passes(GroundingConfig(threshold=0.0), Support(None, failed="no score"), ())


@pytest.mark.parametrize(
    ("again", "claims", "refused", "failed", "cause"),
    [
        (False, 1, False, False, ""),
        (False, 0, True, False, NO_ANSWER),
        (False, 0, False, False, NOTHING_PASSED),
        (False, 2, False, True, NOT_EVERY),
        (True, 1, False, False, ONCE_MORE),
        (True, 0, True, False, NOT_EVERY),
        (True, 1, False, True, NOT_EVERY),
    ],
)
def test_why_it_ends(again: bool, claims: int, refused: bool, failed: bool, cause: str) -> None:
    assert ending(again, claims, refused, failed) == cause


def test_nothing_is_shown_before_all_of_it_has_passed() -> None:
    part = strict("Sure! " + SAID + CARRIED)
    events = list(part.stream(LEAVE))
    names = [getattr(event, "stage", type(event).__name__) for event in events]
    assert names[names.index("check") :] == ["check", "Shown", "Shown", "Shown", "Answer"]
    answer = events[-1]
    assert isinstance(answer, Answer)
    assert (answer.status, answer.cause, answer.withheld) == ("answered", None, 0)
    assert answer.text == ("Sure! " + SAID + CARRIED).strip()
    assert prompts(part) == 1
    assert answer.timings_ms["first_shown"] >= answer.timings_ms["generate"]


@pytest.mark.parametrize("bad", [INVENTED, WRONG_NUMBER])
def test_a_claim_that_fails_is_made_once_more_from_the_evidence(bad: str) -> None:
    part = strict(SAID + bad + CARRIED, SAID)
    answer = part.answer(LEAVE)
    assert (answer.status, answer.cause) == ("answered", ONCE_MORE)
    assert answer.text == SAID.strip()
    assert answer.withheld == 1
    assert prompts(part) == 2
    second = part.engine.asked[1]  # type: ignore[attr-defined]
    assert len(second) == 2
    assert second[-1].content.endswith(AGAIN.partition("{question}")[2])
    assert "regenerate" in answer.timings_ms
    asked: list[tuple[Message, ...]] = part.engine.asked  # type: ignore[attr-defined]
    assert answer.tokens.prompt == sum(part.engine.count_tokens(prompt) for prompt in asked)
    citation = answer.sentences[0].citations[0]
    assert TEXTS[0][citation.start - 100 : citation.end - 100] == citation.quote


@pytest.mark.parametrize("second", [INVENTED, "I don't know.", "", "Sure!", SAID + INVENTED])
def test_if_that_fails_too_it_is_not_known(second: str) -> None:
    part = strict(INVENTED, second)
    events = list(part.stream(LEAVE))
    answer = events[-1]
    assert isinstance(answer, Answer)
    assert (answer.status, answer.cause) == ("abstained", NOT_EVERY)
    assert [event.sentence.text for event in events if isinstance(event, Shown)] == [answer.text]
    assert "I don't know" in answer.text
    assert prompts(part) == 2


def test_who_does_not_know_is_not_asked_again() -> None:
    part = strict("I don't know.")
    assert part.answer(LEAVE).cause == NO_ANSWER
    assert prompts(part) == 1


@pytest.mark.parametrize("replies", [(SAID + "KILL them.",), (INVENTED, SAID + "KILL them.")])
def test_of_a_blocked_answer_nothing_held_is_shown(replies: tuple[str, ...]) -> None:
    answer = strict(*replies).answer(LEAVE)
    assert answer.status == "blocked"
    assert "twenty five" not in repr(answer.sentences)


@pytest.mark.parametrize("at", [1, 9, 14])
def test_of_a_stopped_answer_nothing_held_is_shown(at: int, tmp_path: Path) -> None:
    stop = Event()

    class Stopping(ScriptedEngine):
        said = 0

        def stream(self, messages, decoding, cancel):  # type: ignore[no-untyped-def]
            for token in super().stream(messages, decoding, cancel):
                self.said += 1
                if self.said == at:
                    stop.set()
                yield token

    replies = (INVENTED + SAID, SAID + CARRIED)
    answer = strict(*replies, engine=Stopping, folder=tmp_path).answer(LEAVE, cancel=stop)
    assert (answer.status, answer.text) == ("abstained", "")
    assert answer.cause == "stopped by the reader"
    done = replayer(*replies).replay(read_trace(Path(answer.trace)))
    assert done.same, done.parts


def test_an_engine_that_fails_the_second_time_is_an_error_and_shows_nothing() -> None:
    shown = []
    with pytest.raises(EngineError):
        shown += list(strict(SAID + INVENTED, engine=Failing).stream(LEAVE))
    assert not any(isinstance(event, Shown) for event in shown)


def replayer(*replies: str) -> Replayer:
    embedder = HashEmbedder(dimension=256)
    return Replayer(ScriptedEngine(replies), Guard([Marks()], DEFAULT), Grounder(embedder))


ENDS = [(SAID,), (INVENTED, CARRIED), (INVENTED, INVENTED), (INVENTED, "I don't know."),
        (INVENTED, SAID + "KILL them."), (WRONG_NUMBER, SAID), (INVENTED, "")]  # fmt: skip


@pytest.mark.parametrize("replies", ENDS)
def test_every_end_comes_again(replies: tuple[str, ...], tmp_path: Path) -> None:
    answer = strict(*replies, folder=tmp_path).answer(LEAVE)
    text = Path(answer.trace).read_text(encoding="utf-8")
    assert "Elephants" not in text
    assert (json.loads(text)["again"] is not None) == (len(replies) > 1)
    done = replayer(*replies).replay(read_trace(Path(answer.trace)))
    assert done.same, done.parts
    assert done.logprob_difference == 0.0
    assert done.answer.tokens == answer.tokens
    assert "".join(event.sentence.text for event in done.shown).strip() == answer.text


def test_another_second_answer_is_named(tmp_path: Path) -> None:
    answer = strict(INVENTED, CARRIED, folder=tmp_path).answer(LEAVE)
    done = replayer(INVENTED, SAID).replay(read_trace(Path(answer.trace)))
    assert {part.name for part in done.parts if part.same is False} >= {"generated", "answer"}


def test_a_flagged_sentence_is_shown_and_marked_but_in_strict() -> None:
    answer = strict(WRONG_NUMBER, policy="drop").answer(LEAVE)
    (flag,) = answer.sentences[0].flags
    assert (flag.kind, flag.text) == ("number", "twenty six days")
    assert strict(SAID, policy="drop").answer(LEAVE).sentences[0].flags == ()


def test_titles_of_the_passages_are_known() -> None:
    said = "In Title 0, not Title 7, annual leave is 25 days."
    answer = strict(said, policy="annotate").answer(LEAVE)
    assert [flag.text for flag in answer.sentences[0].flags] == ["7"]


def test_a_refusal_masks_the_personal_data_of_the_question() -> None:
    question = LEAVE + " Tell fiona@example.org."
    answer = strict("I don't know.").answer(question)
    assert "Searched for: How many days" in answer.text
    assert "<EMAIL_ADDRESS>" in answer.text
    assert "fiona@" not in answer.text


def units(*rows: tuple[str, float]) -> list[Unit]:
    return [Unit(0, 10 * n, 10 * n + 9, text, value) for n, (text, value) in enumerate(rows)]


def test_the_best_evidence_is_by_question_and_by_the_claims_that_passed() -> None:
    rows = units(("leave days", 0.5), ("rafts are red", 0.1), ("boats sail", 0.3))
    assert best_units(rows, [], 0.6) == [rows[0], rows[2]]
    assert best_units(rows, ["Rafts are red."], 0.6) == [rows[1]]
    many = units(*[("leave", 0.5)] * 20)
    assert best_units(many, [], 0.6) == many[:MOST_UNITS]
    assert best_units([], [], 0.6) == []


@pytest.mark.parametrize("limit", [40, 90, 120, 150, 200, 400])
def test_the_second_prompt_is_within_the_window_or_there_is_none(limit: int) -> None:
    engine = ScriptedEngine(["-"])
    text = "one two three four five six seven eight nine ten. " * 4
    passage = Passage(1, 0.5, 0.5, 1.0, "d", "p", "T", (), None, 0, len(text), text)
    rows = [Unit(0, 50 * n, 50 * n + 49, text[:49], 0.5) for n in range(4)]
    packed = pack_again(
        "How?", [], [passage], rows, Budget(100, limit), engine.count_tokens, "Be brief."
    )
    if packed is not None:
        assert packed.tokens == engine.count_tokens(packed.messages) <= limit
        assert packed.messages[0].content == "Be brief."
    assert (packed is None) == (limit < 90)
