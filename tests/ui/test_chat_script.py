"""The page's script without a browser: what it says when there is nothing to ask."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import ui

PAGE = Path(ui.__file__).parent / "chat.py"
AGAIN = ["Try again"]


def shown(monkeypatch: pytest.MonkeyPatch, kb: str, buttons: list[str]) -> str:
    monkeypatch.setenv("SUREFOOT_CHAT_KB", kb)
    page = AppTest.from_file(str(PAGE), default_timeout=60).run()
    assert not page.exception
    assert [button.label for button in page.button] == buttons
    return "".join(element.proto.body for element in page.get("html"))


def test_without_a_base_it_helps_to_make_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    buttons = ["Add to the knowledge base", "Try it with the sample documents"]
    assert "Make a knowledge base" in shown(monkeypatch, "", buttons)


def test_a_missing_base_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    missing = tmp_path / "gone"
    assert f"surefoot ingest PATH --kb {missing}" in shown(monkeypatch, str(missing), AGAIN)
    missing.mkdir()
    (missing / "manifest.json").write_text("{")
    assert "No knowledge base" in shown(monkeypatch, str(missing), AGAIN)
