"""How long a reader waits for the page, beside the emptiest page that Streamlit can serve."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

import pytest

from evals.bench.paint import BARE, paint
from ingest.build import ingest
from ingest.testing import HashEmbedder

pytestmark = pytest.mark.browser
SCRIPT = Path(__file__).with_name("shared_fake_page.py")
ROUNDS = 3
# 2 s on a machine that does nothing else; the ratio holds on a busy one too.
LONGEST_S, LONGEST_RATIO = 10.0, 2.5


def test_the_chat_is_there_at_once(tmp_path: Path, browser: Any, serve_script: Any) -> None:
    (tmp_path / "leave.md").write_text("# Leave\n\nAnnual leave is twenty five days a year.\n")
    ingest([tmp_path / "leave.md"], tmp_path / "kb", HashEmbedder())
    bare = tmp_path / "bare.py"
    bare.write_text(BARE)
    with (
        serve_script(SCRIPT, tmp_path / "log", SUREFOOT_CHAT_KB=str(tmp_path / "kb")) as ours,
        serve_script(bare, tmp_path / "bare.log") as theirs,
    ):
        first = paint(browser, ours)
        pairs = [(paint(browser, ours), paint(browser, theirs)) for _ in range(ROUNDS)]
    assert first < LONGEST_S
    assert median(mine / floor for mine, floor in pairs) < LONGEST_RATIO, pairs
