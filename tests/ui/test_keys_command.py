"""`surefoot keys`, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ingest.build import ingest
from ingest.testing import HashEmbedder
from ui import cli
from ui.api.keys import KeyStore
from ui.api.limits import Limits


@pytest.fixture
def kb(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "kept.md").write_text("# Kept\n\nFive days may be carried over.")
    ingest([tmp_path / "docs"], tmp_path / "kb", HashEmbedder())
    return tmp_path / "kb"


@pytest.fixture
def keys(kb: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Any:
    def run(*words: str, at: Path = kb) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["surefoot", "keys", *words, "--kb", str(at)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out, said.err

    return run


def test_a_secret_is_printed_once_and_works(keys: Any, kb: Path) -> None:
    code, out, err = keys("add", "laptop")
    assert code == 0
    found = KeyStore.beside(kb).find(out.strip())
    assert found is not None
    assert found.scopes == {"ask", "search", "read", "feedback"}
    assert "only time" in err
    for words in (("list",), ("list", "--json")):
        assert out.strip()[16:] not in "".join(map(str, keys(*words)))


def test_everything_of_a_key_can_be_said(keys: Any) -> None:
    may = ("--scope", "ask", "--scope", "write", "-g", "hr", "-g", "law")
    much = ("--rate", "7", "--tokens", "99", "--expires", "2099-12-31")
    made = json.loads(keys("add", "page", *may, *much, "--json")[1])
    assert made["secret"].startswith(f"sf_{made['id']}_")
    assert made["scopes"] == ["ask", "write"]
    assert made["groups"] == ["hr", "law"]
    assert (made["rate_per_minute"], made["tokens_per_day"]) == (7, 99)
    assert made["expires"] == "2099-12-31"
    row = keys("list")[1]
    assert all(word in row for word in ("page", "hr, law", "7/min", "of 99 tokens", "2099-12-31"))


def test_limits_that_are_not_given_are_the_configs(keys: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("SUREFOOT_SERVE_RATE_PER_MINUTE", "9")
    assert json.loads(keys("add", "a", "--json")[1])["rate_per_minute"] == 9


def test_rotate_and_revoke(keys: Any, kb: Path) -> None:
    store, first = KeyStore.beside(kb), keys("add", "laptop")[1].strip()
    second = keys("rotate", "laptop", "--grace", "5")[1].strip()
    assert store.find(first) is not None
    assert store.find(second) is not None
    third = json.loads(keys("rotate", "laptop", "--json")[1])["secret"]
    assert [store.find(each) is not None for each in (first, second, third)] == [0, 0, 1]
    assert json.loads(keys("revoke", "laptop", "--json")[1])["revoked"] is True
    assert store.find(third) is None
    assert "ended" in keys("list")[1]


def test_the_list_says_what_was_used_today(keys: Any, kb: Path) -> None:
    keys("add", "laptop")
    limits = Limits.beside(kb)
    limits.spend(KeyStore.beside(kb).all()[0], 1234)
    limits.close()
    assert "1,234 of" in keys("list")[1]
    assert json.loads(keys("list", "--json")[1])["keys"][0]["tokens_today"] == 1234


@pytest.mark.parametrize(
    "words",
    [
        ("add", "x", "--scope", "fly"),
        ("add", "x", "--rate", "0"),
        ("add", "x", "--expires", "soon"),
        ("add", " "),
        ("rotate", "nobody"),
        ("revoke", "nobody"),
    ],
)
def test_what_can_not_be_done_is_one_line(keys: Any, words: tuple[str, ...]) -> None:
    code, out, err = keys(*words)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1


def test_a_folder_that_is_no_knowledge_base_gets_no_keys(keys: Any, tmp_path: Path) -> None:
    code, _, err = keys("add", "laptop", at=tmp_path)
    assert code == 2
    assert "not found" in err
    assert not (tmp_path / "service").exists()


def test_without_keys_the_list_says_how_to_make_one(keys: Any) -> None:
    assert "surefoot keys add" in keys("list")[1]
    assert json.loads(keys("list", "--json")[1]) == {"keys": []}
