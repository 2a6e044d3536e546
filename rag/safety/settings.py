"""The config of the stage `[guard]`: which policy rules, and how long a filter may take."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from rag.checked import require
from rag.errors import ConfigError
from rag.safety.classifiers.labels import parse_labels
from rag.safety.classifiers.names import parse_chain
from rag.safety.labels import LABELS
from rag.safety.names.opening import parse as parse_ner
from rag.safety.policy_file import is_shipped, nearest, parse_policy, read_policy_bytes
from rag.safety.policy_lists import host


@dataclass(frozen=True, slots=True)
class GuardConfig:
    """`policy` is a shipped one (strict, balanced, research) or a TOML file like those.

    `policy_sha256` is the hash of that file, "" for a shipped one: with it, a file that has changed
    since is an error, not another policy. `show` lists labels to leave as they are, whatever the
    policy says. Links of an answer may lead to `hosts`, beside those of the policy. `timeout_s`
    bounds the work of all filters together on one text; the one at work then is named.

    `moderation` and `injection` name classifiers, KIND:MODEL (see `rag.safety.classifiers`), in
    place of the shipped heads, "" or "shipped". Of several joined by ">", each is asked only where
    the one before gives a probability from the first of `grey` to under the second. Named ones find
    what is at least as likely as `threshold`; `labels` say what classes of theirs are to us, as
    CLASS=LABEL. `ner` names what finds names of people and places in place of the shipped tagger:
    spacy:FOLDER_OR_PACKAGE, hf:FOLDER_OR_HUB_NAME or gliner:NAME.
    """

    timeout_s: float = 10.0
    show: tuple[str, ...] = ()
    policy: str = "balanced"
    policy_sha256: str = ""
    hosts: tuple[str, ...] = ()
    moderation: str = ""
    injection: str = ""
    grey: tuple[float, float] = (0.2, 0.9)
    threshold: float = 0.5
    labels: tuple[str, ...] = ()
    ner: str = ""

    def __post_init__(self) -> None:
        parse_ner(self.ner)
        require(self.timeout_s > 0, "guard.timeout_s", "must be more than 0 seconds")
        require(bool(self.policy), "guard.policy", "must be named")
        for label in self.show:
            known = f"{label!r} is unknown{nearest(label, LABELS)}"
            require(label in LABELS, "guard.show", known)
        for name in self.hosts:
            _require_host(name)
        self._require_classifiers()

    def pinned(self) -> GuardConfig:
        """The same with the hash of the policy's file.

        Raises PolicyError for a file that can't be used, ConfigError for one that has changed.
        """
        if is_shipped(self.policy):
            return self
        content = read_policy_bytes(self.policy)
        parse_policy(content, self.policy)
        found = hashlib.sha256(content).hexdigest()
        same = self.policy_sha256 in ("", found)
        require(same, "guard.policy", f"{self.policy} has changed: its sha256 is {found[:16]}...")
        return replace(self, policy_sha256=found)

    def _require_classifiers(self) -> None:
        for role in ("moderation", "injection"):
            parse_chain(getattr(self, role), f"guard.{role}")
        parse_labels(self.labels)
        pair = len(self.grey) == 2 and 0.0 <= self.grey[0] <= self.grey[1] <= 1.0
        require(pair, "guard.grey", "must be two numbers from 0 to 1, the lower first")
        inside = pair and self.grey[0] <= self.threshold <= self.grey[1]
        require(inside, "guard.threshold", "must not lie outside guard.grey")


def _require_host(name: str) -> None:
    try:
        host(name)
    except ValueError as error:
        raise ConfigError("guard.hosts", f"{name!r} {error}") from error
