"""The documents of the base, as far as a key may see them: list, add, forget."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Annotated, Any, Protocol, TypeVar, runtime_checkable

from fastapi import APIRouter, File, Form, Query, UploadFile
from fastapi.responses import JSONResponse

from ingest.receipt import read_receipt
from ingest.types import DocumentRecord
from ui.api.caller import REFUSALS, Caller, Reader, Wired, Writer
from ui.api.errors import ApiError
from ui.api.service import Service
from ui.api.uploads import MOST_FILES, take_in
from ui.api.wire import DocumentsReply, ErrorReply, ForgottenReply, UploadReply
from ui.forgetting import NotYours, forget_for
from ui.page.shelf import visible
from ui.uploads import Sent

T = TypeVar("T")
MB = 10**6
MISSING: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorReply, "description": "There is no such document for this key."}
}
router = APIRouter(prefix="/documents", tags=["Documents"], responses=REFUSALS)


@runtime_checkable
class Lists(Protocol):
    """An index that knows its documents."""

    def documents(self) -> list[DocumentRecord]: ...


@router.get("", response_model=DocumentsReply)
async def list_documents(service: Wired, caller: Reader) -> JSONResponse:
    """The documents that this key may see."""
    found = await _chore(service, lambda: _visible(service, caller))
    return JSONResponse({"documents": [_row(record) for record in found]})


@router.post("", response_model=UploadReply)
async def upload(
    service: Wired,
    caller: Writer,
    files: Annotated[list[UploadFile], File(description="At most 20 files.")],
    groups: Annotated[
        list[str] | None, Form(description="Who may see them: some of the key's groups, or all.")
    ] = None,
) -> JSONResponse:
    """Add documents. Only the named groups may see them; without groups, those of the key."""
    if len(files) > MOST_FILES:
        raise ApiError(400, "invalid_request", f"at most {MOST_FILES} files at once", param="files")
    allowed = caller.groups(groups or None)
    sent = [Sent(file.filename or "", file.file) for file in files]
    most = int(service.config.upload_mb * MB)
    told = await _chore(
        service,
        lambda: take_in(service.kb, service.uploads, sent, allowed, service.bulk(), most),
    )
    service.audit.note(
        "uploaded", caller.key.id, documents=len(told["documents"]), failed=len(told["failed"])
    )
    return JSONResponse(told)


@router.delete("", response_model=ForgottenReply, responses=MISSING)
async def forget_document(
    service: Wired,
    caller: Writer,
    document: Annotated[str, Query(min_length=1, max_length=4096, description="Its id.")],
) -> JSONResponse:
    """Forget a document for good, in the base and in all that quotes it; gives the receipt."""
    return JSONResponse(await _chore(service, lambda: _forgotten(service, caller, document)))


def _visible(service: Service, caller: Caller) -> tuple[DocumentRecord, ...]:
    """What the key may see; near-duplicates that it may not see are not named."""
    index = service.router.pick("").assistant.retriever.index
    if not isinstance(index, Lists):
        raise ApiError(503, "no_list", "this index does not list its documents")
    found = visible(index.documents(), caller.key.groups)
    names = {record.document for record in found}
    near = ([name for name in record.near if name in names] for record in found)
    return tuple(
        replace(record, near=tuple(some), near_count=len(some))
        for record, some in zip(found, near, strict=True)
    )


def _row(record: DocumentRecord) -> dict[str, Any]:
    return {**asdict(record), "groups": sorted(record.groups), "metadata": dict(record.metadata)}


def _forgotten(service: Service, caller: Caller, document: str) -> dict[str, Any]:
    """Forget it, if the key holds every group that may see it: it goes for all of them.

    Raises ApiError, KnowledgeBaseError.
    """
    mine = _visible(service, caller)
    if document not in {record.document for record in mine}:
        raise ApiError(404, "unknown_document", "there is no such document for this key")
    try:
        done = forget_for(service.kb, mine, caller.key.groups, document)
    except NotYours as error:
        raise ApiError(403, "groups", str(error)) from error
    service.cache.clear()
    assert done.receipt is not None
    receipt = asdict(read_receipt(done.receipt).receipt)
    service.audit.note("forgotten", caller.key.id, receipt=done.receipt.name)
    return {
        "documents": list(done.documents),
        "removed": dict(done.removed),
        "generation": done.generation,
        "receipt": receipt,
    }


async def _chore(service: Service, work: Callable[[], T]) -> T:
    """What is done in a thread, beside the answers."""
    return await asyncio.get_running_loop().run_in_executor(service.chores, work)
