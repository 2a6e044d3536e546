"""What stands around the pages."""

from __future__ import annotations

import re
from importlib import import_module

import pytest

from ui.page.shell import PLACES, Place, styles


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.title)
def test_every_link_leads_to_a_page(place: Place) -> None:
    assert callable(import_module(f"ui.page.{place.module}").page)


def test_the_chat_alone_is_for_every_reader() -> None:
    assert [place.title for place in PLACES if not place.keepers] == ["Chat"]
    assert PLACES[0].path == ""


def test_styles_need_no_network_and_use_no_colours_that_nobody_named() -> None:
    css = styles()
    assert "url(" not in css
    assert "@import" not in css
    used, named = (
        set(re.findall(r"var\((--sf-[a-z-]+)", css)),
        set(re.findall(r"(--sf-[a-z-]+):", css)),
    )
    assert used <= named
