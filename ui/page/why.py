"""Why an answer is as it is: what was measured, how sure the model was, and the same once more."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from html import escape
from pathlib import Path

import streamlit as st

from rag.confidence import laid_out
from rag.errors import SurefootError
from rag.types import Shown
from ui.page.context import Context
from ui.page.conversation import Turn
from ui.page.details import details_html

TICK_S = 0.5
LEVELS = ((0.9, ""), (0.7, "sf-sure-3"), (0.5, "sf-sure-2"), (0.3, "sf-sure-1"))
"""Each probability from which a shade is taken; sure tokens have none."""
_LEAST = "sf-sure-0"
_VERDICTS = {True: "same", False: "different", None: "not repeated"}

Parts = tuple[tuple[str, bool | None, str], ...]


def panel(turn: Turn, number: int, context: Context) -> None:
    """The expander below an answer."""
    if turn.answer is None or turn.past is not None:
        return
    with st.expander("Why this answer", key=f"talk-why-{number}"):
        st.html(details_html(turn.answer))
        _more(turn, number, context)


def heat_html(shown: Sequence[Shown]) -> str:
    """The answer with each token on the shade of its probability, and what the shades mean."""
    if not any(event.tokens for event in shown):
        return '<p class="sf-quiet">No token of the model was shown.</p>'
    pieces = [
        _token(piece, sure)
        for event in shown
        for piece, sure in laid_out(event.sentence.text, event.tokens)
    ]
    marks = [(f"{least:.0%} and more", kind) for least, kind in LEVELS] + [("less", _LEAST)]
    legend = "".join(f'<span class="sf-token {kind}">{words}</span>' for words, kind in marks)
    return (
        f'<div class="sf-heat">{"".join(pieces)}</div>'
        f'<div class="sf-legend"><span>How sure the model was of each token:</span>{legend}</div>'
    )


def level(probability: float | None) -> str:
    """The class of a token; "" for a sure one, and for what is no token's."""
    if probability is None:
        return ""
    return next((kind for least, kind in LEVELS if probability >= least), _LEAST)


def replay_html(parts: Parts) -> str:
    """What a replay compared, and whether all of it was the same."""
    same = all(verdict is not False for _, verdict, _ in parts)
    rows = "".join(
        f"<dt>{escape(name)}</dt><dd>{_VERDICTS[verdict]}{': ' + escape(note) if note else ''}</dd>"
        for name, verdict, note in parts
    )
    words = "Replayed: the same answer." if same else "Replayed: not the same answer."
    return (
        f'<div class="sf-why" role="status"><p class="sf-verdict">{words}</p>'
        f'<dl class="sf-facts">{rows}</dl></div>'
    )


@st.cache_resource(show_spinner=False)
def pool() -> ThreadPoolExecutor:
    """Replays one after another: each holds a model of its own."""
    return ThreadPoolExecutor(1, thread_name_prefix="surefoot-replay")


@st.fragment
def _more(turn: Turn, number: int, context: Context) -> None:
    """What is only made when it is asked for."""
    assert turn.answer is not None
    if st.toggle("Show how sure the model was", key=f"talk-heat-{number}"):
        st.html(heat_html(turn.heard))
    if not turn.answer.trace or not context.reader.keeper:
        return
    st.html('<div class="sf-kicker">Give this answer again from its trace</div>')
    trace = Path(turn.answer.trace)
    st.code(f"surefoot replay {trace.stem} --kb {context.kb}", language=None, wrap_lines=True)
    _replay(trace, number, context.kb)


def _replay(trace: Path, number: int, kb: Path) -> None:
    key = f"talk-replay-{number}-{trace.stem}"
    begun: Future[Parts] | None = st.session_state.get(key)
    if begun is None:
        if st.button("Replay now", key=f"{key}-go"):
            st.session_state[key] = pool().submit(replayed, trace, kb)
            st.rerun(scope="fragment")
    elif begun.done():
        _outcome(begun)
    else:
        _waiting(begun)


@st.fragment(run_every=TICK_S)
def _waiting(begun: Future[Parts]) -> None:
    if begun.done():
        st.rerun()
    st.html('<div class="sf-status" role="status"><span class="sf-pulse"></span>Replaying</div>')


def _outcome(done: Future[Parts]) -> None:
    error = done.exception()
    if error is None:
        st.html(replay_html(done.result()))
    elif isinstance(error, SurefootError):
        st.html(f'<p class="sf-note" role="status">{escape(str(error))}</p>')
    else:
        raise error


def replayed(trace: Path, kb: Path) -> Parts:
    """What was compared: its name, whether it is the same, and a note. Raises SurefootError."""
    from rag.assemble import open_replayer
    from rag.traced import read_trace

    traced = read_trace(trace)
    done = open_replayer(traced, kb).replay(traced)
    return tuple((part.name, part.same, part.note) for part in done.parts)


def _token(piece: str, sure: float | None) -> str:
    kind = level(sure)
    if not kind or sure is None:
        return escape(piece)
    return f'<span class="sf-token {kind}" title="{sure:.0%}">{escape(piece)}</span>'
