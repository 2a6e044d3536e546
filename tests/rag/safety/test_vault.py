"""The vault: sealed, bound to its place, one number a value whoever writes, and forgotten."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ingest.quotes import Trail
from rag.safety.pseudonyms import MemorySessions
from rag.safety.vault import Held, Vault, beside, drop, held
from rag.safety.vault_key import KEY_VARIABLE, VaultError, new_key, parse_key
from rag.safety.vault_opening import LateSessions, open_sessions, open_vault, place_of

KEY, OTHER = new_key(), new_key()
PHONE = "+44 131 496 0131"


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(beside(tmp_path), parse_key(KEY))


def filled(vault: Vault) -> Vault:
    one, two = vault.of("c-1"), vault.of("c-2")
    assert one.name("PERSON", "Annabel Lindenberg") == "<PERSON_1>"
    assert one.name("PERSON", "Karl Obermaier") == "<PERSON_2>"
    assert two.name("PERSON", "Karl Obermaier") == "<PERSON_1>"
    assert two.name("PHONE_NUMBER", PHONE) == "<PHONE_NUMBER_1>"
    return vault


def again(vault: Vault, key: str = KEY) -> Vault:
    """As the next process opens it."""
    return Vault(vault.path, parse_key(key))


def test_a_conversation_goes_on_in_another_process(vault: Vault) -> None:
    session = again(filled(vault)).of("c-1")
    assert session.name("PERSON", "lindenberg, annabel") == "<PERSON_1>"
    assert session.name("PERSON", "Jo Day") == "<PERSON_3>"
    assert session.value("<PERSON_2>") == "Karl Obermaier"
    assert session.value("<PHONE_NUMBER_1>") is None
    assert session.value("<PERSON_9>") is None


def test_nothing_can_be_read_in_the_file(vault: Vault) -> None:
    filled(vault)
    data = b"".join(path.read_bytes() for path in vault.path.parent.glob("vault.db*")).lower()
    # Long words: four letters in any case stand in its random bytes once in some 600,000 files.
    for word in (
        b"annabel",
        b"lindenberg",
        b"obermaier",
        PHONE.encode(),
        b"441314960131",
        KEY.encode().lower(),
    ):
        assert word not in data
    assert "Lindenberg".encode("utf-16-le").lower() not in data


def test_only_its_owner_may_open_the_file(vault: Vault) -> None:
    filled(vault)
    for path in vault.path.parent.glob("vault.db*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_another_key_is_said_in_one_line(vault: Vault) -> None:
    filled(vault)
    with pytest.raises(VaultError, match="not the key that it was sealed with") as caught:
        again(vault, OTHER)
    assert "\n" not in str(caught.value)
    assert OTHER not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE names SET sealed = (SELECT sealed FROM names WHERE number = 2)"
        " WHERE session = 'c-1' AND number = 1",
        "UPDATE names SET session = 'c-9' WHERE session = 'c-1' AND number = 1",
        "UPDATE names SET number = 9 WHERE session = 'c-1' AND number = 1",
        "UPDATE names SET label = 'LOCATION' WHERE session = 'c-1' AND number = 1",
        "UPDATE names SET sealed = x'00' WHERE session = 'c-1' AND number = 1",
    ],
)
def test_a_row_that_was_moved_or_changed_does_not_open(vault: Vault, change: str) -> None:
    filled(vault)
    with sqlite3.connect(vault.path) as db:
        db.execute(change)
    db.close()
    with pytest.raises(VaultError, match="not as it was sealed"):
        again(vault).reveal()


def test_rotation(vault: Vault) -> None:
    before = [(row.session, row.mark, row.value) for row in filled(vault).reveal()]
    assert vault.rotate(parse_key(OTHER)) == 4
    assert vault.of("c-1").name("PERSON", "ANNABEL LINDENBERG") == "<PERSON_1>"
    after = again(vault, OTHER).reveal()
    assert [(row.session, row.mark, row.value) for row in after] == before
    with pytest.raises(VaultError):
        again(vault)


def test_a_writer_with_the_old_key_is_stopped(vault: Vault) -> None:
    filled(vault)
    late = again(vault).of("c-1")
    vault.rotate(parse_key(OTHER))
    with pytest.raises(VaultError):
        late.name("PERSON", "Jo Day")


def test_threads_give_one_number_a_value(vault: Vault) -> None:
    def name(i: int) -> str:
        return again(vault).of("c-1").name("PERSON", f"Number {i % 5}")

    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(name, range(40)))
    assert names == names[:5] * 8
    assert len(set(names)) == 5


def test_processes_give_one_number_a_value(vault: Vault) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from rag.safety.vault import Vault\n"
        "from rag.safety.vault_key import parse_key\n"
        "session = Vault(Path(sys.argv[1]), parse_key(sys.argv[2])).of('c-1')\n"
        "print(*(session.name('PERSON', f'Number {i}') for i in range(20)))"
    )
    command = [sys.executable, "-c", code, str(vault.path), KEY]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    one, two = (process.communicate()[0].split() for process in both)
    assert one == two
    assert len(set(one)) == 20


def test_counts_need_no_key(vault: Vault) -> None:
    assert held(vault.path) == []
    filled(vault)
    assert held(vault.path) == [
        Held("c-1", "PERSON", 2),
        Held("c-2", "PERSON", 1),
        Held("c-2", "PHONE_NUMBER", 1),
    ]


def test_dropping_a_conversation(vault: Vault) -> None:
    filled(vault)
    assert drop(vault.path, ("c-1", "c-7")) == 2
    assert vault.of("c-1").value("<PERSON_1>") is None
    assert vault.of("c-2").value("<PERSON_1>") == "Karl Obermaier"
    assert drop(vault.path.with_name("none.db"), ("c-1",)) == 0


def test_numbers_of_a_conversation_that_goes_on_are_given_to_nobody_else(vault: Vault) -> None:
    filled(vault)
    assert drop(vault.path, ("c-1",), ended=False) == 2
    assert vault.of("c-1").name("PERSON", "Jo Day") == "<PERSON_3>"


TEXT = "Ask Lindenberg about it. Karl Obermaier (tel. +44 131 496 0131) is away."


def test_forgetting_a_document_forgets_its_values(vault: Vault) -> None:
    filled(vault)
    trail = Trail(["d1"], [TEXT])
    assert vault.clear(trail, dry_run=True) == 3
    assert len(vault.reveal()) == 4
    assert vault.clear(trail, dry_run=False) == 3
    assert [row.value for row in again(vault).reveal()] == ["Annabel Lindenberg"]
    # Whoever had the number keeps it, though nobody knows any more who that was.
    assert vault.of("c-1").name("PERSON", "Jo Day") == "<PERSON_3>"
    assert vault.clear(trail, dry_run=False) == 0


def test_numbers_in_the_history_are_held(vault: Vault) -> None:
    session = vault.of("c-1")
    session.hold(["<PERSON_4> was there."])
    assert again(vault).of("c-1").name("PERSON", "Annabel Lindenberg") == "<PERSON_5>"


def test_without_a_key_names_live_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    sessions = open_sessions(tmp_path)
    assert isinstance(sessions, MemorySessions)
    sessions.of("c-1").name("PERSON", "Annabel Lindenberg")
    assert list(tmp_path.iterdir()) == []
    assert place_of(tmp_path) == ()


@pytest.mark.parametrize(
    "opened", [open_sessions, open_vault, place_of, lambda kb: LateSessions(kb).of("c-1")]
)
def test_a_vault_without_its_key_is_not_passed_over(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, opened: Callable[[Path], object]
) -> None:
    filled(vault)
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    with pytest.raises(VaultError, match=KEY_VARIABLE):
        opened(vault.path.parent)


def test_with_a_key_names_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    LateSessions(tmp_path).of("c-1").name("PERSON", "Annabel Lindenberg")
    assert LateSessions(tmp_path).of("c-1").value("<PERSON_1>") == "Annabel Lindenberg"
    assert [place.name for place in place_of(tmp_path)] == ["names in the vault"]
