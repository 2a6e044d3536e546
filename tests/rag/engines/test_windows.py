"""Every token but the first is scored once, with at least half a window before it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.engines.windows import checked_stride, pieces, sound, windows
from rag.errors import EngineError

SIZES = st.integers(2, 40).flatmap(
    lambda window: st.tuples(
        st.integers(0, 200), st.just(window), st.integers(1, max(1, window // 2))
    )
)


@given(SIZES)
def test_each_token_is_scored_once_in_order(sizes: tuple[int, int, int]) -> None:
    tokens, window, stride = sizes
    scored = [i for w in windows(tokens, window, stride) for i in range(w.first, w.end)]
    assert scored == list(range(1, tokens))


@given(SIZES)
def test_every_token_has_all_before_it_or_half_a_window(sizes: tuple[int, int, int]) -> None:
    tokens, window, stride = sizes
    for w in windows(tokens, window, stride):
        assert 0 <= w.start < w.first < w.end
        assert w.end - w.start <= window
        assert w.start == 0 or w.first - w.start >= window / 2


@given(SIZES, st.integers(1, 50))
def test_pieces_read_a_window_and_predict_what_it_scores(
    sizes: tuple[int, int, int], size: int
) -> None:
    tokens, window, stride = sizes
    text = list(range(tokens))
    for w in windows(tokens, window, stride):
        parts = list(pieces(w, size))
        assert [i for p in parts for i in text[p.begin : p.end]] == text[w.start : w.end - 1]
        assert [i for p in parts for i in text[p.targets]] == text[w.first : w.end]
        assert all(len(text[p.targets]) == p.wanted <= p.end - p.begin <= size for p in parts)


def test_the_default_stride_is_half_the_window() -> None:
    assert checked_stride("e", 512, 0) == 256
    assert checked_stride("e", 512, 100) == 100


@pytest.mark.parametrize(("window", "stride"), [(512, 257), (512, -1), (1, 0)])
def test_a_stride_that_cannot_be_used(window: int, stride: int) -> None:
    with pytest.raises(EngineError, match="window"):
        checked_stride("e", window, stride)


def test_half_a_surrogate_pair_becomes_a_question_mark() -> None:
    assert sound("a\ud83d b 🙂") == "a? b 🙂"
