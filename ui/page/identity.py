"""Who a reader is by the claims of an OpenID provider. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rag.sign_in import SignInConfig
from ui.page.context import Reader


def reader_of(claims: Mapping[str, Any], config: SignInConfig) -> Reader | None:
    """The reader of these claims; None for one who has no name or may not come in."""
    name = claims.get(config.name_claim)
    if not isinstance(name, str) or not name.strip() or not _proven(claims, config):
        return None
    reader = Reader(name.strip(), _groups(claims.get(config.groups_claim)), False)
    if config.allow and not _among(reader, config.allow):
        return None
    return Reader(reader.name, reader.groups, _among(reader, config.keepers))


def _proven(claims: Mapping[str, Any], config: SignInConfig) -> bool:
    """An address that the provider itself doubts names nobody."""
    return config.name_claim != "email" or claims.get("email_verified", True) in (True, "true")


def _groups(claim: Any) -> frozenset[str]:
    listed = claim if isinstance(claim, list | tuple) else [claim]
    return frozenset(item for item in listed if isinstance(item, str) and item)


def _among(reader: Reader, wanted: tuple[str, ...]) -> bool:
    named = {reader.name.casefold(), *reader.groups}
    _, at, domain = reader.name.casefold().rpartition("@")
    return any(
        item in named or item.casefold() in (reader.name.casefold(), at + domain)
        for item in wanted
        if item != "@"
    )
