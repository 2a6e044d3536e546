"""Texts with planted data through the real filters: nothing hidden comes out, however it is cut.

`python -m evals.bench.leaks` does the same with fifty thousand texts.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evals.bench.leaks import Tally, leaked, open_guard, planted, tally
from ingest.embed import SentenceEmbedder
from rag.models import spec
from rag.safety.build import build_guard
from rag.safety.policy import DEFAULT
from rag.types import Decision, Finding, Released, Verdict
from ui.page.marks import inline


def test_nothing_leaks() -> None:
    random = np.random.default_rng(7)
    found = tally([planted(random) for _ in range(600)], open_guard(heads=False), random)
    assert found == Tally(600, 0, 0, 0, 0)


@pytest.mark.models
def test_nothing_leaks_with_all_filters(embedder_path: Path) -> None:
    random = np.random.default_rng(8)
    name = "all-minilm-l6-v2"
    embedder = SentenceEmbedder(embedder_path, name, spec(name).sha256)
    guard = build_guard(None, embedder, DEFAULT, timeout_s=60.0)
    found = tally([planted(random) for _ in range(60)], guard, random)
    assert (found.leaked_characters, found.differing, found.torn) == (0, 0, 0)


@pytest.mark.parametrize(
    ("shown", "characters"),
    [("Call <PHONE_NUMBER>.", 0), ("Call 555 1234.", 7), ("Call 4<PHONE_NUMBER>.", 1), ("", 0)],
)
def test_what_leaks_is_counted(shown: str, characters: int) -> None:
    text = "Call 555 1234."
    finding = Finding("answer", "PHONE_NUMBER", 5, 13, 0.9, "test", "redact")
    verdict = Verdict(Decision.REDACT, shown, (finding,))
    assert leaked(text, Released(0, 0, len(text), shown, verdict)) == characters


def test_the_page_escapes_code_that_passes() -> None:
    page = inline('```html\n<img src="a.png" onerror="x()">\n```\nUse `<script>`. <EXTERNAL_LINK>')
    assert "<img" not in page
    assert "<script" not in page
    assert "&lt;img src=" in page
