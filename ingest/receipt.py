"""Signed receipts of what was forgotten: hashes and counts, never content.

The signature is HMAC-SHA256 (RFC 2104) with a key that lies in the knowledge base, readable by
its owner alone. Whoever holds the key can check a receipt, and could have written it: it proves
to the keeper of the base that nobody else has changed it since.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ingest.errors import KnowledgeBaseError, SurefootError
from ingest.manifest import replacing, sync

FORMAT = 1
FOLDER, KEY = "receipts", "receipt.key"
ALGORITHM = "hmac-sha256"
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class ForgottenContent:
    """Hashes of a document: of its id, of its file's bytes, of its text in UTF-8."""

    document_sha256: str
    content_sha256: str
    text_sha256: str
    chunks: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was forgotten. `removed` counts by place; `at` is UTC."""

    at: str
    generation_before: int
    generation_after: int
    documents: tuple[ForgottenContent, ...]
    removed: Mapping[str, int]

    @property
    def name(self) -> str:
        """Its file's name: a generation's number is never used twice."""
        return f"{''.join(c for c in self.at[:19] if c not in ':-')}Z-{self.generation_after}.json"


@dataclass(frozen=True, slots=True)
class CheckedReceipt:
    """A receipt and whether its signature is that of the key."""

    receipt: Receipt
    signed: bool


def write_receipt(directory: Path, receipt: Receipt) -> Path:
    """Sign and write a receipt into a knowledge base; the same one again changes nothing."""
    key = _key(directory)
    body = {"format": FORMAT, **asdict(receipt), "algorithm": ALGORITHM, "key": fingerprint(key)}
    folder = directory / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    text = json.dumps({**body, "signature": _sign(key, body)}, indent=2, sort_keys=True)
    with replacing(folder / receipt.name) as part:
        part.write_text(text + "\n", encoding="utf-8")
        part.chmod(0o600)
    return folder / receipt.name


def read_receipt(path: Path, key_file: Path | None = None) -> CheckedReceipt:
    """A receipt with its signature checked. The key is the one of the base that it lies in.

    Raises SurefootError where there is no receipt, or no key to check it with.
    """
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        found = str(body.pop("signature"))
        receipt = receipt_of(body)
    except OSError as error:
        raise SurefootError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SurefootError(f"{path}: is no receipt") from error
    try:
        key = (key_file or path.absolute().parent.parent / KEY).read_bytes()
    except OSError as error:
        raise SurefootError(f"{path}: its key cannot be read; name it with --key") from error
    signed = body.get("algorithm") == ALGORITHM and hmac.compare_digest(
        found.encode(), _sign(key, body).encode()
    )
    return CheckedReceipt(receipt, signed)


def receipt_of(body: Mapping[str, Any]) -> Receipt:
    """The receipt that a JSON object describes. Raises KeyError, TypeError."""
    return Receipt(
        at=body["at"],
        generation_before=body["generation_before"],
        generation_after=body["generation_after"],
        documents=tuple(ForgottenContent(**item) for item in body["documents"]),
        removed=dict(body["removed"]),
    )


def fingerprint(key: bytes) -> str:
    """Which key it was, without telling the key."""
    return hashlib.sha256(b"surefoot receipt key\n" + key).hexdigest()[:16]


def _sign(key: bytes, body: Mapping[str, Any]) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _key(directory: Path) -> bytes:
    """The key of a knowledge base, made when it is first needed; under the writer's lock."""
    path = directory / KEY
    if not path.exists():
        part = path.with_name(f".{KEY}.part")
        part.unlink(missing_ok=True)
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        sync(directory)
    key = path.read_bytes()
    if len(key) != _KEY_BYTES:
        raise KnowledgeBaseError(directory, f"{KEY} is damaged: {len(key)} bytes")
    return key
