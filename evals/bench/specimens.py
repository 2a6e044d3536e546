"""A small sound file of every format that Surefoot reads, to be damaged by `evals.bench.fuzz`."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from evals.bench.packages import TEXT, WORD, archive, packages
from evals.sample import DOCUMENTS

_NUMBER = b"#number#"
"""Becomes the number of the file, so that not all copies of a specimen hold the same."""


_PLAIN: Mapping[str, str] = {
    "notes.txt": f"Seabirds\n\n{TEXT}\nA shag does not; it dives from the surface.\n",
    "notes.rst": f"Seabirds\n========\n\n{TEXT}\n\nColonies\n--------\n\n* Hestray\n* Skarra\n\n"
    ".. code-block:: python\n\n   count = 7\n\n===== =====\nIsle  Nests\n===== =====\nSkarra 12\n",
    "notes.md": f"---\ntitle: Seabirds\ngroups: [wardens]\ndate: 2026-05-01\n---\n# Seabirds\n\n"
    f"{TEXT}\n\n| Isle | Nests |\n|---|---|\n| Skarra | 12 |\n\n```py\ncount = 7\n```\n\n- one\n",
    "notes.html": "<!doctype html><html><head><title>Seabirds</title></head><body><nav>Home</nav>"
    f"<main><h1>Seabirds</h1><p>{TEXT}</p><table><tr><th>Isle</th><td>Skarra</td></tr></table>"
    "<ul><li>one<ul><li>two</li></ul></li></ul><pre>count = 7</pre></main></body></html>",
    "nests.csv": f'isle,nests,note\nSkarra,12,"{TEXT}"\nHestray,7,"a, b"\n',
    "nests.tsv": f"isle\tnests\tnote\nSkarra\t12\t{TEXT}\nHestray\t7\tnone\n",
    "nests.json": json.dumps(
        {"title": "Seabirds", "isles": [{"name": "Skarra", "nests": 12}], "note": TEXT}, indent=1
    ),
    "nests.jsonl": "".join(json.dumps({"isle": n, "note": TEXT}) + "\n" for n in range(4)),
    "corpus.jsonl": "".join(
        json.dumps({"id": f"#number#-{n}", "title": "Seabirds", "text": f"{TEXT} Line {n}."}) + "\n"
        for n in range(4)
    ),
    "nests.py": f'"""{TEXT}"""\n\nclass Colony:\n    def nests(self) -> int:\n        return 12\n',
    "nests.yaml": f"isles:\n  - name: Skarra\n    note: {TEXT}\n",
}


@dataclass(frozen=True, slots=True)
class Specimen:
    """A sound file. `word` stands in the text that a reader makes of it."""

    name: str
    data: bytes
    word: str = WORD

    @property
    def suffix(self) -> str:
        return self.name.rpartition(".")[2]

    def numbered(self, number: int) -> bytes:
        """Its bytes as file `number`."""
        if self.suffix == "gz":
            return gzip.compress(_numbered(gzip.decompress(self.data), number), mtime=0)
        return _numbered(self.data, number)


@cache
def specimens() -> Mapping[str, tuple[Specimen, ...]]:
    """Sound files by their suffix, those of the sample documents too."""
    made = [Specimen(name, text.encode()) for name, text in _PLAIN.items()]
    made += [
        Specimen("western.txt", f"Skarv på skjæret. {WORD} \xe9t\xe9 caf\xe9".encode("latin-1")),
        Specimen("wide.txt", _PLAIN["notes.txt"].encode("utf-16")),
        Specimen("corpus.jsonl.gz", gzip.compress(_PLAIN["corpus.jsonl"].encode(), mtime=0)),
        *(Specimen(name, data) for name, data in packages().items()),
        Specimen("message.eml", mail("report.docx", _sample("docx").data)),
        Specimen("letters.mbox", _mailbox()),
    ]
    made.append(Specimen("birds.zip", archive({s.name: s.data for s in made[:4]})))
    made += [
        Specimen(path.name, path.read_bytes(), "")
        for path in sorted(DOCUMENTS.rglob("*"))
        if path.is_file()
    ]
    kinds = dict.fromkeys(specimen.suffix for specimen in made)
    return {kind: tuple(s for s in made if s.suffix == kind) for kind in kinds}


def letter(name: str, data: bytes, number: int) -> bytes:
    """As `mail`, as file `number`."""
    return _numbered(mail(name, data), number)


def mail(name: str, data: bytes) -> bytes:
    """A message with a text, its HTML twin and one attachment."""
    text = f"{TEXT}\nThe report is attached."
    attached = base64.encodebytes(data).decode("ascii")
    return (
        "From: Ada Fell <ada@skarra.example>\nTo: wardens@skarra.example\nSubject: Seabirds\n"
        "Date: Mon, 04 May 2026 09:30:00 +0000\nMessage-ID: <#number#@skarra.example>\n"
        'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="outer"\n\n--outer\n'
        'Content-Type: multipart/alternative; boundary="inner"\n\n--inner\n'
        f'Content-Type: text/plain; charset="utf-8"\n\n{text}\n--inner\n'
        f'Content-Type: text/html; charset="utf-8"\n\n<p>{text}</p>\n--inner--\n--outer\n'
        "Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n"
        f'Content-Disposition: attachment; filename="{name}"\n\n{attached}--outer--\n'
    ).encode()


def _numbered(data: bytes, number: int) -> bytes:
    return data.replace(_NUMBER, f"{number:05}".encode())


def _mailbox() -> bytes:
    start = b"From ada@skarra.example Mon May  4 09:30:00 2026\n"
    letters = [mail("nests.csv", _PLAIN["nests.csv"].encode()), mail("notes.md", b"# Skarra\n\nx")]
    second = letters[1].replace(_NUMBER, b"second-" + _NUMBER)
    return start + letters[0] + b"\n" + start + second + b"\n"


def _sample(suffix: str) -> Specimen:
    path = min(DOCUMENTS.rglob(f"*.{suffix}"))
    return Specimen(path.name, path.read_bytes(), "")
