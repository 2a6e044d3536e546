"""Keys: what is kept of a secret, who is let in, and that changes count at once."""

from __future__ import annotations

import logging
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ui.api.keys import SCOPES, Key, KeyStore, KeyStoreError

DAY = 24 * 3600.0
NOW = 20_000 * DAY + 12 * 3600
TODAY = "2024-10-04"


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "service" / "keys.db"


@pytest.fixture
def store(path: Path, clock: Clock) -> KeyStore:
    return KeyStore(path, clock)


def make(store: KeyStore, name: str = "laptop", **changed: Any) -> tuple[Key, str]:
    values = {"scopes": ["ask"], "groups": ["hr"], "rate_per_minute": 5, "tokens_per_day": 100}
    return store.add(name, **{**values, **changed})


def test_a_key_is_found_by_its_secret_with_all_that_it_may(store: KeyStore) -> None:
    made, secret = make(store, scopes=["ask", "read"], expires="2030-01-01")
    found = store.find(secret)
    assert found == made
    assert found.scopes == {"ask", "read"}
    assert found.groups == {"hr"}
    assert (found.rate_per_minute, found.tokens_per_day, found.expires) == (5, 100, "2030-01-01")
    assert secret.startswith(f"sf_{made.id}_")


def test_the_file_is_private_and_holds_no_secret(store: KeyStore, path: Path) -> None:
    _, secret = make(store)
    rotated = store.rotate("laptop", grace_s=60)[1]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    held = b"".join(file.read_bytes() for file in path.parent.iterdir())
    for each in (secret, rotated):
        assert each.encode() not in held
        assert each[16:].encode() not in held


@pytest.mark.parametrize(
    "spoil",
    [
        lambda s: "",
        lambda s: s[:-1],
        lambda s: s + "A",
        lambda s: s[:-1] + ("A" if s[-1] != "A" else "B"),
        lambda s: s.replace("sf_", "sk_"),
        lambda s: f"sf_{'0' * 12}_{s[16:]}",
        lambda s: s.upper(),
        lambda s: f" {s}",
        lambda s: s + "\n",
        lambda s: "sf_' OR 1=1 --",
        lambda s: "\x00" * 60,
        lambda s: "é" * 60,
    ],
)
def test_what_is_no_secret_finds_nothing(store: KeyStore, spoil: Callable[[str], str]) -> None:
    _, secret = make(store)
    assert store.find(spoil(secret)) is None
    assert store.find(secret) is not None


def test_without_a_key_nobody_gets_in(store: KeyStore) -> None:
    assert store.find(f"sf_{'0' * 12}_{'A' * 43}") is None
    assert store.all() == ()


def test_a_running_server_sees_changes_of_another_process(path: Path, clock: Clock) -> None:
    server, command = KeyStore(path, clock), KeyStore(path, clock)
    _, secret = make(command)
    assert server.find(secret) is not None
    renewed = command.rotate("laptop")[1]
    assert (server.find(secret), server.find(renewed) is None) == (None, False)
    command.revoke("laptop")
    assert server.find(renewed) is None


def test_an_old_secret_works_for_its_time_of_grace(store: KeyStore, clock: Clock) -> None:
    made, first = make(store)
    _, second = store.rotate(made.id, grace_s=60)
    clock.now += 59
    assert store.find(first) is not None
    _, third = store.rotate(made.id, grace_s=600)
    clock.now += 2
    assert store.find(first) is None, "a second rotation does not prolong what ends"
    assert store.find(second) is not None
    clock.now += 600
    assert [store.find(each) is not None for each in (first, second, third)] == [0, 0, 1]


def test_rotating_without_grace_ends_all_older_secrets(store: KeyStore) -> None:
    made, first = make(store)
    second = store.rotate(made.id, grace_s=60)[1]
    third = store.rotate(made.id)[1]
    assert [store.find(each) is not None for each in (first, second, third)] == [0, 0, 1]


def test_a_key_works_through_its_last_day(store: KeyStore, clock: Clock) -> None:
    _, secret = make(store, expires=TODAY)
    assert store.find(secret) is not None
    clock.now += DAY / 2
    assert store.find(secret) is None


def test_revoked_is_for_good_and_its_name_is_free_again(store: KeyStore) -> None:
    made, secret = make(store)
    assert store.revoke("laptop").revoked
    assert store.find(secret) is None
    with pytest.raises(KeyStoreError):
        store.rotate(made.id)
    again, _ = make(store)
    assert [key.id for key in store.all()] == [made.id, again.id]


def test_use_is_kept_once_a_day(
    store: KeyStore, clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: Any
) -> None:
    _, secret = make(store)
    assert store.all()[0].used is None
    store.find(secret)
    assert store.all()[0].used == TODAY
    with monkeypatch.context() as patch:
        patch.setattr(store._file, "writing", _full_disk)
        store.find(secret)
    assert not caplog.text, "nothing was written"
    clock.now += DAY
    store.find(secret)
    assert store.all()[0].used == "2024-10-05"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": " "}, "name"),
        ({"name": "a\x1b[31m"}, "printable"),
        ({"name": "n" * 101}, "100"),
        ({"scopes": []}, "scope"),
        ({"scopes": ["ask", "fly"]}, ", ".join(SCOPES)),
        ({"groups": [""]}, "group"),
        ({"rate_per_minute": 0}, "rate"),
        ({"tokens_per_day": 0}, "tokens"),
        ({"expires": "tomorrow"}, "YYYY-MM-DD"),
        ({"expires": "20300101"}, "YYYY-MM-DD"),
        ({"expires": "2024-10-03"}, "expired"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(
    store: KeyStore, path: Path, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(KeyStoreError) as caught:
        make(store, **changed)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not path.exists()


def test_two_keys_of_one_name_are_refused(store: KeyStore) -> None:
    make(store)
    with pytest.raises(KeyStoreError, match="laptop already"):
        make(store)


def test_neither_errors_nor_logs_tell_a_secret(
    store: KeyStore, path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: Any
) -> None:
    _, secret = make(store)
    with caplog.at_level(logging.DEBUG):
        for change in (store.rotate, store.revoke):
            with pytest.raises(KeyStoreError) as caught:
                change(secret)
            assert secret[16:] not in str(caught.value)
        with monkeypatch.context() as patch:
            patch.setattr(store._file, "writing", _full_disk)
            assert store.find(secret) is not None
    assert "is not kept" in caplog.text
    assert secret[16:] not in caplog.text


def test_a_file_of_another_kind_is_one_clear_line(store: KeyStore, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(KeyStoreError, match=r"keys\.db"):
        store.find(f"sf_{'0' * 12}_{'A' * 43}")


def _full_disk() -> None:
    raise KeyStoreError("keys.db: disk full")
