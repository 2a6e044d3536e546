"""Two places by turns, for what a fragment draws beside another one that ticks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st


@contextmanager
def by_turns(key: str, shown: object) -> Iterator[None]:
    """A container of this key, in another place than before whenever `shown` is another.

    The browser keeps widgets that others displace until it hears that the fragment's run has
    ended, and the next run of a ticking fragment may take that word back (Streamlit 1.67). A
    whole place that is given up goes at once.
    """
    name = f"place-{key}"
    before, place = st.session_state.get(name, (shown, 0))
    if shown != before:
        place = 1 - place
    st.session_state[name] = shown, place
    if place:
        st.empty()
    with st.container(key=key, gap=None):
        yield
    if not place:
        st.empty()
