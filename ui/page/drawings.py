"""Drawings on a page. Streamlit's own HTML leaves them out, since they could be anybody's."""

from __future__ import annotations

import streamlit as st

_PUT = """
export default function ({ data, parentElement }) {
  parentElement.querySelector('div').innerHTML = data.html;
}
"""

_drawings = st.components.v2.component(
    "surefoot.drawings", html="<div></div>", js=_PUT, isolate_styles=False
)


def drawings(html: str, key: str) -> None:
    """HTML with drawings of ours, in which every text is escaped."""
    _drawings(key=key, data={"html": html}, height="content")
