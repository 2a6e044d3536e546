"""Source code and configuration: the decoded file, cut between its top-level definitions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath

from ingest.readers.text import body_start, decode, stem
from ingest.types import ParsedDocument, Section

_LANGUAGES = {
    **dict.fromkeys((".py", ".pyi"), "python"),
    **dict.fromkeys((".js", ".mjs", ".jsx"), "javascript"),
    **dict.fromkeys((".ts", ".tsx"), "typescript"),
    **dict.fromkeys((".c", ".h"), "c"),
    **dict.fromkeys((".cc", ".cpp", ".hpp"), "c++"),
    **dict.fromkeys((".sh", ".bash", ".zsh"), "shell"),
    **dict.fromkeys((".yaml", ".yml"), "yaml"),
    **dict.fromkeys((".make", ".mk"), "make"),
    **dict.fromkeys((".ini", ".cfg"), "ini"),
    ".cs": "c#",
    ".rb": "ruby",
    ".rs": "rust",
    ".kt": "kotlin",
    ".pl": "perl",
    ".ps1": "powershell",
    ".jl": "julia",
    ".tf": "terraform",
}
_PLAIN_NAMES = (
    ".java .go .php .swift .scala .bat .sql .r .lua .toml .xml .css .scss .cmake .dockerfile"
    " .proto .json"
)
_PLAIN_SUFFIXES = frozenset(_PLAIN_NAMES.split())
_WORDS = (
    "async|export|default|public|private|protected|internal|static|final|abstract|sealed|open"
    "|override|virtual|inline|extern|unsafe|const|pub(?:\\([\\w:]{1,20}\\))?|data|partial"
)
# A line without indentation that opens something with a name.
_DEFINES = re.compile(
    rf"(?:(?:{_WORDS})\s+){{0,5}}"
    r"(?:def|class|func|function|fn|fun|struct|enum|interface|trait|impl|type|module|namespace"
    r"|record|object|protocol|extension|message|service|resource|package|sub"
    r"|create\s+(?:or\s+replace\s+)?(?:table|view|function|procedure))\b[\s*]*"
    r"([A-Za-z_$][\w$.:<>]{0,80})",
    re.IGNORECASE,
)
# A C function: a return type, a name and an open bracket, without a semicolon at the end.
_FUNCTION = re.compile(r"[A-Za-z_][\w:<>*& ]{0,80}[ *&]([A-Za-z_]\w{0,80})\s?\([^;]{0,300}$")
_BELONGS = ("@", "#[", "//", "/*", " *", "*", "--", "#", "template")
_LINE = 500


def read_code(data: bytes, path: str) -> ParsedDocument:
    """Source code, text unchanged; each top-level definition with its name as heading."""
    text = decode(data, path)
    name = stem(path)
    language = code_language(path)
    metadata = {"code_language": language} if language else {}
    return ParsedDocument(text, name, tuple(_sections(text, name)), metadata)


def code_language(path: str) -> str:
    """The language that a file's suffix stands for; "" where it is not known."""
    suffix = PurePath(path).suffix.lower()
    return _LANGUAGES.get(suffix, suffix[1:] if suffix in _PLAIN_SUFFIXES else "")


def _sections(text: str, name: str) -> Iterator[Section]:
    start = body_start(text)
    heading: tuple[str, ...] = (name,)
    for at, defined in _definitions(text, start):
        if text[start:at].strip():
            yield Section(start, at, heading, kind="code")
            start = at
        heading = (name, defined)
    yield Section(start, len(text), heading, kind="code")


def _definitions(text: str, start: int) -> Iterator[tuple[int, str]]:
    """Where each top-level definition begins, its comments and decorators included."""
    above: int | None = None
    for match in re.compile(r"[^\n]*\n?").finditer(text, start):
        line = match[0][:_LINE].rstrip()
        found = None if line[:1] in ("", " ", "\t", "}", ")") else _named(line)
        if found is not None:
            yield (match.start() if above is None else above), found
            above = None
        elif line.startswith(_BELONGS) and not line.startswith(("#include", "#define")):
            above = match.start() if above is None else above
        else:
            above = None


def _named(line: str) -> str | None:
    match = _DEFINES.match(line) or _FUNCTION.match(line)
    return match[1].rstrip(":") if match is not None else None
