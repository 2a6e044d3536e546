"""Starts Streamlit's server: `python -m ui.page.serve run SCRIPT ...`, as its own command does.

The chat's modules are imported while the server and the browser start. Without it the first reader
would wait for that.
"""

from __future__ import annotations

from importlib import import_module
from threading import Thread

from streamlit.web.cli import main


def serve() -> None:
    Thread(target=import_module, args=("ui.page.talk",), name="surefoot-warm", daemon=True).start()
    main(prog_name="streamlit")


if __name__ == "__main__":
    serve()
