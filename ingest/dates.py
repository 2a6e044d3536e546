"""The date that a document gives itself, from whatever its reader found. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# The last change says which of two versions is the newer; the first date is second best.
KEYS = ("modified", "updated", "last_modified", "date", "published", "created")
_PARTIAL = re.compile(r"(\d{4})(-\d{2})?")


def own_date(metadata: Mapping[str, str]) -> str:
    """ISO 8601 in UTC, to the second, so that texts compare as times do; "" where there is none.

    Reads ISO 8601 dates and times (a year or a month too) and those of mail headers. A date
    without a zone is taken as UTC.
    """
    by_name = {name.lower().replace("-", "_"): value for name, value in metadata.items()}
    found = (_normal(by_name[key].strip()) for key in KEYS if key in by_name)
    return next((date for date in found if date), "")


def _normal(value: str) -> str:
    if partial := _PARTIAL.fullmatch(value):
        value = f"{partial[1]}{partial[2] or '-01'}-01"
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = parse(value)
            zoned = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
            return zoned.astimezone(UTC).isoformat(timespec="seconds")
        except (ValueError, OverflowError):
            continue
    return ""
