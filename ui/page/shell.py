"""What stands around every page: its look, the name and the links at the side, who reads."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from ui.page import first, scripts, signin
from ui.page.context import Context
from ui.page.settings import Settings

PARTS = Path(__file__).parent
ICON, NAME = PARTS / "icon.svg", PARTS / "name.svg"
LOG = logging.getLogger("surefoot.chat")


@dataclass(frozen=True, slots=True)
class Place:
    """A page: its title, the end of its address, its module here, and whether only keepers see it.

    A page is imported when it is first drawn: the chat waits for none of the others.
    """

    title: str
    path: str
    module: str
    keepers: bool = True

    def draw(self, context: Context) -> None:
        import_module(f"{__package__}.{self.module}").page(context)


def dress() -> None:
    """The title, the name and the styles, which are small files beside this one."""
    st.set_page_config(page_title="Surefoot", page_icon=ICON, layout="centered")
    st.html(styles())
    st.logo(NAME, size="large")
    scripts.scheme()


@cache
def styles() -> str:
    """Every style sheet of the pages, the shared one first."""
    shared = PARTS / "page.css"
    sheets = [shared, *(path for path in sorted(PARTS.glob("*.css")) if path != shared)]
    return f"<style>{''.join(path.read_text(encoding='utf-8') for path in sheets)}</style>"


def show(settings: Settings) -> None:
    """The page that was asked for, as far as this reader may see it."""
    kb = settings.kb or first.made().kb
    reader = signin.current(settings, kb)

    def draw(place: Place) -> None:
        if reader is None:
            signin.page(settings, kb)
        elif kb is None:
            first.page(reader, settings)
        else:
            place.draw(Context(settings, kb, reader))

    # Before a sign-in every address is known, so that it leads on to its page afterwards.
    seen = [place for place in PLACES if reader is None or reader.keeper or not place.keepers]
    alone = reader is None or kb is None or len(seen) == 1
    links = [_page(place, partial(draw, place), kb) for place in seen]
    at = st.navigation(links, position="hidden" if alone else "sidebar", expanded=True)
    if reader is not None and (kb is not None or reader.name):
        signin.foot(reader)
    at.run()


def _page(place: Place, draw: Callable[[], None], kb: Path | None) -> StreamlitPage:
    title = place.title
    if place.path == "review" and kb is not None and (waiting := _waiting(kb)):
        title = f"{title} · {waiting}"
    return st.Page(draw, title=title, url_path=place.path, default=not place.path)


def _waiting(kb: Path) -> int:
    """How many answers wait for a reviewer."""
    from evals.review.queue import ReviewQueue
    from evals.review.types import ReviewError, beside

    try:
        return ReviewQueue(beside(kb)).waiting()
    except ReviewError as error:
        LOG.error("%s", error)  # the review page says it to the reader
        return 0


PLACES = (
    Place("Chat", "", "talk", keepers=False),
    Place("Knowledge base", "base", "base"),
    Place("Evaluations", "evaluations", "evaluations"),
    Place("Review", "review", "review"),
    Place("Operations", "operations", "operations"),
)
