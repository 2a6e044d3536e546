"""The key of the vault: from the environment or the OS keyring, never from a file of ours."""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from importlib import import_module
from types import ModuleType

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ingest.errors import SurefootError
from rag.safety.pseudonyms import Hasher

KEY_VARIABLE = "SUREFOOT_VAULT_KEY"
NEXT_VARIABLE = "SUREFOOT_VAULT_NEXT_KEY"
KEYRING = "keyring"
SERVICE, USER = "surefoot", "vault"
BYTES = 32
_NONCE = 12


class VaultError(SurefootError):
    """A vault that can't be read, written or unlocked. `problem` is one line, without any value."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"vault: {problem}")


@dataclass(frozen=True, slots=True)
class VaultKey:
    """Keys for three uses, each derived from the one that the user holds (HKDF, RFC 5869)."""

    sealing: bytes = field(repr=False)
    telling: bytes = field(repr=False)
    hashing: bytes = field(repr=False)

    def seal(self, value: str, bound: bytes) -> bytes:
        """A value sealed with AES-256-GCM; it opens only with what it is bound to."""
        nonce = secrets.token_bytes(_NONCE)
        said = value.encode("utf-8", "replace")
        return nonce + AESGCM(self.sealing).encrypt(nonce, said, bound)

    def open(self, sealed: bytes, bound: bytes) -> str | None:
        """The value; None if the key is another, or the value was changed or moved."""
        try:
            return AESGCM(self.sealing).decrypt(sealed[:_NONCE], sealed[_NONCE:], bound).decode()
        except (InvalidTag, ValueError):
            return None

    def tell(self, said: str) -> bytes:
        """A keyed hash (HMAC-SHA256), by which equals are told without being read."""
        return hmac.new(self.telling, said.encode("utf-8", "replace"), sha256).digest()


def new_key() -> str:
    """A key as `surefoot vault key` prints it: 32 random bytes in URL-safe base64."""
    return base64.urlsafe_b64encode(secrets.token_bytes(BYTES)).decode()


def parse_key(text: str, variable: str = KEY_VARIABLE) -> VaultKey:
    """The keys that a text holds. Raises VaultError naming the variable, never the text."""
    try:
        secret = base64.b64decode(text.strip().encode(), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise _not_a_key(variable) from error
    if len(secret) != BYTES:
        raise _not_a_key(variable)
    return VaultKey(*(_derived(secret, use) for use in (b"sealing", b"telling", b"hashing")))


def vault_key(env: Mapping[str, str] | None = None) -> VaultKey | None:
    """The key that the environment gives, or names the OS keyring for; None where there is none.

    Raises VaultError.
    """
    said = (os.environ if env is None else env).get(KEY_VARIABLE, "").strip()
    if not said:
        return None
    return parse_key(_from_keyring() if said.lower() == KEYRING else said)


def open_hasher() -> Hasher:
    """Hashes under the vault's key, the same tomorrow; without a key, of this process alone."""
    key = vault_key()
    return Hasher(key.hashing if key is not None else b"")


def next_key(env: Mapping[str, str] | None = None) -> VaultKey:
    """The key to go over to. Raises VaultError where there is none."""
    said = (os.environ if env is None else env).get(NEXT_VARIABLE, "").strip()
    if not said:
        raise VaultError(f"{NEXT_VARIABLE} must hold the new key; surefoot vault key prints one")
    return parse_key(said, NEXT_VARIABLE)


def keep_in_keyring(text: str) -> None:
    """Put a key where SUREFOOT_VAULT_KEY=keyring finds it. Raises VaultError if one is there."""
    if _in_keyring() is not None:
        raise VaultError("the keyring holds a key already, which a vault may need")
    _put_in_keyring(text)


def adopt_next(env: Mapping[str, str] | None = None) -> bool:
    """Put the next key into the keyring, where the one before came from there. Raises VaultError.

    Returns whether it did.
    """
    env = os.environ if env is None else env
    if env.get(KEY_VARIABLE, "").strip().lower() != KEYRING:
        return False
    _put_in_keyring(env.get(NEXT_VARIABLE, "").strip())
    return True


def has_key(env: Mapping[str, str] | None = None) -> bool:
    """Whether a key is named; it is not looked at."""
    return bool((os.environ if env is None else env).get(KEY_VARIABLE, "").strip())


def _put_in_keyring(text: str) -> None:
    keyring = _keyring()
    try:
        keyring.set_password(SERVICE, USER, text)
    except keyring.errors.KeyringError as error:
        raise _no_answer(error) from error


def _from_keyring() -> str:
    found = _in_keyring()
    if found is None:
        raise VaultError("the keyring has no key yet; make one: surefoot vault key --keyring")
    return found


def _in_keyring() -> str | None:
    keyring = _keyring()
    try:
        found = keyring.get_password(SERVICE, USER)
    except keyring.errors.KeyringError as error:
        raise _no_answer(error) from error
    return str(found) if found else None


def _keyring() -> ModuleType:
    try:
        import_module("keyring.errors")
        return import_module("keyring")
    except ImportError as error:
        problem = "the OS keyring needs a library: pip install 'surefoot[keyring]'"
        raise VaultError(problem) from error


def _no_answer(error: Exception) -> VaultError:
    return VaultError(f"the OS keyring does not answer ({type(error).__name__})")


def _not_a_key(variable: str) -> VaultError:
    return VaultError(f"{variable} holds no key; surefoot vault key prints one")


def _derived(secret: bytes, use: bytes) -> bytes:
    return HKDF(SHA256(), BYTES, salt=None, info=b"surefoot vault " + use).derive(secret)
