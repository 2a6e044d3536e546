"""Who a reader is by a provider's claims."""

from __future__ import annotations

from typing import Any

import pytest

from rag.errors import ConfigError
from rag.sign_in import SignInConfig
from ui.page.context import Reader
from ui.page.identity import reader_of

ADA = {"email": "ada@merrow.example", "groups": ["hr", "it"], "email_verified": True}


@pytest.mark.parametrize(
    ("claims", "config", "reader"),
    [
        (ADA, SignInConfig(), Reader("ada@merrow.example", frozenset({"hr", "it"}), False)),
        (ADA | {"groups": "hr"}, SignInConfig(keepers=("hr",)),
         Reader("ada@merrow.example", frozenset({"hr"}), True)),
        (ADA | {"groups": [3, None, ""]}, SignInConfig(), Reader(ADA["email"], frozenset(), False)),
        (ADA, SignInConfig(keepers=("Ada@Merrow.example",)),
         Reader(ADA["email"], frozenset({"hr", "it"}), True)),
        ({"sub": "7", "roles": ["ops"]}, SignInConfig("sub", "roles"),
         Reader("7", frozenset({"ops"}), False)),
        (ADA, SignInConfig(allow=("@merrow.example",)),
         Reader(ADA["email"], frozenset({"hr", "it"}), False)),
        (ADA, SignInConfig(allow=("it",)), Reader(ADA["email"], frozenset({"hr", "it"}), False)),
        (ADA, SignInConfig(allow=("@other.example", "ops")), None),
        (ADA | {"email": "ada@evilmerrow.example"}, SignInConfig(allow=("@merrow.example",)), None),
        (ADA | {"email": "ada"}, SignInConfig(allow=("@",)), None),
        (ADA | {"email_verified": False}, SignInConfig(), None),
        ({}, SignInConfig(), None),
        ({"email": " "}, SignInConfig(), None),
        ({"email": ["a"]}, SignInConfig(), None),
    ],
)  # fmt: skip
def test_claims(claims: dict[str, Any], config: SignInConfig, reader: Reader | None) -> None:
    assert reader_of(claims, config) == reader


def test_claims_have_names() -> None:
    with pytest.raises(ConfigError, match=r"sign_in\.groups_claim"):
        SignInConfig(groups_claim="")
