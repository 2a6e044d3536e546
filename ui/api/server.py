"""Serves until it is told to stop, and then ends in good order.

On SIGTERM or SIGINT it takes nothing new and says so, what runs may finish, and the process ends
with 0. A second signal ends it at once.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from threading import Thread
from types import FrameType

import uvicorn

from rag.errors import SurefootError
from ui.api.app import create_app
from ui.api.errors import RETRY_S, ApiError
from ui.api.service import Service

LAST_S = 3
"""Seconds for requests that are ended to say so."""


class CannotListen(SurefootError):
    """The address is taken, or not this machine's."""

    def __init__(self, host: str, port: int, problem: str) -> None:
        self.host = host
        self.port = port
        super().__init__(f"cannot listen on {host}, port {port}: {problem}")


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 is any free one. Raises CannotListen."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise CannotListen(host, port, error.strerror or str(error)) from error


def serve(service: Service, listener: socket.socket, load: Callable[[], None]) -> None:
    """Listen at once, load the models meanwhile, and serve. Raises what `load` raises."""
    server = Server(service)
    failures: list[BaseException] = []

    def warm() -> None:
        try:
            load()
        except BaseException as error:  # noqa: BLE001  it is raised where the server is run
            failures.append(error)
            server.stop()

    # A daemon: who stops the server while it loads does not wait for the models.
    Thread(target=warm, name="surefoot-warm", daemon=True).start()
    server.run([listener])
    service.close()
    if failures:
        raise failures[0]


class Server(uvicorn.Server):
    """uvicorn's server, which drains before it exits."""

    def __init__(self, service: Service) -> None:
        config = uvicorn.Config(
            create_app(service),
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            # What goes wrong in a request is logged by the application, without a traceback.
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=LAST_S,
        )
        super().__init__(config)
        self._service = service
        self._stopping = False
        self._until: float | None = None

    def stop(self) -> None:
        """Drain, then exit. Safe in a signal handler and in any thread."""
        self._stopping = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Not kept as uvicorn does, which at the end kills the process by the signal."""
        del sig, frame
        if self._stopping:
            self.should_exit = self.force_exit = True
        self.stop()

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second."""
        if self._stopping:
            self._drain()
        elif counter % 10 == 0:
            self._service.follow()
        return await super().on_tick(counter)

    def _drain(self) -> None:
        life = self._service.life
        if self._until is None:
            life.drain()
            self._until = time.monotonic() + self._service.config.drain_s
        if not life.running:
            self.should_exit = True
        elif time.monotonic() >= self._until:
            life.end(ApiError(503, "draining", "the server has stopped", RETRY_S))
            self.should_exit = True
