"""`surefoot guard` under a policy: it explains the rules, and says what is wrong in one line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rag.errors import PolicyError, SurefootError
from rag.safety.labels import LABELS, STAGES
from ui.cli import app, main


def explained(*arguments: str) -> str:
    return (
        CliRunner().invoke(app, ["guard", "--explain", *arguments], catch_exceptions=False).stdout
    )


@pytest.mark.parametrize(
    ("policy", "line"),
    [
        ("balanced", ["contact", "keep from 0.5", "mask from 0.5", "mask from 0.5"]),
        ("balanced", ["moderation", "block", "mask", "block"]),
        ("strict", ["PERSON", "pseudonym", "pseudonym", "pseudonym"]),
        ("strict", ["the model is given", "pseudonyms"]),
        ("research", ["SELF_HARM", "keep", "keep", "block"]),
        ("research", ["links", "keep", "keep", "mask"]),
    ],
)
def test_the_rules_are_a_table(policy: str, line: list[str]) -> None:
    lines = explained("--policy", policy).splitlines()
    assert lines[0] == f"policy {policy} (shipped)"
    assert any(" ".join(line).split() == found.split() for found in lines)


def test_the_rules_are_an_object(tmp_path: Path) -> None:
    file = tmp_path / "ours.toml"
    file.write_text('[answer]\nPERSON = "hash"\n[deny]\nwords = ["falcon"]\n')
    found = json.loads(explained("--policy", str(file), "--json"))
    assert len(found["sha256"]) == 64
    assert len(found["rules"]) == len(LABELS) * len(STAGES)
    person = {"stage": "answer", "label": "PERSON", "group": "names"}
    assert {**person, "action": "hash", "threshold": 0.0} in found["rules"]
    assert found["deny"]["words"] == ["falcon"]
    assert set(found) == {"policy", "sha256", "rules", "allow", "deny", "links", "pseudonyms"}


def test_what_is_shown_comes_on_top(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUREFOOT_GUARD_POLICY", "strict")
    monkeypatch.setenv("SUREFOOT_GUARD_SHOW", "PHONE_NUMBER")
    rules = json.loads(explained("--json"))["rules"]
    actions = {rule["action"] for rule in rules if rule["label"] == "PHONE_NUMBER"}
    assert actions == {"keep"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such file, and no shipped policy"),
        ('[answer]\ncontac = "mask"', "[answer] contac: unknown; did you mean contact?"),
        ("\xff", "is not TOML"),
    ],
)
def test_a_bad_policy_is_one_line_and_exit_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: str | None,
    said: str,
) -> None:
    file = tmp_path / "ours.toml"
    if content is not None:
        file.write_bytes(content.encode("latin-1"))
    monkeypatch.setattr(sys, "argv", ["surefoot", "guard", "--policy", str(file)])
    with pytest.raises(SystemExit) as end:
        main()
    err = capsys.readouterr().err
    assert end.value.code == 2
    assert said in err
    assert err.startswith(f"surefoot: policy {file}: ")
    assert err.count("\n") == 1


def test_the_policy_of_the_environment_is_checked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUREFOOT_GUARD_POLICY", "strikt")
    with pytest.raises(PolicyError, match="did you mean strict"):
        explained()
    assert issubclass(PolicyError, SurefootError)


@pytest.mark.models
def test_filtering_under_a_policy(
    embedder_path: Path, ner_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "ours.toml"
    file.write_text(
        '[answer]\ncontact = "hash"\n[allow]\nvalues = ["0131 496 0100"]\n'
        '[deny]\nwords = ["falcon"]\n'
    )
    text = "Call +44 131 496 0100, not +44 131 496 0131, about Falcon."
    done = CliRunner().invoke(
        app, ["guard", "--policy", str(file), "--json"], input=text, catch_exceptions=False
    )
    found = json.loads(done.stdout)
    assert found["verdict"] == "REDACT"
    assert found["text"].startswith("Call +44 131 496 0100, not <PHONE_NUMBER:")
    assert found["text"].endswith(", about <DENIED>.")
    actions = {(f["label"], f["action"]) for f in found["findings"]}
    assert {("PHONE_NUMBER", "hash"), ("DENIED", "redact")} <= actions
