"""`surefoot chat`: opens the Streamlit page on this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from ui.options import GroupOption, KbOption, ModelOption


def chat(
    kb: KbOption,
    group: GroupOption = None,
    model: ModelOption = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where to listen.")] = 8501,
    browser: Annotated[bool, typer.Option(help="Open a browser window.")] = True,
) -> None:
    """Chat with the documents in a page, served to this machine only.

    Examples:

      surefoot chat --kb ~/kb

      surefoot chat --kb ~/kb --port 8600 --no-browser
    """
    from ingest.manifest import read_manifest

    read_manifest(kb)
    page = Path(__file__).parents[1] / "chat.py"
    environment = {
        **os.environ,
        "SUREFOOT_CHAT_KB": str(kb.resolve()),
        "SUREFOOT_CHAT_GROUPS": ",".join(group or ()),
        "SUREFOOT_CHAT_MODEL": model or "",
    }
    command = [sys.executable, "-m", "streamlit", "run", str(page)]
    command += ["--server.port", str(port), "--server.address", "127.0.0.1"]
    command += ["--server.headless", "false" if browser else "true"]
    command += ["--browser.gatherUsageStats", "false", "--server.fileWatcherType", "none"]
    command += ["--client.toolbarMode", "minimal", "--client.showErrorDetails", "none"]
    # The server takes this process's place, so that ending one never leaves the other behind.
    os.execve(sys.executable, command, environment)  # noqa: S606
