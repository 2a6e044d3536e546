"""What an OpenID provider's claims mean for who reads: the [sign_in] part of the config."""

from __future__ import annotations

from dataclasses import dataclass

from rag.checked import require


@dataclass(frozen=True, slots=True)
class SignInConfig:
    """`name_claim` names a reader; `groups_claim` holds a list of groups, or one of them.

    Members of a group in `keepers` look after the knowledge base, as do readers named there.
    `allow` are groups, names, or @domains of e-mail addresses that may come in; empty lets in
    everybody whom the provider does.
    """

    name_claim: str = "email"
    groups_claim: str = "groups"
    keepers: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require(bool(self.name_claim), "sign_in.name_claim", "must be named")
        require(bool(self.groups_claim), "sign_in.groups_claim", "must be named")
