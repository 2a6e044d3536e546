"""The suites by name. Looking one up imports it; nothing is loaded before it is opened."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

from ingest.errors import SurefootError

if TYPE_CHECKING:
    from evals.suites.base import Suite

SUITES = {
    "retrieval": "are the right documents found, and how high",
    "qa": "are the answers right, cited, and left out where there is none",
    "grounding": "does the checker know a supported answer from an invented one",
    "pii": "is personal data found",
    "moderation": "is harmful content found, by category",
    "injection": "are attacks on the assistant known from honest texts",
    "refusal": "are harmful requests refused and harmless ones not",
    "perplexity": "how surprising is a text to the model",
}


def get(name: str) -> Suite:
    """The suite of this name. Raises SurefootError."""
    if name not in SUITES:
        raise SurefootError(f"there is no suite {name!r}; there are: {', '.join(SUITES)}")
    return cast("Suite", import_module(f"evals.suites.{name}").SUITE)
