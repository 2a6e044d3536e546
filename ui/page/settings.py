"""What the page was started with, and the parts that all its sessions share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Lock
from typing import Any, Protocol, runtime_checkable

from rag.errors import SurefootError
from rag.safety.pseudonyms import Session
from rag.types import AnswerEvent, Decoding, Message, StageDone


@dataclass(frozen=True, slots=True)
class Settings:
    """From `surefoot chat`: the knowledge base, the reader's groups, the model's name if given.

    Without `kb` the page helps to make one. `sign_in` is "users", "oidc" or "" for nobody has to;
    `users` is the file of the first. `shared` says that other machines reach the page.
    """

    kb: Path | None
    groups: frozenset[str]
    model: str | None
    sign_in: str = ""
    users: Path | None = None
    shared: bool = False

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        kb = env.get("SUREFOOT_CHAT_KB", "").strip()
        users = env.get("SUREFOOT_CHAT_USERS", "").strip()
        groups = env.get("SUREFOOT_CHAT_GROUPS", "").split(",")
        return cls(
            kb=Path(kb) if kb else None,
            groups=frozenset(group.strip() for group in groups if group.strip()),
            model=env.get("SUREFOOT_CHAT_MODEL", "").strip() or None,
            sign_in=env.get("SUREFOOT_CHAT_SIGN_IN", "").strip(),
            users=Path(users) if users else None,
            shared=env.get("SUREFOOT_CHAT_SHARED", "") == "1",
        )


class Answerer(Protocol):
    """The part of an assistant that the page needs."""

    def stream(
        self,
        question: str,
        history: Sequence[Message] = (),
        groups: frozenset[str] = frozenset(),
        cancel: Event | None = None,
        *,
        decoding: Decoding | None = None,
        session: Session | None = None,
    ) -> Iterator[AnswerEvent]: ...


@runtime_checkable
class Varies(Protocol):
    """An assistant that says how it decodes, and so can be asked to do it otherwise."""

    def decoding(self) -> Decoding: ...


LIVELY = 0.7
"""The least temperature of an answer that is asked for again: a greedy one would be the same."""


class Loader:
    """Opens the assistant in the background, once; a failure is tried again when next asked for."""

    def __init__(self, opener: Callable[[], Answerer]) -> None:
        self._opener = opener
        self._lock = Lock()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="surefoot-load")
        self._future: Future[Answerer] = self._pool.submit(opener)

    def problem(self, wait_s: float) -> str | None:
        """Why the assistant can't be had, if that is known within `wait_s`."""
        with self._lock:
            future = self._future
        wait_for([future], timeout=wait_s)
        error = future.exception() if future.done() else None
        if error is None:
            return None
        return str(error) if isinstance(error, SurefootError) else f"Unexpected {error!r}"

    def get(self) -> Answerer:
        """The assistant, waiting for it. Raises what its opening raised."""
        with self._lock:
            if self._future.done() and self._future.exception() is not None:
                self._future = self._pool.submit(self._opener)
            future = self._future
        return future.result()

    def stream(
        self,
        question: str,
        history: Sequence[Message],
        groups: frozenset[str],
        cancel: Event,
        session: Session | None = None,
        again: int = 0,
    ) -> Iterator[AnswerEvent]:
        """The assistant's stream, with a stage "loaded" before it.

        The `again`-th repetition of a question is decoded with some chance, by a seed of its own.
        """
        assistant = self.get()
        yield StageDone("loaded", 0.0)
        more: dict[str, Any] = {}
        if again and isinstance(assistant, Varies):
            usual = assistant.decoding()
            warm = max(usual.temperature, LIVELY)
            more["decoding"] = replace(usual, temperature=warm, seed=usual.seed + again, beams=1)
        yield from assistant.stream(question, history, groups, cancel, session=session, **more)
