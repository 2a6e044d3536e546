"""Documents over HTTP: who sees them, where uploads lie, what forgetting leaves."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from ingest.testing import HashEmbedder
from ui.api.errors import ApiError
from ui.api.uploads import safe_name, take_in
from ui.uploads import Sent

NOTE = b"# Cranes\n\nThe yellow crane lifts forty tonnes.\n"
QUESTION = "How much does the yellow crane lift?"


def titles(client: Any) -> set[str]:
    return {item["title"] for item in client.get("/documents").json()["documents"]}


def send(client: Any, name: str = "cranes.md", data: bytes = NOTE, **form: Any) -> Any:
    return client.post("/documents", files={"files": (name, data)}, data=form)


@pytest.mark.parametrize(
    ("key", "seen"),
    [("all", {"Leave", "Pay", "Case"}), ("hr", {"Leave", "Pay"}), ("open", {"Leave"})],
)
def test_a_key_lists_what_it_may_see(running: Any, key: str, seen: set[str]) -> None:
    with running.client(key) as client:
        assert titles(client) == seen


def test_an_upload_answers_for_its_groups_only_until_it_is_forgotten(running: Any) -> None:
    with running.client("all") as client, running.client("open") as other:
        told = send(client, groups="hr").json()
        assert (told["added"], told["failed"]) == (1, [])
        [document] = told["documents"]
        assert "Cranes" in titles(client)
        assert "Cranes" not in titles(other)
        found = client.post("/search", json={"question": QUESTION}).json()["passages"]
        assert "yellow crane" in found[0]["text"]
        assert other.delete("/documents", params={"document": document}).status_code == 404
        gone = client.delete("/documents", params={"document": document})
        assert gone.json()["documents"] == [document]
        assert gone.json()["receipt"]["removed"]
        assert "Cranes" not in titles(client)
        assert not Path(document).exists()
        assert client.delete("/documents", params={"document": document}).status_code == 404
    assert running.notes.kinds() == ["uploaded", "forgotten"]


def test_without_groups_an_upload_is_the_keys(running: Any) -> None:
    with running.client("hr") as client:
        send(client)
        [row] = [d for d in client.get("/documents").json()["documents"] if d["title"] == "Cranes"]
    assert row["groups"] == ["hr"]


def test_uploads_lie_in_their_folder_whatever_they_are_called(running: Any) -> None:
    with running.client("open") as client:
        [document] = send(client, "../../etc/p ass.wd\\..\\evil name.md").json()["documents"]
    place = Path(document)
    assert place.is_relative_to(running.service.uploads.resolve())
    assert place.name == "evil-name.md"
    assert place.parent.stat().st_mode & 0o077 == 0


def test_groups_of_an_upload_are_among_the_keys(running: Any) -> None:
    with running.client("hr") as client:
        assert send(client, groups="legal").status_code == 403


@pytest.mark.parametrize("name", ["run.exe", "corpus.jsonl", "all.zip", ".surefoot.toml", "", "md"])
def test_only_known_kinds_are_taken(running: Any, name: str) -> None:
    with pytest.raises(ApiError):
        safe_name(name)


def test_what_cannot_be_read_is_named_and_not_kept(running: Any) -> None:
    with running.client("open") as client:
        told = send(client, "broken.pdf", b"%PDF-1.4 and nothing else").json()
    assert told["documents"] == []
    assert told["failed"][0]["path"] == "broken.pdf"
    assert list(running.service.uploads.iterdir()) == []


def test_a_large_upload_is_refused_and_not_kept(kb: Path, tmp_path: Path) -> None:
    folder, sent = tmp_path / "uploads", [Sent("cranes.md", io.BytesIO(NOTE))]
    with pytest.raises(ApiError) as raised:
        take_in(kb, folder, sent, frozenset(), HashEmbedder(dimension=64), most_bytes=10)
    assert raised.value.status == 413
    assert list(folder.iterdir()) == []


def test_who_shares_a_document_cannot_forget_it_for_all(running: Any) -> None:
    with running.client("all") as client, running.client("hr") as other:
        client.post(
            "/documents", files={"files": ("cranes.md", NOTE)}, data={"groups": ["hr", "legal"]}
        )
        listed = other.get("/documents").json()["documents"]
        [document] = [item["document"] for item in listed if item["title"] == "Cranes"]
        done = other.delete("/documents", params={"document": document})
    assert done.status_code == 403
