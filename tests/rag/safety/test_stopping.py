"""A stream that is blocked, cancelled or broken shows nothing of what was held."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.testing import HashEmbedder, ListIndex
from rag.config import Config, GroundingConfig, PromptConfig
from rag.engines.llamacpp import LlamaCppEngine
from rag.engines.scripted import ScriptedEngine
from rag.errors import EngineError
from rag.grounding import Grounder
from rag.pipeline import Assistant
from rag.retrieve import Retriever
from rag.safety.guard import Guard
from rag.safety.policy import DEFAULT
from rag.safety.stream import StreamGuard, filter_text
from rag.trace import Tracer
from rag.types import (
    Answer,
    Decision,
    Decoding,
    Engine,
    Finding,
    Message,
    Shown,
    Stage,
    Token,
    Verdict,
)

TEXT = "Annual leave is twenty five days a year. Up to five days can be carried over."
GOOD = "Annual leave is twenty five days a year. "
BAD = "Then comes POISON in the middle of a sentence. "
REST = "Nobody must compute this, for it is never seen. " * 20
QUESTION = "How many days of annual leave are there in a year?"


class Poison:
    """Blocks what holds the word; in answers, also any text at all if it is `always`."""

    name = "poison"

    def __init__(self, always: bool = False) -> None:
        self._always = always
        self.answers: list[str] = []

    def find(self, text: str, stage: Stage) -> list[Finding]:
        if stage != "answer":
            return []
        self.answers.append(text)
        at = 0 if self._always else text.find("POISON")
        return [] if at < 0 else [Finding(stage, "VIOLENCE", at, at + 1, 0.9, self.name)]


class Watched:
    """An engine that keeps what it said, and may break or be cancelled after some tokens."""

    def __init__(self, inner: Engine, breaks_after: int = -1, cancels_after: int = -1) -> None:
        self._inner = inner
        self._breaks_after, self._cancels_after = breaks_after, cancels_after
        self.name, self.sha256, self.window = inner.name, inner.sha256, inner.window
        self.said: list[str] = []
        self.closed = False

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return self._inner.count_tokens(messages)

    def score(self, messages: Sequence[Message], choices: Sequence[str]) -> list[float]:
        return self._inner.score(messages, choices)

    def stream(
        self, messages: Sequence[Message], decoding: Decoding, cancel: Event
    ) -> Generator[Token, None, None]:
        try:
            for token in self._inner.stream(messages, decoding, cancel):
                if len(self.said) == self._breaks_after:
                    raise EngineError(self.name, "timed out")
                self.said.append(token.text)
                if len(self.said) == self._cancels_after:
                    cancel.set()
                yield token
        finally:
            self.closed = True


def assistant(engine: Engine, poison: Poison) -> Assistant:
    embedder = HashEmbedder(dimension=256)
    config = Config(
        prompt=PromptConfig(tokens=1000), grounding=GroundingConfig(policy="annotate", near=0.0)
    )
    return Assistant(
        retriever=Retriever(ListIndex(embedder, (TEXT,)), embedder, config.retrieve),
        engine=engine,
        guard=Guard([poison], DEFAULT),
        grounder=Grounder(embedder),
        embedder=embedder,
        config=config,
        tracer=Tracer(None, {"seed": 0}),
    )


def test_a_block_ends_the_answer_within_a_token() -> None:
    poison, engine = Poison(), Watched(ScriptedEngine([GOOD + BAD + REST]))
    events = list(assistant(engine, poison).stream(QUESTION))
    answer = events[-1]
    assert isinstance(answer, Answer)
    assert (answer.status, answer.cause) == ("blocked", "poison: VIOLENCE")
    assert answer.sentences[0].text == GOOD
    assert answer.text.endswith("The answer stops here: what came next may be harmful.")
    assert "Then comes" not in answer.text
    # The segment is complete when the next word has begun: with that one, it ends.
    assert len("".join(engine.said).split()) == len((GOOD + BAD).split()) + 1
    assert engine.closed
    assert not any("Nobody must" in text[len(GOOD + BAD) :] for text in poison.answers)


@pytest.mark.parametrize("words", range(1, 18))
def test_an_engine_that_breaks_shows_nothing_held(words: int) -> None:
    engine = Watched(ScriptedEngine([GOOD + BAD + REST]), breaks_after=words)
    shown: list[str] = []

    def read() -> None:
        for event in assistant(engine, Poison()).stream(QUESTION):
            if isinstance(event, Shown):
                shown.append(event.sentence.text)

    with pytest.raises(EngineError):
        read()
    assert "".join(shown) in ("", GOOD)
    assert bool(shown) == (words > len(GOOD.split()))
    assert engine.closed


@pytest.mark.parametrize("words", range(1, 18))
def test_a_cancelled_answer_shows_nothing_held(words: int) -> None:
    engine = Watched(ScriptedEngine([GOOD + BAD + REST]), cancels_after=words)
    answer = assistant(engine, Poison()).answer(QUESTION)
    assert answer.text in ("", GOOD.strip())
    assert answer.cause == "stopped by the reader"
    assert len(engine.said) == words


def test_a_reader_who_leaves_stops_the_engine() -> None:
    engine = Watched(ScriptedEngine([GOOD + REST]))
    events = assistant(engine, Poison()).stream(QUESTION)
    next(event for event in events if isinstance(event, Shown))
    assert isinstance(events, Generator)
    events.close()
    assert engine.closed
    assert len("".join(engine.said).split()) == len(GOOD.split()) + 1


class Bytes(LlamaCppEngine):
    """llama.cpp's own decoding of tokens to text, over tokens of any bytes."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces

    def _piece(self, token_id: int) -> bytes:
        return self._pieces[token_id]

    def _generate(
        self, prompt: list[int], decoding: Decoding, limit: int
    ) -> Iterator[tuple[int, float]]:
        del prompt, decoding, limit
        return ((i, -0.1) for i in range(len(self._pieces)))

    def texts(self) -> list[str]:
        return [token.text for token in self._decode([], Decoding(), 0)]


def check(segment: str, context: str) -> Verdict:
    del context
    return Verdict(Decision.REDACT, segment.replace("é", "<X>"))


@given(
    st.lists(
        st.sampled_from(
            [
                "é. ",
                "你好。",
                "👨\u200d👩\u200d👧 ",
                "नमस्ते। ",
                "a",
                "jo@ex.org ",
                "\n",
                "```\n",
                "[x](y)",
            ]
        )
    ).map("".join),
    st.data(),
)
def test_bytes_cut_anywhere_give_the_same(text: str, data: st.DataObject) -> None:
    raw, pieces = text.encode(), []
    while raw:
        size = data.draw(st.integers(1, 5))
        pieces.append(raw[:size])
        raw = raw[size:]
    guard = StreamGuard(check)
    texts = Bytes(pieces).texts()
    released = [item for piece in texts for item in guard.feed(piece)]
    assert "".join(texts) == text
    assert released + guard.finish() == filter_text(text, check)


@pytest.mark.e2e
def test_a_block_stops_a_real_model_within_a_token(small_lm_path: Path) -> None:
    engine = Watched(LlamaCppEngine(small_lm_path, "qwen2.5-coder-0.5b", "0" * 64, 1024))
    made = assistant(engine, Poison(always=True))
    answer = made.answer(QUESTION, decoding=Decoding(max_tokens=120))
    assert answer.status == "blocked"
    assert answer.text == "The answer stops here: what came next may be harmful."
    assert 0 < len(engine.said) < 120
    held = StreamGuard(check)
    assert not [item for piece in engine.said[:-1] for item in held.feed(piece)]
