"""The policies: those that ship, and the one that a config asks for.

The rules of the shipped ones stand in `policies/*.toml` and nowhere else.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from rag.errors import PolicyError
from rag.safety.labels import (
    ACCOUNT,
    CONTACT,
    CREDENTIAL,
    DENIED,
    DETAILS,
    GROUPS,
    IDENTITY,
    ILLICIT,
    INJECTION,
    LABELS,
    LINKS,
    MODERATION,
    NER_LABELS,
    PERSONAL,
    SPANS,
    STAGES,
)
from rag.safety.policy_file import SHIPPED, parse_policy, read_policy_bytes
from rag.safety.rules import KEEP, MASKED, Allowed, Denied, Policy, Restoring, Rule

if TYPE_CHECKING:
    from rag.safety.settings import GuardConfig

__all__ = [
    "ACCOUNT",
    "CONTACT",
    "CREDENTIAL",
    "DEFAULT",
    "DENIED",
    "DETAILS",
    "GROUPS",
    "IDENTITY",
    "ILLICIT",
    "INJECTION",
    "KEEP",
    "LABELS",
    "LINKS",
    "MASKED",
    "MODERATION",
    "NER_LABELS",
    "OFF",
    "PERSONAL",
    "SHIPPED",
    "SPANS",
    "STAGES",
    "Allowed",
    "Denied",
    "Policy",
    "Restoring",
    "Rule",
    "load_policy",
    "policy_of",
]


def load_policy(name: str, sha256: str = "") -> Policy:
    """A shipped policy, or the one in a file. Raises PolicyError, also if it has another hash."""
    content = read_policy_bytes(name)
    if sha256 and (found := hashlib.sha256(content).hexdigest()) != sha256:
        problem = f"has changed: its sha256 is {found[:16]}..., and {sha256[:16]}... is meant"
        raise PolicyError(name, "", "", problem)
    return parse_policy(content, name)


def policy_of(config: GuardConfig) -> Policy:
    """The policy in force: the named one, with the labels and hosts that the config adds."""
    policy = load_policy(config.policy, config.policy_sha256)
    for label in config.show:
        policy = policy.with_rule(label, KEEP)
    return policy.with_hosts(config.hosts)


DEFAULT = load_policy("balanced")
OFF = Policy(off=True)
