"""Files that come and go beside us."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.files import bytes_in, status_of


def test_a_file_that_is_gone_has_no_status(tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.write_bytes(b"abc")
    assert (status := status_of(here)) is not None
    assert status.st_size == 3
    assert status_of(tmp_path / "gone") is None
    assert status_of(here / "below a file") is None


def test_a_folder_is_weighed_while_files_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stays").write_bytes(b"abc")
    (tmp_path / "goes").write_bytes(b"de")
    (tmp_path / "inside").mkdir()
    assert bytes_in(tmp_path) == 5
    listed = Path.iterdir

    def late(folder: Path) -> Iterator[Path]:
        found = list(listed(folder))
        (folder / "goes").unlink()
        yield from found

    monkeypatch.setattr(Path, "iterdir", late)
    assert bytes_in(tmp_path) == 3
