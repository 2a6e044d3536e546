"""A reply that is already written, scored as if the model had to write it."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from rag.engines.logits import logprob, spread
from rag.errors import EngineError
from rag.likelihood import ReadsReplies
from rag.types import Decoding, Message

ASKED = (
    Message("system", "Answer from the passage."),
    Message("user", "The shop opens at nine and closes at five.\n\nQuestion: When does it open?"),
)
BARE = (ASKED[0], Message("user", "Question: When does it open?"))


@pytest.fixture(scope="module")
def engine(small_lm_path: Path) -> Any:
    from rag.engines.llamacpp import LlamaCppEngine

    return LlamaCppEngine(small_lm_path, "small", "0" * 64, window=1024, slots=2)


def test_a_spread_is_that_of_a_softmax() -> None:
    row = np.random.default_rng(0).normal(size=1000).astype(np.float32) * 4
    p = np.exp(row.astype(np.float64)) / np.exp(row.astype(np.float64)).sum()
    of_target, entropy, best = spread(row, 7)
    assert of_target == pytest.approx(np.log(p[7]), abs=1e-4)
    assert of_target == pytest.approx(logprob(row, 7), abs=1e-5)
    assert entropy == pytest.approx(-(p * np.log(p)).sum(), abs=1e-4)
    assert best == pytest.approx(np.log(p.max()), abs=1e-4)


@pytest.mark.e2e
def test_a_reply_of_its_own_scores_as_it_was_decoded(engine: Any) -> None:
    assert isinstance(engine, ReadsReplies)
    tokens = list(engine.stream(ASKED, Decoding(max_tokens=24), Event()))
    scores = engine.reply_scores(ASKED, "".join(token.text for token in tokens))
    assert len(scores) == len(tokens)
    for token, score in zip(tokens, scores, strict=True):
        # Reading many at once goes through other kernels than decoding one by one.
        assert score.logprob == pytest.approx(token.logprob, abs=0.35)
        assert score.logprob <= score.best + 1e-6
        assert score.entropy >= 0


@pytest.mark.e2e
def test_a_source_makes_what_it_says_likelier(engine: Any) -> None:
    def mean(messages: tuple[Message, ...], reply: str) -> float:
        return float(np.mean([s.logprob for s in engine.reply_scores(messages, reply)]))

    said, other = "The shop opens at nine.", "The shop opens at eleven."
    assert mean(ASKED, said) - mean(BARE, said) > mean(ASKED, other) - mean(BARE, other)


@pytest.mark.e2e
@pytest.mark.parametrize("reply", ["", "a", "naïve 🙂 größer", "word " * 300, "\ud800 half"])
def test_ends_grow_to_the_end_of_the_reply(engine: Any, reply: str) -> None:
    ends = [score.end for score in engine.reply_scores(ASKED, reply)]
    assert ends == sorted(ends)
    assert (ends[-1] if ends else 0) == len(reply)


@pytest.mark.e2e
def test_what_fits_no_window_and_what_is_stopped_are_errors(engine: Any) -> None:
    with pytest.raises(EngineError, match="of 1024"):
        engine.reply_scores(ASKED, "word " * 2000)
    stopped = Event()
    stopped.set()
    with pytest.raises(EngineError, match="stopped"):
        engine.reply_scores(ASKED, "Nine.", stopped)
