"""The passages of a base, scanned after an ingest: the base is complete without it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.errors import KnowledgeBaseMissing, SurefootError

if TYPE_CHECKING:
    from ingest.progress import Progress
    from rag.scan import ScanReport

_NAMED = 10


def scanned(kb: Path, progress: Progress) -> ScanReport | None:
    """Scan what is new. None where there is no base, or where a model for it is missing.

    A passage that is not scanned now is scanned when a question first meets it.
    """
    from rag.assemble import scan_passages
    from ui.console import ERR

    try:
        return scan_passages(kb, progress)
    except KnowledgeBaseMissing:
        return None
    except SurefootError as error:
        ERR.print(f"passages are scanned when they are asked for: {error}", markup=False)
        return None


def scan_json(report: ScanReport | None) -> dict[str, Any]:
    return {} if report is None else {"scan": asdict(report)}


def scan_lines(report: ScanReport | None) -> Iterator[str]:
    """What the new passages hold that a reader should know of."""
    suspects = report.suspects if report is not None else ()
    if suspects:
        yield f"{len(suspects)} document(s) seem to give the assistant instructions:"
    for suspect in suspects[:_NAMED]:
        where = "1 passage" if suspect.passages == 1 else f"{suspect.passages} passages"
        yield f"  {suspect.document} ({where})"
    if len(suspects) > _NAMED:
        yield f"  and {len(suspects) - _NAMED} more"
    if suspects:
        yield "  The model does not read those; `surefoot guard --stage passage` says more."
