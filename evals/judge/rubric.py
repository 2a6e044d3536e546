"""What a judge is asked: the wording, the choices and what each is worth.

What is judged goes into the prompt as fenced data. A text can't close its fence: marks that could
pass for one are defused, and an engine reads no template tokens out of a message.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from string import Template
from typing import Any, Literal

from rag.errors import ConfigError
from rag.types import Message

SHIPPED = Path(__file__).parent / "rubrics"
FENCED = '<judged part="{part}">\n{text}\n</judged>'
EMPTY = "(it is empty)"
_FENCE = re.compile(r"<(?=\s*/?\s*judged\b)", re.IGNORECASE)
_KNOWN = ("question", "reference", "passages", "answer", "first", "second")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


@dataclass(frozen=True, slots=True)
class Rubric:
    """A question about a case or a pair of answers. `choices[i]` is worth `values[i]`, best first.

    `ask` holds $parts, filled with fenced texts; `absent` says what stands where a part is missing.
    `column` is our own flag that the judge should agree with; labels of the fields `opposite` are
    true where the last choice is right. Raises ConfigError for one that can't be used.
    """

    name: str
    version: int
    kind: Literal["case", "pair"]
    system: str
    ask: str
    choices: tuple[str, ...]
    values: tuple[float, ...]
    absent: Mapping[str, str] = field(default_factory=dict)
    column: str = ""
    opposite: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if problem := _problem(self):
            raise ConfigError(f"rubric {self.name}", problem)

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that `ask` names, in order."""
        return tuple(Template(self.ask).get_identifiers())

    @property
    def graded(self) -> bool:
        """True if there are more than two choices: a mean is reported, not a share."""
        return len(self.choices) > 2

    @property
    def sha256(self) -> str:
        """Changes with anything that the judge is asked, or that its choices are worth."""
        parts = json.dumps([asdict(self), FENCED, EMPTY], sort_keys=True)
        return hashlib.sha256(parts.encode()).hexdigest()

    def missing(self, parts: Mapping[str, str]) -> tuple[str, ...]:
        """Parts that are needed and not given."""
        return tuple(part for part in self.parts if part not in {**parts, **self.absent})

    def messages(self, parts: Mapping[str, str]) -> tuple[Message, Message]:
        """The prompt. Raises KeyError if a part is missing."""
        filled = {part: self._filled(part, parts) for part in self.parts}
        asked = Template(self.ask).substitute(filled)
        return Message("system", self.system.strip()), Message("user", asked.strip())

    def choice_of(self, label: Any, source: str) -> str | None:
        """The choice that a person's label of the field `source` names; None for none of them."""
        names = {choice.casefold(): choice for choice in self.choices}
        if self.kind == "case" and not self.graded and label in (0, 1):
            return self.choices[int(bool(label) == (source in self.opposite))]
        if isinstance(label, float) and label.is_integer():
            label = int(label)
        return names.get(str(label).strip().casefold())

    def _filled(self, part: str, parts: Mapping[str, str]) -> str:
        text = parts[part] if part in parts else self.absent[part]
        return FENCED.format(part=part, text=_FENCE.sub("‹", text) if text.strip() else EMPTY)


def load_rubric(name: str) -> Rubric:
    """A shipped rubric by name, or one's own from a .toml file. Raises ConfigError."""
    path = Path(name).expanduser() if name.endswith(".toml") else SHIPPED / f"{name}.toml"
    known = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.toml")))
    if not name.endswith(".toml") and not _NAME.fullmatch(name):
        raise ConfigError("rubric", f"{name!r} is not known ({known}, or a .toml file)")
    try:
        with path.open("rb") as stream:
            row = tomllib.load(stream)
    except FileNotFoundError:
        raise ConfigError("rubric", f"{name!r} is not known ({known}, or a .toml file)") from None
    except (OSError, ValueError) as error:
        raise ConfigError("rubric", f"{path} cannot be read ({error})") from error
    return _rubric(row, path)


def _rubric(row: dict[str, Any], path: Path) -> Rubric:
    for name in ("choices", "values", "opposite"):
        if not isinstance(row.setdefault(name, []), list):
            raise ConfigError("rubric", f"{path}: {name} is not a list")
        row[name] = tuple(row[name])
    absent = row.get("absent", {})
    if not isinstance(absent, dict) or not all(isinstance(v, str) for v in absent.values()):
        raise ConfigError("rubric", f"{path}: absent is not a table of texts")
    for name in ("system", "ask"):
        if not isinstance(row.get(name), str):
            raise ConfigError("rubric", f"{path}: {name} is not a text")
    try:
        return Rubric(**row)
    except TypeError as error:
        problem = str(error).replace("Rubric.__init__() ", "")
        raise ConfigError("rubric", f"{path}: {problem}") from error


def _problem(rubric: Rubric) -> str:
    """What is wrong with a rubric, or nothing."""
    if not _NAME.fullmatch(str(rubric.name)):
        return "its name is not a short word of a-z, 0-9 and hyphens"
    if str(rubric.kind) not in {"case", "pair"}:
        return f"its kind is {rubric.kind!r}, not case or pair"
    return _choices_problem(rubric) or _wording_problem(rubric)


def _choices_problem(rubric: Rubric) -> str:
    if not all(isinstance(choice, str) and choice.strip() for choice in rubric.choices):
        return "its choices are not words"
    if rubric.kind == "pair" and len(rubric.choices) != 2:
        return "a pair has two choices: the first answer and the second"
    first = {choice.strip()[0].casefold() for choice in rubric.choices}
    if len(rubric.choices) < 2 or len(first) < len(rubric.choices):
        return "it needs two or more choices that begin with different letters"
    if len(rubric.values) != len(rubric.choices):
        return f"{len(rubric.choices)} choices have {len(rubric.values)} values"
    if not all(isinstance(value, int | float) for value in rubric.values):
        return "its values are not numbers"
    if not rubric.graded and rubric.kind == "case" and tuple(rubric.values) != (1, 0):
        return "of two choices, the first is worth 1 and the second 0"
    return ""


def _wording_problem(rubric: Rubric) -> str:
    if not Template(rubric.ask).is_valid():
        return "a lone $ stands in its wording; write $$"
    unknown = sorted(set(rubric.parts) - set(_KNOWN))
    if unknown:
        return f"it asks for {', '.join(unknown)}; there are: {', '.join(_KNOWN)}"
    needed = {"first", "second"} if rubric.kind == "pair" else {"answer"}
    if lost := sorted(needed - set(rubric.parts)):
        return f"its wording does not show {' and '.join('$' + part for part in lost)}"
    return ""
