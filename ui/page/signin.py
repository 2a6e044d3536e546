"""Signing in and out: with a password, by an OpenID provider, or not at all on loopback."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import streamlit as st

from rag.config import load as load_config
from ui.attempts import Attempts
from ui.page.context import Reader
from ui.page.identity import reader_of
from ui.page.marks import escape
from ui.page.settings import Settings
from ui.passwords import matches
from ui.users import User, Users, UsersError, plain

LOG = logging.getLogger("surefoot.chat")
LONGEST_NAME = 100
WRONG = "That name and password do not go together."
ENDED = "You were signed out: your account was changed or removed."
OPEN = "No sign-in: this page is served to this machine only."
_HELD, _SAID = "signin-held", "signin-said"
_NAME, _PASSWORD = "signin-name", "signin-password"


@dataclass(frozen=True, slots=True)
class _Held:
    """Who signed in, with the password's line of then: another one ends the session."""

    name: str
    line: str


@st.cache_resource(show_spinner=False)
def attempts() -> Attempts:
    """One a process: a new session is no new chance."""
    return Attempts()


def current(settings: Settings, kb: Path | None) -> Reader | None:
    """Who reads; None while somebody has yet to sign in. Raises UsersError."""
    if settings.sign_in == "oidc":
        return _by_provider()
    users = users_of(settings, kb)
    if users is not None:
        return _by_password(users)
    return Reader("", settings.groups, keeper=True)


def users_of(settings: Settings, kb: Path | None) -> Users | None:
    """The users who may sign in; None if nobody has to."""
    path = settings.users
    users = Users(path) if path else Users.beside(kb) if kb else None
    # A page that others reach is never served without a sign-in, whatever became of its file.
    needed = settings.sign_in == "users" or settings.shared
    return users if users is not None and (needed or users.exists()) else None


def page(settings: Settings, kb: Path | None) -> None:
    """What somebody sees who has not signed in."""
    with st.container(key="signin"):
        if settings.sign_in == "oidc":
            _provider_page()
        elif (users := users_of(settings, kb)) is not None:
            _password_page(users)


def foot(reader: Reader) -> None:
    """The end of the side: who is signed in, and the way out."""
    with st.sidebar.container(key="side-foot"):
        if not reader.name:
            st.html(f'<p class="sf-quiet">{OPEN}</p>')
            return
        what = "Keeper" if reader.keeper else ", ".join(sorted(reader.groups)) or "Open documents"
        st.html(f'<p class="sf-who"><b>{escape(reader.name)}</b><span>{escape(what)}</span></p>')
        st.button("Sign out", type="tertiary", on_click=_sign_out)


def _by_password(users: Users) -> Reader | None:
    held: _Held | None = st.session_state.get(_HELD)
    if held is None:
        return None
    user = users.find(held.name)
    if user is None or user.password != held.line:
        _forget(ENDED)
        return None
    return Reader(user.name, user.groups, user.keeper)


def _by_provider() -> Reader | None:
    claims: Mapping[str, Any] = st.user.to_dict()
    return reader_of(claims, load_config().sign_in) if claims.get("is_logged_in") else None


def _password_page(users: Users) -> None:
    st.html(
        '<div class="sf-welcome"><h1>Sign in</h1><p>Answers come from the documents that you '
        "may see.</p></div>"
    )
    with st.form("signin-form", border=False):
        st.text_input("Name", key=_NAME, max_chars=100, autocomplete="username")
        st.text_input(
            "Password",
            key=_PASSWORD,
            type="password",
            max_chars=1024,
            autocomplete="current-password",
        )
        st.form_submit_button(
            "Sign in", type="primary", width="stretch", on_click=_try, args=(users,)
        )
    if said := st.session_state.get(_SAID):
        st.html(f'<p class="sf-refused" role="alert">{escape(said)}</p>')


def _provider_page() -> None:
    refused = bool(st.user.to_dict().get("is_logged_in"))
    st.html(
        '<div class="sf-welcome"><h1>Sign in</h1><p>'
        + (
            "Your account may not use this page. Ask whoever keeps it to let you in."
            if refused
            else "This page knows you by your organisation’s account."
        )
        + "</p></div>"
    )
    if refused:
        st.button("Use another account", on_click=st.logout)
        return
    auth = st.secrets["auth"]
    if "client_id" in auth:
        st.button("Sign in", type="primary", width="stretch", on_click=st.login)
    for name in auth:
        if isinstance(auth[name], Mapping) and "client_id" in auth[name]:
            st.button(
                f"Sign in with {name}",
                type="primary",
                width="stretch",
                on_click=st.login,
                args=(name,),
            )


def _try(users: Users) -> None:
    """Judge what was typed."""
    name = plain(str(st.session_state.get(_NAME) or ""))[:LONGEST_NAME]
    password = str(st.session_state.get(_PASSWORD) or "")
    st.session_state[_PASSWORD] = ""
    address = st.context.ip_address
    keys = (f"name {name.casefold()}", *([f"address {address}"] if address else []))
    if wait := attempts().begin(*keys):
        st.session_state[_SAID] = f"Too many attempts. Try again in {ceil(wait)} s."
        return
    try:
        user = _checked(users, name, password)
    except UsersError:
        LOG.exception("nobody can sign in")
        st.session_state[_SAID] = "Nobody can sign in now; the log of the server says why."
        return
    if user is None:
        LOG.warning("a sign-in failed%s", f" from {address}" if address else "")
        st.session_state[_SAID] = WRONG
        return
    attempts().succeeded(*keys)
    st.session_state.clear()
    st.session_state[_HELD] = _Held(user.name, user.password)


def _checked(users: Users, name: str, password: str) -> User | None:
    """The user of this name and password. A wrong name takes as long as a wrong password."""
    user = users.find(name)
    return user if matches(password, user.password if user else None) else None


def _sign_out() -> None:
    if _HELD in st.session_state:
        _forget("")
    else:
        st.logout()


def _forget(said: str) -> None:
    """Nothing that this reader saw or asked stays for the next one."""
    st.session_state.clear()
    if said:
        st.session_state[_SAID] = said
