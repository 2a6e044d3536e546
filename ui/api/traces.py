"""The trace of an answer, for who may see all that it rests on."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ui.api.errors import ApiError

_ID = re.compile(r"\d{8}T\d{6}-[0-9a-f]{8}")


def read_trace(folder: Path, id: str, groups: frozenset[str]) -> dict[str, Any]:
    """The trace of this id. Raises ApiError for one that is not there or not for these groups.

    Whether there is one that the caller may not see is not told.
    """
    if not _ID.fullmatch(id):
        raise _unknown()
    try:
        record = json.loads((folder / f"{id}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _unknown() from None
    except (OSError, ValueError) as error:
        raise ApiError(503, "trace_unreadable", "the trace cannot be read") from error
    if not may_see(record, groups):
        raise _unknown()
    return dict(record)


def may_see(record: Mapping[str, Any], groups: frozenset[str]) -> bool:
    """Whether someone of `groups` may see a trace: all its passages, and what its asker might.

    The prompt holds the conversation too, which may rest on more than the passages.
    """
    asker = record.get("asked")
    if asker is None or not groups.issuperset(asker["groups"]):
        return False
    wanted = [frozenset(passage["groups"]) for passage in record["answer"]["passages"]]
    return all(not each or each & groups for each in wanted)


def _unknown() -> ApiError:
    return ApiError(404, "unknown_trace", "there is no trace of this id for this key")
