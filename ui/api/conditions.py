"""The conditions of a request."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.conditions import Condition, Where
from ui.api.errors import ApiError


def where_of(texts: Sequence[str]) -> Where:
    """What the texts of `where` say. Raises ApiError for one that says nothing."""
    found = []
    for text in texts:
        condition = Condition.parse(text)
        if condition is None:
            line = "where: neither KEY=VALUE nor KEY>=VALUE or KEY<=VALUE with a date or number"
            raise ApiError(400, "invalid_request", line, param="where")
        found.append(condition)
    return tuple(found)
