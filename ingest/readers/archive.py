"""ZIP archives: their members as parts. Nothing is unpacked to disk, no name is ever opened."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import PurePosixPath
from typing import IO

from ingest.errors import UnreadableFile
from ingest.groups import FOLDER_FILE, Groups, GroupsUnclear, from_toml, narrow
from ingest.readers.part import Part, harmless_path, short_name

_MIB = 1 << 20
_MAX_MEMBERS = 200_000
_MAX_UNPACKED = 4096 * _MIB
_MAX_NESTED = 300 * _MIB
_MAX_MEMBER = 256 * _MIB
_DENSE = 50 * _MIB
_MAX_RATIO = 200
_PASSWORD = 0x1
_UTF8 = 0x800
_UNIX = 3
_MOST_RULES = 1000
_RULE_BYTES = 65536


def zip_parts(file: IO[bytes], path: str, start: int, nested: bool) -> Iterator[Part]:
    """The members of an archive from number `start` on, but folders and hidden files.

    Raises UnreadableFile (corrupt, too_large) for what would unpack to too much.
    """
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise UnreadableFile(path, "corrupt", f"corrupt ZIP: {error}") from error
    members = archive.infolist()
    _check_size(members, _size(file), path, nested)
    names = [_name(member) for member in members]
    rules = _rules(archive, zip(names, members, strict=True), path)
    for number in range(start, len(members)):
        member = members[number]
        if not (member.is_dir() or _is_hidden(names[number])):
            claim = _claims(rules, names[number])
            load = partial(_load, archive, member, path, claim)
            groups = claim if isinstance(claim, frozenset) else None
            name = short_name(names[number], f"member-{number + 1}")
            yield Part(name, number + 1, load, groups=groups)


def _size(file: IO[bytes]) -> int:
    return file.seek(0, 2)


def _check_size(members: list[zipfile.ZipInfo], packed: int, path: str, nested: bool) -> None:
    """By the declared sizes; a member that holds more than it declares fails its checksum."""
    unpacked = sum(member.file_size for member in members)
    most = _MAX_NESTED if nested else _MAX_UNPACKED
    dense = unpacked > _DENSE and unpacked > _MAX_RATIO * packed
    if unpacked > most or dense:
        raise UnreadableFile(path, "too_large", f"too large: unpacks to {unpacked // _MIB} MiB")
    if len(members) > _MAX_MEMBERS:
        raise UnreadableFile(path, "too_large", f"too large: {len(members)} members")


def _name(member: zipfile.ZipInfo) -> str:
    """The member's name; many archives hold UTF-8 without saying so."""
    name = member.filename
    if not member.flag_bits & _UTF8:
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            # Then it is what the format says: code page 437.
            name = member.filename
    return harmless_path(name)


def _is_hidden(name: str) -> bool:
    # As in a folder: hidden files are no documents. Nor is what macOS adds to its archives.
    return any(step.startswith(".") or step == "__MACOSX" for step in name.split("/"))


def _load(
    archive: zipfile.ZipFile,
    member: zipfile.ZipInfo,
    path: str,
    claim: Groups | GroupsUnclear | None,
) -> bytes:
    if isinstance(claim, GroupsUnclear):
        raise UnreadableFile(path, "withheld", f"groups: {claim.reason}")
    mode = member.external_attr >> 16
    if member.create_system == _UNIX and stat.S_ISLNK(mode):
        raise UnreadableFile(path, "unsupported", "symbolic link in an archive, not followed")
    if member.flag_bits & _PASSWORD:
        raise UnreadableFile(path, "encrypted", "encrypted: needs a password")
    if member.file_size > _MAX_MEMBER:
        size = member.file_size // _MIB
        raise UnreadableFile(path, "too_large", f"too large: unpacks to {size} MiB")
    try:
        with archive.open(member) as opened:
            return opened.read(member.file_size + 1)
    except NotImplementedError as error:
        raise UnreadableFile(path, "unsupported", f"unsupported: {error}") from error


def _rules(
    archive: zipfile.ZipFile, members: Iterable[tuple[str, zipfile.ZipInfo]], path: str
) -> dict[str, list[Groups | GroupsUnclear]]:
    """What the folder files in the archive say, by folder; "" is the archive's top."""
    found: dict[str, list[Groups | GroupsUnclear]] = {}
    files = [pair for pair in members if PurePosixPath(pair[0]).name == FOLDER_FILE]
    if len(files) > _MOST_RULES:
        raise UnreadableFile(path, "withheld", f"groups: more than {_MOST_RULES} folder files")
    for name, member in files:
        # A name may stand in an archive twice: then both hold.
        folder = name[: -len(FOLDER_FILE)].rstrip("/")
        found.setdefault(folder, []).append(_rule(archive, member, name))
    return found


def _rule(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> Groups | GroupsUnclear:
    try:
        if member.flag_bits & _PASSWORD or member.file_size > _RULE_BYTES:
            raise GroupsUnclear("is encrypted or too large")
        with archive.open(member) as opened:
            return from_toml(opened.read(_RULE_BYTES + 1))
    except GroupsUnclear as error:
        return GroupsUnclear(f"{name}: {error.reason}")
    except Exception as error:  # noqa: BLE001 - damaged members raise anything
        return GroupsUnclear(f"{name}: {type(error).__name__}")


def _claims(
    rules: Mapping[str, list[Groups | GroupsUnclear]], name: str
) -> Groups | GroupsUnclear | None:
    """What the folder files above a member say together; None where there is none."""
    if not rules:
        return None
    folders = ["", *(str(folder) for folder in PurePosixPath(name).parents if str(folder) != ".")]
    above = [claim for folder in folders for claim in rules.get(folder, [])]
    unclear = next((claim for claim in above if isinstance(claim, GroupsUnclear)), None)
    if unclear is not None or not above:
        return unclear
    try:
        return narrow(*(claim for claim in above if isinstance(claim, frozenset)))
    except GroupsUnclear as error:
        return error
