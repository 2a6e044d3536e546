"""Keys: from the environment or the keyring, and never shown in an error."""

from __future__ import annotations

import base64
import sys
import types
from typing import Any

import pytest

from rag.safety import vault_key
from rag.safety.vault_key import KEY_VARIABLE, NEXT_VARIABLE, VaultError, new_key, parse_key

KEY = new_key()


class KeyringError(Exception):
    pass


class Ring(types.ModuleType):
    """A keyring of one entry."""

    def __init__(self, broken: bool = False) -> None:
        super().__init__("keyring")
        self.held: str | None = None
        self.errors = types.SimpleNamespace(KeyringError=KeyringError)
        self._broken = broken

    def get_password(self, service: str, user: str) -> str | None:
        assert (service, user) == ("surefoot", "vault")
        if self._broken:
            raise KeyringError("locked")
        return self.held

    def set_password(self, service: str, user: str, text: str) -> None:
        assert (service, user) == ("surefoot", "vault")
        self.held = text


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> Ring:
    return put(monkeypatch, Ring())


def put(monkeypatch: pytest.MonkeyPatch, ring: Ring) -> Ring:
    monkeypatch.setitem(sys.modules, "keyring", ring)
    monkeypatch.setitem(sys.modules, "keyring.errors", types.ModuleType("keyring.errors"))
    return ring


def test_a_key_gives_three_that_are_its_own() -> None:
    key = parse_key(f" {KEY}\n")
    assert key == parse_key(KEY)
    assert len({key.sealing, key.telling, key.hashing}) == 3
    assert key != parse_key(new_key())
    assert "b'" not in repr(key)


@pytest.mark.parametrize(
    "text", ["hunter2", "", "ä" * 43, base64.b64encode(b"x" * 31).decode(), KEY[:-2], KEY + "AAAA"]
)
def test_what_is_no_key_is_not_repeated(text: str) -> None:
    with pytest.raises(VaultError, match="holds no key") as caught:
        parse_key(text)
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize("env", [{}, {KEY_VARIABLE: "  "}])
def test_no_key(env: dict[str, str]) -> None:
    assert vault_key.vault_key(env) is None
    assert not vault_key.has_key(env)


def test_from_the_environment() -> None:
    assert vault_key.vault_key({KEY_VARIABLE: KEY}) == parse_key(KEY)
    assert vault_key.next_key({NEXT_VARIABLE: KEY}) == parse_key(KEY)
    with pytest.raises(VaultError, match=NEXT_VARIABLE):
        vault_key.next_key({})
    with pytest.raises(VaultError, match=NEXT_VARIABLE):
        vault_key.next_key({NEXT_VARIABLE: "no"})


def test_from_the_keyring(ring: Ring) -> None:
    env = {KEY_VARIABLE: "keyring", NEXT_VARIABLE: new_key()}
    with pytest.raises(VaultError, match="no key yet"):
        vault_key.vault_key(env)
    vault_key.keep_in_keyring(KEY)
    assert vault_key.vault_key(env) == parse_key(KEY)
    with pytest.raises(VaultError, match="a key already"):
        vault_key.keep_in_keyring(new_key())
    assert vault_key.adopt_next(env)
    assert ring.held == env[NEXT_VARIABLE]
    assert not vault_key.adopt_next({KEY_VARIABLE: KEY})


def test_a_keyring_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, Ring(broken=True))
    with pytest.raises(VaultError, match="does not answer"):
        vault_key.vault_key({KEY_VARIABLE: "keyring"})


def test_without_the_library_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    modules: dict[str, Any] = {"keyring": None, "keyring.errors": None}
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    with pytest.raises(VaultError, match=r"surefoot\[keyring\]"):
        vault_key.vault_key({KEY_VARIABLE: "keyring"})


def test_hashes_are_the_same_under_the_same_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    one, two = vault_key.open_hasher(), vault_key.open_hasher()
    assert one("PERSON", "Anna Berg") == two("PERSON", "anna berg")
    monkeypatch.delenv(KEY_VARIABLE)
    assert vault_key.open_hasher()("PERSON", "Anna Berg") != one("PERSON", "Anna Berg")
