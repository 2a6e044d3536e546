"""The guard's rules in force, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rag.safety.labels import GROUPS, STAGES
from rag.safety.policy import Policy, Rule, policy_of
from rag.safety.settings import GuardConfig
from ui.console import OUT

_WORDS = {"redact": "mask"}
_WIDTHS = (22, 18, 18, 18)


def policy_json(config: GuardConfig) -> dict[str, Any]:
    """What `surefoot guard --explain --json` prints. Raises PolicyError."""
    policy = policy_of(config)
    return {
        "policy": config.policy,
        "sha256": config.policy_sha256,
        "rules": [
            {"stage": stage, "label": label, "group": group, **asdict(policy.rule(stage, label))}
            for stage in STAGES
            for group, labels in GROUPS.items()
            for label in labels
        ],
        "allow": {**asdict(policy.allowed), "labels": sorted(policy.allowed.labels)},
        "deny": asdict(policy.denied),
        "links": {"hosts": policy.hosts},
        "pseudonyms": {
            "restore_for": sorted(policy.restoring.groups),
            "to_model": policy.restoring.to_model,
        },
    }


def print_policy(config: GuardConfig) -> None:
    """The rules by group, a line for each label that goes another way, and the lists."""
    policy = policy_of(config)
    digest = f"sha256 {config.policy_sha256[:16]}" if config.policy_sha256 else "shipped"
    OUT.print(f"policy {config.policy} ({digest})\n", markup=False)
    _row("", *STAGES)
    for name, rules in _rows(policy):
        _row(name, *map(_said, rules))
    OUT.print()
    for name, value in _lists(policy):
        OUT.print(f"{name:<{_WIDTHS[0]}}{value}", markup=False)


def _rows(policy: Policy) -> Iterator[tuple[str, tuple[Rule, ...]]]:
    for group, labels in GROUPS.items():
        rules = {label: tuple(policy.rule(stage, label) for stage in STAGES) for label in labels}
        ways = list(rules.values())
        common = max(ways, key=ways.count)
        yield group, common
        for label, way in rules.items():
            if way != common:
                yield f"  {label}", way


def _row(*cells: str) -> None:
    line = "".join(f"{cell:<{width}}" for cell, width in zip(cells, _WIDTHS, strict=True))
    OUT.print(line.rstrip(), markup=False)


def _said(rule: Rule) -> str:
    word = _WORDS.get(rule.action, rule.action)
    return f"{word} from {rule.threshold:g}" if rule.threshold else word


def _lists(policy: Policy) -> Iterator[tuple[str, str]]:
    allowed, denied, restoring = policy.allowed, policy.denied, policy.restoring
    yield "public values", _counted(allowed.values)
    yield "public domains", _named(allowed.domains)
    yield "public patterns", _named(allowed.patterns)
    yield "public documents", _named(allowed.documents)
    yield "denied words", _counted(denied.words)
    yield "denied patterns", _named(denied.patterns)
    yield "links may lead to", _named(policy.hosts)
    yield "names restored for", _named(sorted(restoring.groups))
    yield "the model is given", "pseudonyms" if restoring.to_model else "names, where kept"


def _named(items: Any) -> str:
    return ", ".join(items) or "none"


def _counted(items: tuple[str, ...]) -> str:
    return str(len(items)) if items else "none"
