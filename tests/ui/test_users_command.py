"""`surefoot users`, and whom `surefoot chat` refuses to serve."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

GOOD = "correct horse"


def surefoot(
    *words: str, typed: str = "", home: Path | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    place = {"HOME": str(home)} if home else {}
    return subprocess.run(
        [sys.executable, "-m", "ui.cli", *words],
        input=typed,
        env={**os.environ, **place, **env},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_from_the_first_to_the_last(tmp_path: Path) -> None:
    file = tmp_path / "users.toml"
    end = ("--users", str(file))
    made = surefoot("users", "add", "ada", "-g", "hr", "--keeper", *end, typed=f"{GOOD}\n")
    assert (made.returncode, made.stdout) == (0, f"ada may sign in ({file})\n")
    listed = surefoot("users", "list", "--json", SUREFOOT_USERS=str(file))
    assert json.loads(listed.stdout) == {
        "users": [{"name": "ada", "groups": ["hr"], "keeper": True}]
    }
    changed = surefoot("users", "password", "ada", *end, typed="another horse")
    assert changed.stdout == "ada has a new password\n"
    assert "keeper  hr" in surefoot("users", "list", *end).stdout
    assert surefoot("users", "remove", "ada", *end).stdout == "ada may sign in no more\n"
    assert "No users yet" in surefoot("users", "list", *end).stdout


@pytest.mark.parametrize(
    ("words", "typed", "said"),
    [
        (["users", "add", "ada", "--users", "u.toml"], "short", "at least 8 characters"),
        (["users", "add", "ada"], GOOD, "--kb"),
        (["users", "add", "ada", "--kb", "gone"], GOOD, "not found"),
        (["users", "remove", "ada", "--users", "u.toml"], "", "no user named ada"),
        (["chat", "--host", "0.0.0.0"], "", "nobody has to sign in"),
        (["chat", "--host", "example.org"], "", "nobody has to sign in"),
        (["chat", "--users", "u.toml"], "", "has no user"),
        (["chat", "--kb", "gone"], "", "not found"),
    ],
)
def test_refusals_are_one_line(tmp_path: Path, words: list[str], typed: str, said: str) -> None:
    done = surefoot(*words, typed=typed, home=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_groups_are_the_users_own(tmp_path: Path) -> None:
    file = tmp_path / "u.toml"
    surefoot("users", "add", "ada", "--users", str(file), typed=GOOD)
    done = surefoot("chat", "--users", str(file), "--group", "hr", home=tmp_path)
    assert (done.returncode, "groups of their own" in done.stderr) == (2, True)


def test_a_damaged_secrets_file_is_named(tmp_path: Path) -> None:
    secrets = tmp_path / ".streamlit" / "secrets.toml"
    secrets.parent.mkdir()
    secrets.write_text("[auth")
    done = surefoot("chat", home=tmp_path)
    assert (done.returncode, "secrets.toml cannot be read" in done.stderr) == (2, True)
