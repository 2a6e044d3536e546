"""The pictures of the README: well-formed, described, readable in light and dark."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

RAG = Path(__file__).parents[2] / "rag"
SVG = "{http://www.w3.org/2000/svg}"
# Curves are drawn by matplotlib, on a white ground of their own.
DRAWN = sorted(path for path in RAG.rglob("*.svg") if not path.name.endswith(".curves.svg"))


@pytest.mark.parametrize("path", DRAWN, ids=lambda path: path.name)
def test_a_picture(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    assert root.tag == f"{SVG}svg"
    named = {
        node.get("id"): node.text for node in (root.find(f"{SVG}title"), root.find(f"{SVG}desc"))
    }
    assert all(named[name] for name in str(root.get("aria-labelledby")).split())
    style = root.find(f"{SVG}style")
    assert style is not None
    light, _, dark = str(style.text).partition("prefers-color-scheme: dark")
    # The tips of arrows are of a grey that both bear.
    coloured = set(re.findall(r"\.(\w+) \{ (?:fill|stroke): #", light)) - {"tip"}
    assert coloured <= set(re.findall(r"\.(\w+) \{ (?:fill|stroke): #", dark))
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
