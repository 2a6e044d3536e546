"""A policy file (TOML) to a policy. What it cannot mean is an error that says where and what.

The shipped files in `policies/` explain the format; `balanced.toml` is the one to copy.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from rag.errors import PolicyError
from rag.safety.labels import DETAILS, GROUPS, LABELS, NER_LABELS, PERSONAL, STAGES, expanded
from rag.safety.policy_lists import domain, glob, group, host, pattern, value, word
from rag.safety.rules import KEEP, Allowed, Denied, Policy, Restoring, Rule
from rag.types import Action, Stage

SHIPPED = ("strict", "balanced", "research")
BASES = (*SHIPPED, "none")
TABLES = (*STAGES, "allow", "deny", "links", "pseudonyms")
MOST_ITEMS = 1000
_FOLDER = Path(__file__).parent / "policies"
_MOST_BYTES = 1 << 20
_MOST_NAMED = 12

_WORDS: Mapping[str, Action] = {
    "keep": "keep",
    "mask": "redact",
    "redact": "redact",
    "hash": "hash",
    "pseudonym": "pseudonym",
    "block": "block",
}
_PASSAGE_WORDS: Mapping[str, Action] = {
    "fence": "keep",
    "neutralise": "redact",
    "drop": "block",
}
_NAMEABLE = frozenset({*PERSONAL, *NER_LABELS, *DETAILS})


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of a file: `name` is "" for the file itself."""

    file: str
    name: str
    values: Mapping[str, Any]

    def wrong(self, key: str, problem: str) -> PolicyError:
        return PolicyError(self.file, self.name, key, problem)

    def only(self, known: Iterable[str]) -> None:
        names = list(known)
        for key in self.values:
            if key not in names:
                raise self.wrong(key, f"unknown{nearest(key, names)}")

    def strings(self, key: str, check: Any, default: tuple[str, ...]) -> tuple[str, ...]:
        """A list of strings, each as `check` gives it back; that raises ValueError."""
        if key not in self.values:
            return default
        items = self.values[key]
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise self.wrong(key, "must be a list of strings")
        if len(items) > MOST_ITEMS:
            raise self.wrong(key, f"has {len(items)} items; {MOST_ITEMS} are the most")
        return tuple(self._checked(key, item, check) for item in items)

    def _checked(self, key: str, item: str, check: Any) -> str:
        try:
            return str(check(item))
        except ValueError as error:
            raise self.wrong(key, f"{item[:80]!r} {error}") from error


def is_shipped(name: str) -> bool:
    return name in SHIPPED


def read_policy_bytes(name: str) -> bytes:
    """The file of a shipped policy or at a path. Raises PolicyError for one that is not there."""
    path = _FOLDER / f"{name}.toml" if is_shipped(name) else Path(name).expanduser()
    if not path.is_file():
        known = f"no such file, and no shipped policy{nearest(name, SHIPPED)}"
        raise PolicyError(name, "", "", known)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PolicyError(name, "", "", f"cannot be read: {error.strerror}") from error
    if len(content) > _MOST_BYTES:
        raise PolicyError(name, "", "", f"is over {_MOST_BYTES >> 20} MiB")
    return content


def parse_policy(content: bytes, file: str) -> Policy:
    """The policy that a file's bytes mean; `file` is its name in errors. Raises PolicyError."""
    try:
        values = tomllib.loads(content.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PolicyError(file, "", "", f"is not TOML: {error}") from error
    whole = _Table(file, "", values)
    whole.only(("base", *TABLES))
    base = _base(whole)
    rules = dict(base.rules)
    for stage in STAGES:
        rules.update(_rules(_table(whole, stage), stage, base))
    return replace(
        base,
        rules=rules,
        allowed=_allowed(_table(whole, "allow"), base.allowed),
        denied=_denied(_table(whole, "deny"), base.denied),
        hosts=_hosts(_table(whole, "links"), base.hosts),
        restoring=_restoring(_table(whole, "pseudonyms"), base.restoring),
    )


def nearest(wrong: str, known: Iterable[str]) -> str:
    """The end of an error about a word: the one that was meant, or those that there are."""
    names = {name.lower(): name for name in known}
    begun = [name for name in names if len(wrong) > 2 and name.startswith(wrong.lower())]
    if close := [*get_close_matches(wrong.lower(), names, n=1), *begun]:
        return f"; did you mean {names[close[0]]}?"
    some = list(names.values())
    more = ", ..." if len(some) > _MOST_NAMED else ""
    return f"; known are {', '.join(some[:_MOST_NAMED])}{more}"


def _base(whole: _Table) -> Policy:
    name = whole.values.get("base", "balanced")
    if name not in BASES:
        raise whole.wrong("base", f"{name!r} is unknown{nearest(str(name), BASES)}")
    return Policy() if name == "none" else parse_policy(read_policy_bytes(name), name)


def _table(whole: _Table, name: str) -> _Table:
    values = whole.values.get(name, {})
    if not isinstance(values, dict):
        raise whole.wrong(name, f"must be a table: [{name}]")
    return _Table(whole.file, name, values)


def _rules(table: _Table, stage: Stage, base: Policy) -> dict[tuple[Stage, str], Rule]:
    """The rules of one stage: those of groups first, so that a label goes before its group."""
    table.only((*GROUPS, *LABELS))
    rules: dict[tuple[Stage, str], Rule] = {}
    for key in sorted(table.values, key=lambda key: key not in GROUPS):
        for label in expanded(key):
            before = rules.get((stage, label), base.rules.get((stage, label), KEEP))
            rules[stage, label] = _rule(table, key, label, before)
    return rules


def _rule(table: _Table, key: str, label: str, before: Rule) -> Rule:
    """A word alone leaves the threshold as it was."""
    said = table.values[key]
    given = said if isinstance(said, dict) else {"action": said}
    for name in given:
        if name not in ("action", "threshold"):
            known = nearest(name, ("action", "threshold"))
            raise table.wrong(key, f"{name} is unknown{known}")
    if "action" not in given:
        raise table.wrong(key, "has no action")
    action = _action(table, key, given["action"])
    if action in ("hash", "pseudonym") and label not in _NAMEABLE:
        raise table.wrong(key, f"{action} is for personal data and names; mask is for all")
    return Rule(action, _threshold(table, key, given.get("threshold", before.threshold)))


def _action(table: _Table, key: str, said: Any) -> Action:
    passage = table.name == "passage"
    known = {**_WORDS, **_PASSAGE_WORDS} if passage else _WORDS
    if isinstance(said, str) and said in known:
        return known[said]
    if isinstance(said, str) and said in _PASSAGE_WORDS:
        raise table.wrong(key, f"{said} is for passages; {_PASSAGE_WORDS[said]} is for all")
    raise table.wrong(key, f"{said!r} is no action{nearest(str(said), known)}")


def _threshold(table: _Table, key: str, said: Any) -> float:
    number = isinstance(said, int | float) and not isinstance(said, bool)
    if not number or not 0.0 <= said <= 1.0:
        raise table.wrong(key, f"threshold {said!r} is not a number from 0 to 1")
    return float(said)


def _allowed(table: _Table, base: Allowed) -> Allowed:
    table.only(("values", "domains", "patterns", "documents", "labels"))
    labels = base.labels
    if "labels" in table.values:
        words = table.strings("labels", str, ())
        labels = frozenset(label for word in words for label in _may_be_public(table, word))
    return Allowed(
        values=table.strings("values", value, base.values),
        domains=table.strings("domains", domain, base.domains),
        patterns=table.strings("patterns", pattern, base.patterns),
        documents=table.strings("documents", glob, base.documents),
        labels=labels,
    )


def _may_be_public(table: _Table, word: str) -> tuple[str, ...]:
    labels = expanded(word)
    if not labels:
        raise table.wrong("labels", f"{word!r} is unknown{nearest(word, (*GROUPS, *LABELS))}")
    if not _NAMEABLE.issuperset(labels):
        raise table.wrong("labels", f"{word} is no personal data, and can't be allowed")
    return labels


def _denied(table: _Table, base: Denied) -> Denied:
    table.only(("words", "patterns"))
    words = table.strings("words", word, base.words)
    return Denied(words, table.strings("patterns", pattern, base.patterns))


def _hosts(table: _Table, base: tuple[str, ...]) -> tuple[str, ...]:
    table.only(("hosts",))
    return table.strings("hosts", host, base)


def _restoring(table: _Table, base: Restoring) -> Restoring:
    table.only(("restore_for", "to_model"))
    to_model = table.values.get("to_model", base.to_model)
    if not isinstance(to_model, bool):
        raise table.wrong("to_model", f"{to_model!r} is neither true nor false")
    groups = table.strings("restore_for", group, tuple(base.groups))
    return Restoring(frozenset(groups), to_model)
