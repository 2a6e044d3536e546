"""Every state that there is a picture of: it can be reached, and axe-core finds nothing grave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser


def test_every_page_at_a_phone_in_the_dark(
    tmp_path: Path, browser: Any, axe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages have tests of their own for a desktop in the light."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    import screenshots

    phone, found = screenshots.SIZES[1], {}
    with screenshots.opened(tmp_path, browser, screenshots.STATES) as urls:
        states = screenshots.STATES
        for state, page in screenshots.visits(browser, urls, states, phone, "dark"):
            try:
                axe(page)
            except AssertionError as error:
                found[state.name] = str(error)
    assert found == {}, "\n".join(f"{name}: {said}" for name, said in found.items())
