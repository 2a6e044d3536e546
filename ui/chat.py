"""The pages' script, started by `surefoot chat`: their border. What they show is in `ui/page`.

`surefoot chat` tells it what to show in SUREFOOT_CHAT_KB, _GROUPS, _MODEL, _SIGN_IN, _USERS and
_SHARED.
"""

from __future__ import annotations

import logging
import os

import streamlit as st

from ingest.errors import KnowledgeBaseError, SurefootError
from ui.page import cards, shell
from ui.page.settings import Settings

LOG = logging.getLogger("surefoot.chat")


def main() -> None:
    shell.dress()
    settings = Settings.from_env(os.environ)
    try:
        shell.show(settings)
    except KnowledgeBaseError as error:
        st.html(cards.no_base_html(str(error), settings.kb))
        st.button("Try again")


def page() -> None:
    """Whatever goes wrong becomes one line, and the log has the rest."""
    try:
        main()
    except SurefootError as error:
        st.html(cards.trouble_html(str(error)))
    except Exception as error:
        LOG.exception("the page failed")
        problem = f"Unexpected {type(error).__name__}; the log has the details."
        st.html(cards.trouble_html(problem, "Reload the page to try again."))


page()
