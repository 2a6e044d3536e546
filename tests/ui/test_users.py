"""Users in their file, their passwords, and how attempts are slowed."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ui.passwords as passwords
from ui.attempts import FREE, LONGEST_S, MOST, Attempts
from ui.users import User, Users, UsersError

GOOD = "correct horse"


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_LN", 4)
    monkeypatch.setattr(passwords, "_NOBODY", passwords._parse(passwords.hashed("nobody at all")))


def test_a_password_matches_itself_alone() -> None:
    line = passwords.hashed(GOOD)
    assert passwords.matches(GOOD, line)
    assert not passwords.matches(GOOD + " ", line)
    assert not passwords.matches("", line)
    assert line != passwords.hashed(GOOD), "each has a salt of its own"
    assert passwords.matches("ﬁne café", passwords.hashed("fine cafe\u0301")), "as one types it"


def test_nobody_has_no_password() -> None:
    assert not passwords.matches("nobody at all", None)


@pytest.mark.parametrize(
    "text",
    ["", "scrypt$15$8$3$AA==$AA==", "md5$1$1$1$" + "A" * 24 + "$" + "A" * 44, "a$b$c$d$e$f",
     "scrypt$63$8$3$" + "A" * 22 + "==$" + "A" * 43 + "=", "scrypt$15$99$99$x$y"],
)  # fmt: skip
def test_what_is_no_hash_is_said(text: str) -> None:
    with pytest.raises(ValueError):
        passwords.matches("x", text)


def test_a_user_comes_back_as_written(tmp_path: Path) -> None:
    users = Users(tmp_path / "kb" / "users.toml")
    assert users.all() == ()
    ada = users.add(" Ada ", ["hr", "board"], True, GOOD)
    users.add('o"neil\\ü', [], False, GOOD)
    assert ada == User("Ada", frozenset({"hr", "board"}), True, ada.password)
    assert [user.name for user in users.all()] == ["Ada", 'o"neil\\ü']
    assert users.find("Ada") == ada
    assert stat.S_IMODE(users.path.stat().st_mode) == 0o600
    assert GOOD not in users.path.read_text()
    assert [path.name for path in users.path.parent.iterdir()] == ["users.toml"]


printable = st.text(min_size=1, max_size=30).filter(lambda t: t.isprintable() and t.strip())


@settings(max_examples=60, deadline=None)
@given(printable, st.frozensets(printable, max_size=3))
def test_every_name_survives(tmp_path_factory: object, name: str, groups: frozenset[str]) -> None:
    users = Users(tmp_path_factory.mktemp("u") / "users.toml")  # type: ignore[attr-defined]
    user = users.add(name, groups, False, GOOD)
    assert users.find(name) == user
    assert user.groups == groups


def test_changes_and_refusals(tmp_path: Path) -> None:
    users = Users(tmp_path / "users.toml")
    before = users.add("ada", [], False, GOOD)
    refused = [
        (lambda: users.add("ada", [], False, GOOD), "already"),
        (lambda: users.add("bob", [], False, "short"), "8 characters"),
        (lambda: users.add(" ", [], False, GOOD), "name"),
        (lambda: users.add("bob", [""], False, GOOD), "group"),
        (lambda: users.add("a\nb", [], False, GOOD), "printable"),
        (lambda: users.remove("bob"), "no user named bob"),
        (lambda: users.set_password("bob", GOOD), "no user named bob"),
    ]
    for act, words in refused:
        with pytest.raises(UsersError, match=words):
            act()
    after = users.set_password("ada", "another horse")
    assert after.password != before.password
    assert users.remove("ada") == after
    assert users.all() == ()
    assert users.exists(), "an empty file still asks for a sign-in"


@pytest.mark.parametrize(
    "text",
    ["nonsense [", "[other]\n", "[users.ada]\nkeeper = true\n", "users = 3\n",
     '[users.ada]\ngroups = "hr"\nkeeper = true\npassword = "scrypt"\n'],
)  # fmt: skip
def test_a_damaged_file_lets_nobody_in(tmp_path: Path, text: str) -> None:
    users = Users(tmp_path / "users.toml")
    users.path.write_text(text)
    with pytest.raises(UsersError, match=r"users\.toml"):
        users.all()


def test_many_writers_lose_nobody(tmp_path: Path) -> None:
    def add(number: int) -> None:
        Users(tmp_path / "users.toml").add(f"user {number}", [], False, GOOD)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Users(tmp_path / "users.toml").all()) == 12


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_failures_are_slowed_and_forgotten() -> None:
    clock = Clock()
    attempts = Attempts(clock)
    assert [attempts.begin("ada") for _ in range(FREE)] == [0.0] * FREE
    assert attempts.begin("ada") == 1.0
    waits = []
    for _ in range(9):
        clock.now += (wait := attempts.begin("ada"))
        waits.append(round(wait))
        assert attempts.begin("ada") == 0.0
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert attempts.begin("ada") <= LONGEST_S
    assert attempts.begin("bob") == 0.0, "another name waits for nobody"
    clock.now += 3600
    assert [attempts.begin("ada") for _ in range(FREE)] == [0.0] * FREE


def test_an_address_is_slowed_whatever_the_name() -> None:
    attempts = Attempts(Clock())
    waits = [attempts.begin(f"name {number}", "address 10.0.0.9") for number in range(FREE + 1)]
    assert waits == [0.0] * FREE + [1.0]
    attempts.succeeded("name 0", "address 10.0.0.9")
    assert attempts.begin("name 1", "address 10.0.0.9") == 0.0


def test_memory_is_bounded() -> None:
    attempts = Attempts(Clock())
    for number in range(MOST + 50):
        attempts.begin(f"name {number}")
    assert len(attempts._past) == MOST
