"""What becomes of a finding: (stage, label) to an action above a threshold. Pure.

A policy holds besides what is never a finding (`Allowed`), what always is one (`Denied`), and who
may read what pseudonyms stand for (`Restoring`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from rag.errors import ConfigError
from rag.safety.labels import ACCOUNT, CONTACT, IDENTITY, NER_LABELS, STAGES
from rag.types import Action, Stage

# With these, other characters are shown in place of those found.
MASKED: frozenset[Action] = frozenset({"redact", "hash", "pseudonym"})


@dataclass(frozen=True, slots=True)
class Rule:
    """The action for findings whose score is at least `threshold`; below it they are dropped."""

    action: Action
    threshold: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.threshold <= 1.0:
            raise ConfigError("threshold", f"{self.threshold} is not between 0 and 1")


Rules = Mapping[tuple[Stage, str], Rule]
KEEP = Rule("keep")


@dataclass(frozen=True, slots=True)
class Allowed:
    """What is public: a finding of it is dropped. Of other `labels` nothing is allowed.

    `values` are told by what they mean, not by how they are written; `domains` are those of e-mail
    addresses; `patterns` fit the whole of what was found. What is found in `documents` of the
    knowledge base, named by the end of their paths, is public too, if everyone may see them.
    """

    values: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    labels: frozenset[str] = frozenset({*CONTACT, *ACCOUNT, *IDENTITY, *NER_LABELS})


@dataclass(frozen=True, slots=True)
class Denied:
    """What is found wherever it stands: whole words in any case, and patterns."""

    words: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Restoring:
    """Readers in `groups` see what pseudonyms stand for. With `to_model` the model sees none."""

    groups: frozenset[str] = frozenset()
    to_model: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules by stage and label; a label without a rule is kept. `off` disables the guard.

    `hosts` are those that a link of an answer may lead to.
    """

    rules: Rules = field(default_factory=dict)
    off: bool = False
    allowed: Allowed = field(default_factory=Allowed)
    denied: Denied = field(default_factory=Denied)
    hosts: tuple[str, ...] = ()
    restoring: Restoring = field(default_factory=Restoring)

    def __post_init__(self) -> None:
        rules = _everywhere(self.rules) if self.restoring.to_model else dict(self.rules)
        object.__setattr__(self, "rules", MappingProxyType(rules))

    def uses(self, action: Action) -> bool:
        """True if this may become of a finding, in any stage."""
        return any(rule.action == action for rule in self.rules.values())

    def rule(self, stage: Stage, label: str) -> Rule:
        return self.rules.get((stage, label), KEEP)

    def action(self, stage: Stage, label: str, score: float) -> Action | None:
        """What to do with a finding; None drops it."""
        rule = self.rule(stage, label)
        return rule.action if score >= rule.threshold else None

    def acts_on(self, stage: Stage, labels: Iterable[str]) -> bool:
        """True if any of these labels would be masked or blocked in this stage."""
        return any(self.rule(stage, label).action != "keep" for label in labels)

    def with_rule(self, label: str, rule: Rule, stages: Iterable[Stage] = STAGES) -> Policy:
        """A copy where `label` follows `rule` in the given stages."""
        changed = {(stage, label): rule for stage in stages}
        return replace(self, rules={**self.rules, **changed})

    def with_hosts(self, hosts: Iterable[str]) -> Policy:
        """A copy where links may also lead to these."""
        return replace(self, hosts=tuple(dict.fromkeys((*self.hosts, *hosts))))


def _everywhere(rules: Rules) -> dict[tuple[Stage, str], Rule]:
    """With a pseudonym in every stage for what has one in any, unless it is hidden better there."""
    named = {label: rule for (_, label), rule in rules.items() if rule.action == "pseudonym"}
    wider = {(stage, label): rule for stage in STAGES for label, rule in named.items()}
    stricter = {place: rule for place, rule in rules.items() if rule.action != "keep"}
    return {**rules, **wider, **stricter}
