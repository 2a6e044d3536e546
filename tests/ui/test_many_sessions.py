"""Twenty readers at once: each gets the answer that is theirs, and nothing of the others'.

Twenty browsers are heavy. Here a session is its websocket, spoken by hand.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from ingest.build import ingest
from ingest.testing import HashEmbedder
from ui.users import Users

SCRIPT = Path(__file__).with_name("shared_fake_page.py")
READERS = 20
STEP_S, LIMIT_S = 0.1, 400.0
PASSWORD = "correct horse"
INPUTS = ("text_input", "button", "chat_input")


class BareSession:
    """One reader, who signs in, asks, and follows fragments that draw themselves again.

    `heard` is every byte that came; texts are in it as they are, in UTF-8.
    """

    def __init__(self, url: str) -> None:
        self.heard = b""
        self._url = url.replace("http://", "ws://") + "/_stcore/stream"
        self._inputs: dict[str, str] = {}
        self._again: dict[str, tuple[float, float]] = {}

    def ask(self, name: str, question: str, until: bytes) -> None:
        """Sign in and ask; listen until those bytes come, and a second more."""
        with connect(self._url, subprotocols=[Subprotocol("streamlit")], max_size=None) as socket:
            end = time.monotonic() + LIMIT_S
            rerun(socket)
            self._listen(socket, end, lambda: "Sign in" in self._inputs)
            typed = [self._state("Name"), self._state("Password"), self._state("Sign in")]
            typed[0].string_value, typed[1].string_value = name, PASSWORD
            typed[2].trigger_value = True
            rerun(socket, *typed)
            self._listen(socket, end, lambda: "Ask a question" in self._inputs)
            asked = self._state("Ask a question")
            asked.chat_input_value.data = question
            rerun(socket, asked)
            self._listen(socket, end, lambda: until in self.heard)
            begun = time.monotonic()
            self._listen(socket, end, lambda: time.monotonic() - begun > 1.0)

    def _state(self, label: str) -> WidgetState:
        return WidgetState(id=self._inputs[label])

    def _listen(self, socket: ClientConnection, end: float, done: Callable[[], bool]) -> None:
        while not done():
            assert time.monotonic() < end, f"no end after {len(self.heard)} bytes"
            with suppress(TimeoutError):
                self._take(socket.recv(timeout=STEP_S))
            self._draw_again(socket)

    def _take(self, data: Any) -> None:
        self.heard += data
        assert b"That did not work" not in data
        message = ForwardMsg.FromString(data)
        kind = message.WhichOneof("type")
        if kind == "auto_rerun":
            every = message.auto_rerun.interval
            self._again[message.auto_rerun.fragment_id] = (every, time.monotonic() + every)
        elif kind == "stop_auto_rerun":
            self._again.pop(message.stop_auto_rerun.fragment_id, None)
        elif kind == "delta":
            element = message.delta.new_element
            if (drawn := element.WhichOneof("type")) in INPUTS:
                control = getattr(element, drawn)
                self._inputs[getattr(control, "label", "") or control.placeholder] = control.id

    def _draw_again(self, socket: ClientConnection) -> None:
        now = time.monotonic()
        for fragment, (every, at) in list(self._again.items()):
            if now >= at:
                self._again[fragment] = (every, now + every)
                message = BackMsg()
                message.rerun_script.fragment_id = fragment
                message.rerun_script.is_auto_rerun = True
                socket.send(message.SerializeToString())


def rerun(socket: ClientConnection, *states: WidgetState) -> None:
    message = BackMsg()
    message.rerun_script.query_string = ""
    message.rerun_script.widget_states.widgets.extend(states)
    socket.send(message.SerializeToString())


def fill(folder: Path) -> None:
    """For each reader a user, a group, and a document that only this group may see."""
    users = Users(folder / "users.toml")
    for number in range(READERS):
        path = folder / f"badge-{number:02}.md"
        path.write_text(f"# The badge\n\nThe word of the badge is otter-{number:02}.\n")
        ingest([path], folder / "kb", HashEmbedder(), groups=frozenset({f"team-{number:02}"}))
        users.add(f"reader-{number:02}", [f"team-{number:02}"], False, PASSWORD)


def test_twenty_readers_do_not_mix(tmp_path: Path, serve_script: Any) -> None:
    fill(tmp_path)

    def ask_alone(number: int) -> bytes:
        session = BareSession(url)
        question = f"What is the word of the badge, said {number:02}?"
        session.ask(f"reader-{number:02}", question, until=b"badge is otter-")
        return session.heard

    env = {"SUREFOOT_CHAT_KB": str(tmp_path / "kb"), "SUREFOOT_CHAT_SIGN_IN": "users"}
    env["SUREFOOT_CHAT_USERS"] = str(tmp_path / "users.toml")
    with (
        serve_script(SCRIPT, tmp_path / "log", **env) as url,
        ThreadPoolExecutor(READERS) as pool,
    ):
        heard = list(pool.map(ask_alone, range(READERS)))
    for number, told in enumerate(heard):
        for words in ("otter-{:02}", "said {:02}?", "reader-{:02}", "team-{:02}"):
            named = [n for n in range(READERS) if words.format(n).encode() in told]
            assert named == [number], words
