"""The router of a running server: who is served changes between questions, never within one."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import RLock, Thread
from typing import Protocol

from rag.errors import SurefootError
from rag.observe import Observer
from rag.pipeline import Assistant
from rag.releases.canary import FallBack, Recorder, Referee, Twin
from rag.releases.errors import ReleaseError
from rag.releases.registry import Registry
from rag.releases.router import Served
from rag.releases.rows import State
from rag.releases.shadow import Shadow, Shadowed
from rag.releases.trial import Trial

LOG = logging.getLogger("surefoot.releases")
LOOK_S = 0.5


class Loads(Protocol):
    """Opens a variant with the parts of `like` that it has in common; `check` is cheap."""

    def open(self, name: str, like: Assistant) -> Assistant: ...

    def check(self, name: str) -> None: ...


class Metrics(Protocol):
    """Where variants and releases are counted. Neither method raises."""

    def of(self, variant: str, role: str = "stable") -> Observer: ...

    def canary(self, variant: str, share: float, state: str) -> None: ...


@dataclass(slots=True)
class _Running:
    """A trial in this process; its candidate is None until it is loaded."""

    trial: Trial
    referee: Referee
    candidate: Assistant | None = None
    shadow: Shadow | None = None


class LiveRouter:
    """Serves the stable variant and a trial of another, as the registry says at most a second ago.

    `stable` is what is served now under `name`. A variant is loaded in the background; until then
    everyone meets the one that was stable before, and nothing is counted.
    """

    def __init__(
        self,
        registry: Registry,
        name: str,
        stable: Assistant,
        loads: Loads,
        observers: Sequence[Observer] = (),
        metrics: Metrics | None = None,
        look_s: float = LOOK_S,
    ) -> None:
        self._registry = registry
        self._name = name
        self._loads = loads
        self._observers = tuple(observers)
        self._metrics = metrics
        self._look_s = look_s
        self._looked = float("-inf")
        self._lock = RLock()
        self._running: _Running | None = None
        self._loading = self._unloadable = ""
        self._over: set[int] = set()
        self._stable = Twin(stable, self._hearers(name, "stable"))

    def pick(self, conversation: str) -> Served:
        """The variant of this conversation; "" is one that is never on trial."""
        with self._lock:
            self._look()
            running, name, stable = self._running, self._name, self._stable
        if running is None or running.candidate is None:
            return Served(name, stable)
        trial, unit = running.trial, running.trial.unit(conversation)
        chosen = bool(conversation) and trial.takes(conversation)
        if running.shadow is not None:
            return Served(name, Shadowed(stable, running.shadow, unit if chosen else None))
        if not conversation:
            return Served(name, stable)
        recorder = Recorder(running.referee, "canary" if chosen else "baseline", unit)
        if not chosen:
            return Served(name, Twin(stable, (*stable.observers, recorder)), fresh=True)
        heard = self._hearers(trial.variant, "canary")
        candidate = FallBack(running.candidate, stable, recorder, heard)
        return Served(trial.variant, candidate, fresh=True)

    def close(self) -> None:
        """End what works in the background; questions that run go on."""
        with self._lock:
            self._drop("idle")

    def _look(self) -> None:
        """See, at most twice a second, what the registry says now."""
        now = time.monotonic()
        if now - self._looked < self._look_s:
            return
        self._looked = now
        try:
            state = self._registry.state()
        except ReleaseError as error:
            LOG.warning("what is served stays as it is: %s", error)
            return
        self._follow(state)

    def _follow(self, state: State) -> None:
        """Let go of what is over, and have what is new loaded, one thing at a time."""
        trial, running = state.trial, self._running
        if state.stable != self._name:
            self._switch(state.stable)
            return
        self._unloadable = ""
        if running is not None and (trial is None or trial.id != running.trial.id):
            self._drop("rolled_back")
        elif running is not None:
            self._still(running)
        elif trial is not None and trial.id not in self._over and trial.baseline == self._name:
            self._begin(trial)

    def _switch(self, name: str) -> None:
        """Serve another stable variant: at once if it was the canary, else when it is loaded."""
        running = self._running
        if running is not None and running.trial.variant == name and running.candidate is not None:
            candidate = running.candidate
            self._drop("promoted")
            self._become(name, candidate)
        elif name != self._unloadable:
            self._load(name, lambda made: self._become(name, made), self._unchanged)

    def _become(self, name: str, assistant: Assistant) -> None:
        """The one before is let go; its memory is free when its last question ends."""
        if self._running is not None:
            self._drop("idle")
        self._name, self._stable = name, Twin(assistant, self._hearers(name, "stable"))
        self._tell(name, 1.0, "promoted")

    def _unchanged(self, name: str, error: Exception) -> None:
        LOG.error("%s is served still: %s could not be loaded: %s", self._name, name, error)
        self._unloadable = name

    def _begin(self, trial: Trial) -> None:
        """Load a trial's candidate. A candidate that can't be loaded is rolled back at once."""
        if self._loading:
            return
        referee = Referee(self._registry, trial, lambda gone: self._ended(trial, gone))
        self._running = running = _Running(trial, referee)

        def ready(candidate: Assistant) -> None:
            if self._running is running:
                running.shadow = Shadow(candidate, referee) if trial.shadow else None
                running.candidate = candidate
                share, state = (0.0, "shadow") if trial.shadow else (trial.share, "canary")
                self._tell(trial.variant, share, state)

        def broken(name: str, error: Exception) -> None:
            referee.fail(f"{name} could not be loaded: {error}")

        self._load(trial.variant, ready, broken)

    def _still(self, running: _Running) -> None:
        """A candidate that is bound to a generation goes when the base has left it."""
        try:
            self._loads.check(running.trial.variant)
        except SurefootError as error:
            running.referee.fail(str(error))

    def _load(
        self,
        name: str,
        ready: Callable[[Assistant], None],
        broken: Callable[[str, Exception], None],
    ) -> None:
        if self._loading:
            return
        self._loading = name
        work = (name, self._stable, ready, broken)
        Thread(target=self._loaded, args=work, name=f"surefoot-load-{name}", daemon=True).start()

    def _loaded(
        self,
        name: str,
        like: Assistant,
        ready: Callable[[Assistant], None],
        broken: Callable[[str, Exception], None],
    ) -> None:
        try:
            made = self._loads.open(name, like)
        except Exception as error:  # noqa: BLE001  whatever it is, it is written down and told
            with self._lock:
                self._loading = ""
                broken(name, error)
            return
        with self._lock:
            self._loading = ""
            ready(made)

    def _ended(self, trial: Trial, gone: bool) -> None:
        """A trial is over: by a rollback (`gone`), or as the registry says."""
        with self._lock:
            if self._running is None or self._running.trial.id != trial.id:
                return
            if gone:
                # Not begun again, even where the rollback could not be written down.
                self._over.add(trial.id)
                self._drop("rolled_back")
            else:
                self._looked = float("-inf")
                self._look()

    def _drop(self, state: str) -> None:
        running, self._running = self._running, None
        if running is None:
            return
        running.referee.over = True
        if running.shadow is not None:
            running.shadow.close()
        self._tell(running.trial.variant, 0.0, state)

    def _tell(self, variant: str, share: float, state: str) -> None:
        if self._metrics is not None:
            self._metrics.canary(variant, share, state)

    def _hearers(self, variant: str, role: str) -> tuple[Observer, ...]:
        metrics = (self._metrics.of(variant, role),) if self._metrics is not None else ()
        return (*self._observers, *metrics)
