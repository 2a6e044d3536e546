"""Opens the vault of a knowledge base, where there is a key for it."""

from __future__ import annotations

from pathlib import Path
from threading import Lock

from rag.safety.pseudonyms import MemorySessions, Session, Sessions
from rag.safety.vault import Vault, beside
from rag.safety.vault_key import KEY_VARIABLE, VaultError, vault_key


def open_sessions(kb: Path) -> Sessions:
    """The vault of a knowledge base; without a key, sessions that live in memory.

    Raises VaultError for a vault that is there and whose key is not.
    """
    key, path = vault_key(), beside(kb)
    if key is not None:
        return Vault(path, key)
    if path.exists():
        raise VaultError(f"{path} is there, but {KEY_VARIABLE} is not set")
    return MemorySessions()


class LateSessions:
    """The sessions of a knowledge base, opened when the first is asked for. Thread-safe."""

    def __init__(self, kb: Path) -> None:
        self._kb = kb
        self._lock = Lock()
        self._sessions: Sessions | None = None

    def of(self, conversation: str) -> Session:
        """Raises VaultError."""
        with self._lock:
            self._sessions = self._sessions or open_sessions(self._kb)
            return self._sessions.of(conversation)


def open_vault(kb: Path) -> Vault:
    """The vault of a knowledge base. Raises VaultError without a key, or with another."""
    key = vault_key()
    if key is None:
        raise VaultError(f"{KEY_VARIABLE} is not set; surefoot vault key prints a new key")
    return Vault(beside(kb), key)


def place_of(kb: Path) -> tuple[Vault, ...]:
    """The vault of a knowledge base as a place to forget in; () where there is none.

    Raises VaultError where its key is not there: what can't be read can't be searched.
    """
    return (open_vault(kb),) if beside(kb).exists() else ()
