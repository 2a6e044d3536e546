"""The router of a running server, with scripted models over a real knowledge base."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread

import pytest

from ingest.build import ingest
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder
from rag.config import Config
from rag.engines.scripted import ScriptedEngine
from rag.errors import EngineError
from rag.grounding import Grounder
from rag.observe import Observer
from rag.pipeline import Assistant
from rag.releases.errors import VariantChanged
from rag.releases.gates import Gate, Gates
from rag.releases.live import LiveRouter
from rag.releases.registry import Registry
from rag.releases.router import OneVariant, Router, Served
from rag.releases.trial import Trial
from rag.releases.variant import Lineage, make_variant
from rag.retrieve import Retriever
from rag.safety.guard import Guard
from rag.safety.policy import DEFAULT
from rag.trace import Tracer
from rag.types import Answer, Decoding, Finding, Message, Shown, Stage, Token

ASK = "How many days of annual leave are there in a year?"
SAID = "Annual leave is twenty five days a year. "
OTHER = "Annual leave is twenty five days. "
FIRM = Gates(least=5, auto_promote=True, **{
    name: Gate(1.0, 1.0) for name in ("errors", "slow", "unsupported", "unsafe", "abstained")
})  # fmt: skip


class Engine(ScriptedEngine):
    """Says `text`; breaks down after so many words, or waits for `go` before the first."""

    def __init__(self, text: str, breaks_after: int | None = None, go: Event | None = None) -> None:
        super().__init__([text])
        self.breaks_after = breaks_after
        self.go = go
        self.streams = 0

    def stream(
        self, messages: Sequence[Message], decoding: Decoding, cancel: Event
    ) -> Generator[Token, None, None]:
        self.streams += 1
        while self.go is not None and not self.go.wait(0.01) and not cancel.is_set():
            pass
        for number, token in enumerate(super().stream(messages, decoding, cancel)):
            if number == self.breaks_after:
                raise EngineError("scripted", "out of order")
            yield token


class Ears:
    """Observers of every variant, and the metrics."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, str]] = []
        self.states: list[tuple[str, float, str]] = []

    def of(self, variant: str, role: str = "stable") -> Observer:
        return Ear(self, variant, role)

    def canary(self, variant: str, share: float, state: str) -> None:
        self.states.append((variant, share, state))


class Ear:
    def __init__(self, ears: Ears, variant: str, role: str) -> None:
        self.ears, self.variant, self.role = ears, variant, role

    def answered(self, answer: Answer, began_ns: int, by: str) -> None:
        self.ears.heard.append((self.variant, self.role, answer.status))

    def failed(self, error: BaseException, began_ns: int, by: str) -> None:
        self.ears.heard.append((self.variant, self.role, type(error).__name__))


class Nothing:
    """A filter that finds nothing."""

    name = "nothing"

    def find(self, text: str, stage: Stage) -> list[Finding]:
        return []


class Shelf:
    """Opens assistants that are there; a variant that is not can't be loaded."""

    def __init__(self, kb: Path, registry: Registry) -> None:
        embedder = HashEmbedder()
        base = KnowledgeBase.open(kb, embedder)
        self.moved = ""
        self._registry = registry
        self._parts = (Retriever(base, embedder, Config().retrieve), embedder)
        self.engines: dict[str, Engine] = {}

    def add(self, name: str, engine: Engine) -> None:
        self.engines[name] = engine
        if name != "default":
            made = Lineage("", "2026-01-02T03:04:05Z", "-")
            config = Config()
            config = replace(config, prompt=replace(config.prompt, system=name))
            self._registry.add(make_variant(name, config, made), "ann")

    def open(self, name: str, like: Assistant | None = None) -> Assistant:
        if name not in self.engines:
            raise EngineError(name, "no such weights")
        retriever, embedder = self._parts
        guard, tracer = Guard([Nothing()], DEFAULT), Tracer(None, {})
        return Assistant(
            retriever, self.engines[name], guard, Grounder(embedder), embedder, Config(), tracer
        )

    def check(self, name: str) -> None:
        if name == self.moved:
            raise VariantChanged(name, "index", "generation 2", "generation 1")


class House:
    """A registry with the variants v1 (stable) and v2, and the router of a server over them."""

    def __init__(self, kb: Path, v2: Engine | None, v1: Engine | None = None) -> None:
        self.registry = Registry.beside(kb)
        self.shelf = Shelf(kb, self.registry)
        self.shelf.add("default", Engine(SAID))
        self.shelf.add("v1", v1 or Engine(SAID))
        self.shelf.add("v2", v2 or Engine(OTHER))
        if v2 is None:
            del self.shelf.engines["v2"]
        self.registry.promote("v1", "ann", "", {})
        self.ears = Ears()
        self.router = LiveRouter(
            self.registry, "v1", self.shelf.open("v1"), self.shelf, (), self.ears, look_s=0.0
        )

    def canary(self, share: float = 0.5, shadow: bool = False, gates: Gates = FIRM) -> Trial:
        trial = self.registry.begin("v2", share, shadow, gates, "ann")
        self.router.pick("")
        if "v2" in self.shelf.engines:
            until(lambda: (trial.variant, 0.0 if shadow else share) in self.told)
        return trial

    @property
    def told(self) -> list[tuple[str, float]]:
        return [state[:2] for state in self.ears.states]

    def met(self, trial: Trial, canary: bool) -> str:
        """A conversation that is, or is not, one of the trial's share."""
        names = (f"conversation {number}" for number in range(10_000))
        return next(name for name in names if trial.takes(name) == canary)

    def answer(self, conversation: str) -> str:
        return self.router.pick(conversation).assistant.answer(ASK, by="ann").text + " "


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def kb(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    text = "# Leave\n\nAnnual leave is twenty five days a year. Rafts are checked in June."
    (tmp_path / "docs" / "leave.md").write_text(text)
    ingest([tmp_path / "docs"], tmp_path / "kb", HashEmbedder())
    return tmp_path / "kb"


def test_without_releases_everyone_meets_the_same(kb: Path) -> None:
    assistant = Shelf(kb, Registry.beside(kb))
    assistant.add("default", Engine(SAID))
    router: Router = OneVariant(assistant.open("default"))
    assert router.pick("a") == router.pick("b") == Served("default", router.pick("c").assistant)


def test_a_conversation_meets_one_variant_and_both_arms_are_counted(kb: Path) -> None:
    house = House(kb, Engine(OTHER))
    trial = house.canary()
    names = [f"c{number}" for number in range(4)]
    for _ in range(2):
        for name in names:
            assert house.answer(name) == (OTHER if trial.takes(name) else SAID)
            assert house.router.pick(name).fresh
    now = house.registry.state().trial
    assert now is not None
    taken = sum(map(trial.takes, names))
    assert (now.canary.conversations, now.canary.requests) == (taken, 2 * taken)
    assert (now.base.conversations, now.base.requests) == (4 - taken, 8 - 2 * taken)
    assert not house.router.pick("").fresh
    assert set(house.ears.heard) <= {("v1", "stable", "answered"), ("v2", "canary", "answered")}
    assert len(house.ears.heard) == 8


def test_a_canary_that_fails_unseen_is_answered_for_and_rolled_back(kb: Path) -> None:
    house = House(kb, Engine(OTHER, breaks_after=0))
    trial = house.canary(gates=Gates())
    asked = 0
    while house.registry.state().trial is not None:
        asked += 1
        name = f"c{asked}"
        assert house.answer(name) == SAID
        assert house.ears.heard[-1] == ("v1", "stable", "answered")
    assert len(house.ears.heard) == asked
    assert 2 <= asked <= 40
    last = house.registry.events()[-1]
    assert (last.kind, last.by, last.variant) == ("rolled back", "gates", "v2")
    assert "errors" in last.why
    assert any(item["gate"] == "errors" for item in last.figures["figures"])
    assert house.ears.states[-1] == ("v2", 0.0, "rolled_back")
    streams = house.shelf.engines["v2"].streams
    house.answer(house.met(trial, canary=True))
    assert house.shelf.engines["v2"].streams == streams


def test_after_something_was_shown_nothing_is_taken_back(kb: Path) -> None:
    house = House(kb, Engine(SAID * 6, breaks_after=44))
    trial = house.canary()
    shown: list[str] = []
    assistant = house.router.pick(house.met(trial, canary=True)).assistant
    events = (event for event in assistant.stream(ASK) if isinstance(event, Shown))
    with pytest.raises(EngineError):
        shown.extend(event.sentence.text for event in events)
    assert shown[0] == SAID
    assert house.ears.heard == [("v2", "canary", "EngineError")]
    now = house.registry.state().trial
    assert now is not None
    assert now.canary.hits == {"errors": 1}


def test_a_question_that_nobody_can_answer_is_no_fault_of_the_canary(kb: Path) -> None:
    house = House(kb, Engine(OTHER))
    trial = house.canary()
    for engine in house.shelf.engines.values():
        engine.window = 64
    with pytest.raises(Exception, match="tokens too long"):
        house.answer(house.met(trial, canary=True))
    now = house.registry.state().trial
    assert now is not None
    assert now.canary.requests == 0
    assert house.ears.heard == [("v1", "stable", "PromptTooLong")]


def test_a_reader_who_leaves_is_heard_once_and_not_counted(kb: Path) -> None:
    house = House(kb, Engine(SAID + SAID))
    trial = house.canary()
    for canary in (True, False):
        stream = house.router.pick(house.met(trial, canary)).assistant.stream(ASK)
        next(event for event in stream if isinstance(event, Shown))
        stream.close()  # type: ignore[attr-defined]
    assert [what for _, _, what in house.ears.heard] == ["GeneratorExit"] * 2
    now = house.registry.state().trial
    assert now is not None
    assert (now.canary.requests, now.base.requests) == (0, 0)


def test_a_canary_that_can_not_be_loaded_meets_nobody(kb: Path) -> None:
    house = House(kb, None)
    house.canary(share=0.9)
    until(lambda: house.registry.state().trial is None)
    assert {house.answer(f"c{number}") for number in range(5)} == {SAID}
    last = house.registry.events()[-1]
    assert (last.by, last.why) == ("server", "v2 could not be loaded: engine v2: no such weights")


def test_a_canary_whose_index_has_moved_on_is_rolled_back(kb: Path) -> None:
    house = House(kb, Engine(OTHER))
    trial = house.canary()
    house.shelf.moved = "v2"
    assert house.answer(house.met(trial, canary=True)) == SAID
    assert "generation 2 now" in house.registry.events()[-1].why


def test_a_question_that_waited_past_the_rollback_meets_the_stable_one(kb: Path) -> None:
    house = House(kb, Engine(OTHER))
    trial = house.canary()
    waiting = house.router.pick(house.met(trial, canary=True))
    assert waiting.name == "v2"
    house.registry.rollback("ann", "")
    house.router.pick("")
    assert waiting.assistant.answer(ASK).text == SAID.strip()
    assert house.ears.heard == [("v1", "stable", "answered")]


def test_a_good_canary_is_promoted_and_the_old_one_let_go(kb: Path) -> None:
    house = House(kb, Engine(OTHER))
    house.canary()
    old = weakref.ref(house.shelf.engines.pop("v1"))
    running = house.router.pick("").assistant.stream(ASK)
    next(running)
    for number in range(50):
        house.answer(f"c{number}")
    assert house.registry.state().stable == "v2"
    assert house.registry.events()[-1].kind == "promoted"
    assert {house.answer(f"c{number}") for number in range(5)} == {OTHER}
    assert house.ears.states[-1] == ("v2", 1.0, "promoted")
    # Loaded once, and taken over; a question that began with the old one ends with it.
    assert next(event for event in running if isinstance(event, Shown)).sentence.text == SAID
    del running
    gc.collect()
    assert old() is None


def test_another_process_is_followed(kb: Path) -> None:
    house = House(kb, Engine(OTHER))
    elsewhere = Registry.beside(kb)
    elsewhere.promote("v2", "ben", "", {})
    until(lambda: house.answer("c") == OTHER)
    elsewhere.rollback("ben", "")
    until(lambda: house.answer("c") == SAID)
    trial = house.canary()
    elsewhere.end(trial, "ben", "enough", {})
    assert house.answer(house.met(trial, canary=True)) == SAID
    house.shelf.engines.pop("v2")
    elsewhere.promote("v2", "ben", "", {})
    for _ in range(3):
        assert house.answer("c") == SAID
        time.sleep(0.02)


def test_a_shadow_is_never_shown_and_its_differences_counted(kb: Path) -> None:
    house = House(kb, Engine(OTHER))
    trial = house.canary(share=0.9, shadow=True)
    assert house.answer(house.met(trial, canary=False)) == SAID
    assert house.answer(house.met(trial, canary=True)) == SAID
    until(lambda: house.registry.state().trial.notes)  # type: ignore[union-attr]
    now = house.registry.state().trial
    assert now is not None
    assert "text_differs" in now.notes
    assert (now.canary.requests, now.base.requests) == (1, 1)
    assert {role for _, role, _ in house.ears.heard} == {"stable"}
    house.router.close()


def test_a_reader_comes_before_the_shadow(kb: Path) -> None:
    go = Event()
    house = House(kb, Engine(OTHER, go=go))
    trial = house.canary(share=0.9, shadow=True)
    shadowed = house.met(trial, canary=True)
    house.answer(shadowed)
    until(lambda: house.shelf.engines["v2"].streams)
    assert house.answer(shadowed) == SAID
    until(lambda: house.registry.state().trial.notes.get("dropped"))  # type: ignore[union-attr]
    go.set()
    until(lambda: house.registry.state().trial.canary.requests)  # type: ignore[union-attr]
    house.router.close()


def test_a_shadow_that_fails_is_rolled_back(kb: Path) -> None:
    house = House(kb, Engine(OTHER, breaks_after=0))
    trial = house.canary(share=0.9, shadow=True, gates=Gates())
    names = iter(name for name in map(str, range(500)) if trial.takes(name))
    while (now := house.registry.state().trial) is not None:
        before = now.canary.requests
        assert house.answer(next(names)) == SAID
        until(
            lambda was=before: (
                (t := house.registry.state().trial) is None or t.canary.requests > was
            )
        )
    assert "errors" in house.registry.events()[-1].why


def test_many_readers_through_a_switch_lose_nothing(kb: Path) -> None:
    house = House(kb, Engine(OTHER))
    said: list[str] = []

    def ask(number: int) -> None:
        said.extend(house.answer(f"c{number}-{turn}") for turn in range(5))

    threads = [Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    house.canary(gates=Gates())
    house.registry.promote("v2", "ann", "", {})
    for thread in threads:
        thread.join(60)
    assert len(said) == 30
    assert set(said) <= {SAID, OTHER}
    until(lambda: house.answer("c") == OTHER)
