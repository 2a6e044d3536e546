"""Who may see a document: folders and files may only narrow what the command allows."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.groups import FolderGroups, GroupsUnclear, from_toml, named, narrow
from ingest.readers.border import guarded
from ingest.readers.plain import PLAIN_READERS
from ingest.store import KnowledgeBase
from ingest.types import IngestReport, ParsedDocument, Withheld

COLUMNS = ("added", "updated", "unchanged", "removed", "duplicates")
HR = 'groups = ["hr"]\n'


def counts(report: IngestReport) -> dict[str, int]:
    found = {name: getattr(report, name) for name in COLUMNS if getattr(report, name)}
    return found | ({"failed": len(report.failed)} if report.failed else {})


def seen(kb: Path) -> dict[str, str]:
    """Groups by document, both without folders."""
    base = KnowledgeBase.open(kb)
    return {
        record.document.rpartition("/docs/")[2]: ",".join(sorted(record.groups))
        for record in base.documents()
    }


# The rule

NAMES = st.sets(st.sampled_from("abcd"), min_size=1).map(frozenset)


@given(st.lists(st.none() | st.just(frozenset[str]()) | NAMES, max_size=4))
def test_no_claim_is_ever_widened(claims: list[frozenset[str] | None]) -> None:
    made = [claim for claim in claims if claim]
    try:
        shared = narrow(*claims)
    except GroupsUnclear:
        assert not frozenset.intersection(*made)
        return
    assert all(shared <= claim for claim in made)
    assert bool(shared) == bool(made)


@pytest.mark.parametrize(
    "value", [[], "", " ", None, 3, True, {"a": 1}, ["a", 3], ["a", ""], "a, b", [["a"]]]
)
def test_what_names_no_groups_is_refused(value: object) -> None:
    with pytest.raises(GroupsUnclear):
        named(value)


@pytest.mark.parametrize(
    "data",
    [b"", b"groups = []", b"group = ['hr']", b"groups = ['hr']\nother = 1", b"\xff\xfe", b"[",
     b"groups = ['hr']\n#" + b"x" * 70_000],
)  # fmt: skip
def test_folder_files_that_cannot_be_relied_on(data: bytes) -> None:
    with pytest.raises(GroupsUnclear):
        from_toml(data)


# Folders


def test_folders_narrow(run: Any, tree: Any, kb: Path) -> None:
    tree({
        "open.txt": "open words",
        "hr/.surefoot.toml": 'groups = ["hr", "lead"]',
        "hr/a.txt": "hr words",
        "hr/deep/b.txt": "deep words",
        "hr/lead/.surefoot.toml": 'groups = ["lead", "all"]',
        "hr/lead/c.txt": "lead words",
    })  # fmt: skip
    assert counts(run()) == {"added": 4}
    assert seen(kb) == {
        "open.txt": "",
        "hr/a.txt": "hr,lead",
        "hr/deep/b.txt": "hr,lead",
        "hr/lead/c.txt": "lead",
    }
    assert counts(run()) == {"unchanged": 4}


def test_a_folder_above_what_is_ingested_counts(run: Any, tree: Any, kb: Path) -> None:
    root = tree({".surefoot.toml": HR, "sub/a.txt": "words"})
    assert counts(run(root / "sub")) == {"added": 1}
    assert seen(kb) == {"sub/a.txt": "hr"}
    assert counts(run(root / "sub/a.txt")) == {"unchanged": 1}


def test_the_command_and_a_folder(run: Any, tree: Any, kb: Path) -> None:
    root = tree({"hr/.surefoot.toml": HR, "hr/a.txt": "words", "b.txt": "other words"})
    assert counts(run(groups=frozenset({"hr", "it"}))) == {"added": 2}
    assert seen(kb) == {"hr/a.txt": "hr", "b.txt": "hr,it"}
    report = run(groups=frozenset({"it"}))
    assert counts(report) == {"updated": 1, "removed": 1, "failed": 1}
    assert report.failed[0].path == str(root / "hr/a.txt")
    assert report.failed[0].reason == "groups: no group in common between it and hr"
    assert seen(kb) == {"b.txt": "it"}


def test_a_changed_folder_file_changes_its_documents(run: Any, tree: Any, kb: Path) -> None:
    tree({"a.txt": "words"})
    assert counts(run()) == {"added": 1}
    tree({".surefoot.toml": HR})
    assert counts(run()) == {"updated": 1}
    assert seen(kb) == {"a.txt": "hr"}


@pytest.mark.parametrize("broken", ["groups = [", "groups = []", "Groups = ['hr']", ""])
def test_a_malformed_folder_file_closes_its_folder(
    run: Any, tree: Any, kb: Path, broken: str
) -> None:
    tree({"hr/a.txt": "words", "hr/deep/b.txt": "deep words", "c.txt": "open words"})
    assert counts(run()) == {"added": 3}
    tree({"hr/.surefoot.toml": broken})
    report = run()
    assert counts(report) == {"unchanged": 1, "removed": 2, "failed": 2}
    assert all(".surefoot.toml" in failure.reason for failure in report.failed)
    assert seen(kb) == {"c.txt": ""}
    tree({"hr/.surefoot.toml": HR})
    assert counts(run())["unchanged"] == 1
    assert seen(kb) == {"hr/a.txt": "hr", "hr/deep/b.txt": "hr", "c.txt": ""}


def test_folder_files_that_are_no_files(tmp_path: Path) -> None:
    for name in ("pipe", "folder", "link", "loop"):
        (tmp_path / name).mkdir()
    os.mkfifo(tmp_path / "pipe/.surefoot.toml")
    (tmp_path / "folder/.surefoot.toml").mkdir()
    (tmp_path / "link/.surefoot.toml").symlink_to("nothing")
    (tmp_path / "loop/.surefoot.toml").symlink_to(".surefoot.toml")
    for name in ("pipe", "folder", "link", "loop"):
        with pytest.raises(GroupsUnclear):
            FolderGroups().of(tmp_path / name)
    assert FolderGroups().of(tmp_path) == frozenset()


# Front matter


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("markdown", "---\ngroups: [hr, it]\n---\n# A\n", {"hr", "it"}),
        ("markdown", "---\ngroups: hr\n---\n# A\n", {"hr"}),
        ("markdown", "---\nGroups: [hr]\n---\n# A\n", {"hr"}),
        ("markdown", "+++\ngroups = ['hr']\n+++\n# A\n", {"hr"}),
        ("markdown", "---\ntitle: x\n---\n# A\n", None),
        ("markdown", "---\nprose: [\n---\n# A\n", None),
        ("text", "---\ngroups: [hr]\n---\nwords", {"hr"}),
        ("rst", "Title\n=====\n\n:Author: Ada\n:groups: hr, it\n\nWords.", {"hr", "it"}),
        ("rst", ":groups: hr\n\nWords.", {"hr"}),
    ],
)
def test_front_matter_names_groups(kind: str, text: str, expected: set[str] | None) -> None:
    parsed = guarded(PLAIN_READERS[kind], text.encode(), "a")
    assert isinstance(parsed, ParsedDocument)
    assert parsed.groups == expected
    assert "groups" not in parsed.metadata


@pytest.mark.parametrize(
    "text",
    [
        "---\ngroups: []\n---\nwords",
        "---\ngroups:\n---\nwords",
        "---\ngroups: {hr: 1}\n---\nwords",
        "---\ngroups: [1]\n---\nwords",
        "---\ngroups: [hr\n---\nwords",
        "---\ntitle: a: b\ngroups: [hr]\n---\nwords",
        "---\ngroups: [hr]\n\nwords, and no end",
        "---\ngroups: [hr]\nGroups: [it]\n---\nwords",
        "+++\ngroups = [hr]\n+++\nwords",
    ],
)
def test_front_matter_that_cannot_be_relied_on_closes_its_file(text: str) -> None:
    for kind in ("markdown", "text"):
        result = guarded(PLAIN_READERS[kind], text.encode(), "a.md")
        assert isinstance(result, Withheld), result
        assert result.reason.startswith("groups: ")


def test_a_document_may_narrow_and_no_more(run: Any, tree: Any, kb: Path) -> None:
    tree({
        "hr/.surefoot.toml": 'groups = ["hr", "lead"]',
        "hr/a.md": "---\ngroups: [lead, all]\n---\nalpha",
        "hr/b.md": "---\ngroups: [all]\n---\nbeta",
        "c.md": "---\ngroups: [it]\n---\ngamma",
    })  # fmt: skip
    report = run()
    assert counts(report) == {"added": 2, "failed": 1}
    assert report.failed[0].reason == "groups: no group in common between hr,lead and all"
    assert seen(kb) == {"hr/a.md": "lead", "c.md": "it"}
    assert counts(run()) == {"unchanged": 2, "failed": 1}


def test_a_document_that_becomes_unclear_leaves_the_base(run: Any, tree: Any, kb: Path) -> None:
    tree({"a.md": "alpha", "b.md": "beta"})
    run()
    tree({"a.md": "---\ngroups: [\n---\nalpha"})
    assert counts(run()) == {"unchanged": 1, "removed": 1, "failed": 1}
    assert seen(kb) == {"b.md": ""}


def test_search_keeps_to_it(run: Any, tree: Any, kb: Path) -> None:
    tree({"a.md": "---\ngroups: [hr]\n---\nsalary table", "b.md": "salary rules"})
    run()
    base = KnowledgeBase.open(kb)

    def documents(*groups: str) -> set[str]:
        rows = [hit.row for hit in base.lexical(["salary"], 9, frozenset(groups))]
        return {Path(chunk.document).name for chunk in base.chunks(rows)}

    assert documents() == {"b.md"}
    assert documents("it") == {"b.md"}
    assert documents("hr") == {"a.md", "b.md"}


# Files of many documents


def test_archives_keep_the_rules_they_hold(run: Any, tree: Any, kb: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in {
            "open.txt": "open words",
            "hr/.surefoot.toml": HR,
            "hr/a.txt": "same words",
            "copy.txt": "same words",
            "hr/b.md": "---\ngroups: [it]\n---\nwords",
            "odd/.surefoot.toml": "groups",
            "odd/c.txt": "odd words",
        }.items():
            archive.writestr(name, text)
    root = tree({})
    (root / "a.zip").write_bytes(packed.getvalue())
    for expected in ({"added": 3, "failed": 2}, {"unchanged": 3, "failed": 2}):
        assert counts(run()) == expected
    assert seen(kb) == {"a.zip!/open.txt": "", "a.zip!/hr/a.txt": "hr", "a.zip!/copy.txt": ""}
    tree({".surefoot.toml": 'groups = ["hr", "it"]'})
    assert counts(run()) == {"updated": 2, "unchanged": 1, "failed": 1 + 1}
    assert seen(kb) == {
        "a.zip!/open.txt": "hr,it", "a.zip!/hr/a.txt": "hr", "a.zip!/copy.txt": "hr,it"
    }  # fmt: skip


def test_lines_of_a_corpus(run: Any, tree: Any, kb: Path) -> None:
    def corpus(**extra: object) -> str:
        return "".join(
            json.dumps(line) + "\n"
            for line in ({"id": "a", "text": "alpha"}, {"id": "b", "text": "beta", **extra})
        )

    tree({"c.jsonl": corpus()})
    assert counts(run()) == {"added": 2}
    tree({"c.jsonl": corpus(groups=["hr"])})
    assert counts(run()) == {"updated": 1, "unchanged": 1}
    assert seen(kb) == {"a": "", "b": "hr"}
    tree({"c.jsonl": corpus(groups=[])})
    assert counts(run()) == {"unchanged": 1, "removed": 1, "failed": 1}
    assert seen(kb) == {"a": ""}
