"""`surefoot serve`: the HTTP API over a knowledge base."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ui.options import KbOption, ModelOption

if TYPE_CHECKING:
    from rag.config import Config


def serve(
    kb: KbOption,
    host: Annotated[
        str | None, typer.Option(help="Where to listen; this machine only if left out.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="8700 if left out; 0 is any free one.")
    ] = None,
    model: ModelOption = None,
) -> None:
    """Serve answers over HTTP: the OpenAI API, and Surefoot's own. Ctrl-C ends it.

    Who asks needs a key. All settings are in [serve] of surefoot.toml; /openapi.json says what
    there is to ask.

    Examples:

      surefoot keys add laptop --kb ~/kb

      surefoot serve --kb ~/kb --port 8700
    """
    from ui.api.open import open_service
    from ui.api.server import listen
    from ui.api.server import serve as run

    config = _config(host, port, model)
    service, load = open_service(kb, config)
    listener = listen(config.serve.host, config.serve.port)
    _greet(kb, listener.getsockname(), bool(service.keys.all()))
    run(service, listener, load)


def _config(host: str | None, port: int | None, model: str | None) -> Config:
    from rag.config import load

    config = load()
    serve = replace(
        config.serve,
        host=config.serve.host if host is None else host,
        port=config.serve.port if port is None else port,
    )
    return replace(config, serve=serve).with_model(model)


def _greet(kb: Path, address: tuple[str, int], has_keys: bool) -> None:
    from ui.console import ERR

    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    ERR.print(f"Serving {kb} at http://{host}:{address[1]}; Ctrl-C ends it.", markup=False)
    if not has_keys:
        ERR.print(f"No key yet; make one with: surefoot keys add NAME --kb {kb}", markup=False)
