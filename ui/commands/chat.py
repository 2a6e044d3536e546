"""`surefoot chat`: opens the Streamlit page on this machine, or for others who sign in."""

from __future__ import annotations

import ipaddress
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from ui.commands.users import MaybeKbOption, UsersOption
from ui.options import GroupOption, ModelOption


def chat(
    kb: MaybeKbOption = None,
    group: GroupOption = None,
    model: ModelOption = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where to listen.")] = 8501,
    host: Annotated[
        str, typer.Option(help="On which address; others than this machine's need a sign-in.")
    ] = "127.0.0.1",
    users: UsersOption = None,
    browser: Annotated[bool, typer.Option(help="Open a browser window.")] = True,
) -> None:
    """Chat with the documents in a page, served to this machine only.

    Without --kb it opens ~/surefoot-kb, or helps to make a knowledge base. With users (see
    `surefoot users`), or OpenID in .streamlit/secrets.toml, readers sign in, and each sees the
    documents of their groups.

    Examples:

      surefoot chat

      surefoot chat --kb ~/kb --port 8600 --no-browser

      surefoot chat --kb ~/kb --host 0.0.0.0 --users ~/users.toml
    """
    from ui.users import NAME

    base, found = _base(kb)
    file = users or base / NAME
    sign_in = _sign_in(file, users is not None)
    shared = not _is_loopback(host)
    _check(sign_in, shared, group, host)
    if sign_in == "users":
        _somebody(file)
    environment = {
        **os.environ,
        "SUREFOOT_CHAT_KB": str(base.resolve()) if found else "",
        "SUREFOOT_CHAT_GROUPS": ",".join(group or ()),
        "SUREFOOT_CHAT_MODEL": model or "",
        "SUREFOOT_CHAT_SIGN_IN": sign_in,
        "SUREFOOT_CHAT_USERS": str(file.resolve()) if users or found or sign_in else "",
        "SUREFOOT_CHAT_SHARED": "1" if shared else "",
    }
    page = Path(__file__).parents[1] / "chat.py"
    # -P: a folder of the same name as one of ours, where it is started, is none of ours.
    command = [sys.executable, "-P", "-m", "ui.page.serve", "run", str(page)]
    command += ["--server.port", str(port), "--server.address", host]
    command += ["--server.headless", "false" if browser else "true"]
    command += ["--server.showEmailPrompt", "false"]
    command += ["--browser.gatherUsageStats", "false", "--server.fileWatcherType", "none"]
    command += ["--client.toolbarMode", "minimal", "--client.showErrorDetails", "none"]
    command += ["--logger.hideWelcomeMessage", "true"]
    name = f"[{host}]" if ":" in host else host
    print(f"Surefoot is at http://{name}:{port}; Ctrl-C ends it.", flush=True)
    # The server takes this process's place, so that ending one never leaves the other behind.
    os.execve(sys.executable, command, environment)  # noqa: S606


def _base(kb: Path | None) -> tuple[Path, bool]:
    """The knowledge base's folder, and whether there is one in it. Raises for a bad one."""
    from ingest.errors import KnowledgeBaseMissing
    from ingest.manifest import read_manifest

    base = kb or Path.home() / "surefoot-kb"
    try:
        read_manifest(base)
    except KnowledgeBaseMissing:
        if kb is not None:
            raise
        return base, False
    return base, True


def _sign_in(users: Path, named: bool) -> str:
    """How readers sign in: "users", "oidc", or "" for not at all. A file that was named wins."""
    if not named and _has_openid():
        return "oidc"
    return "users" if named or users.exists() else ""


def _check(sign_in: str, shared: bool, group: list[str] | None, host: str) -> None:
    """Raises SurefootError for what would let in whoever comes, or nobody."""
    from rag.errors import SurefootError

    if shared and not sign_in:
        raise SurefootError(
            f"{host} can be reached by others, and nobody has to sign in: make a user first "
            "(surefoot users add NAME --kb DIR), or name an OpenID provider"
        )
    if sign_in and group:
        raise SurefootError("--group is for a page without sign-in; users have groups of their own")
    if sign_in == "oidc" and find_spec("authlib") is None:
        raise SurefootError("sign-in by OpenID needs one more part: pip install 'surefoot[oidc]'")
    if shared:
        sys.stderr.write(
            "surefoot: served to others as plain http; put a proxy that speaks https before it\n"
        )


def _somebody(users: Path) -> None:
    """Raises UsersError where nobody could sign in."""
    from ui.users import Users, UsersError

    if not Users(users).all():
        raise UsersError(f"{users} has no user; make one: surefoot users add NAME --users {users}")


def _has_openid() -> bool:
    """Whether Streamlit's secrets name a provider, where Streamlit looks for them."""
    import tomllib

    from rag.errors import SurefootError

    for folder in (Path.home(), Path.cwd()):
        path = folder / ".streamlit" / "secrets.toml"
        try:
            if tomllib.loads(path.read_text(encoding="utf-8")).get("auth"):
                return True
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SurefootError(f"{path} cannot be read: {error}") from error
    return False


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
