"""What becomes of a finding: (stage, label) to keep, redact or block, above a threshold.

Personal data that reaches a person or an account is redacted in passages and answers. In a
question it stays: the asker typed it, and the answer may hang on it. Names, places and dates are
reported and kept, because documents cannot be asked about without them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from rag.errors import ConfigError
from rag.types import Action, Stage

STAGES: tuple[Stage, ...] = ("question", "passage", "answer")

CONTACT = (
    "EMAIL_ADDRESS",
    "PHONE_NUMBER",
    "STREET_ADDRESS",
    "IP_ADDRESS",
    "MAC_ADDRESS",
)
ACCOUNT = ("CREDIT_CARD", "IBAN_CODE", "BANK_ACCOUNT", "CRYPTO")
IDENTITY = (
    "US_SSN",
    "NATIONAL_ID",
    "TAX_ID",
    "HEALTH_ID",
    "PASSPORT",
    "DRIVER_LICENSE",
    "DATE_OF_BIRTH",
)
CREDENTIAL = ("API_KEY", "PRIVATE_KEY", "SECRET", "PASSWORD")
PERSONAL = CONTACT + ACCOUNT + IDENTITY + CREDENTIAL

NER_LABELS = ("PERSON", "LOCATION", "ORGANIZATION", "NRP", "DATE_TIME")

MODERATION = (
    "SEXUAL",
    "HATE",
    "VIOLENCE",
    "HARASSMENT",
    "SELF_HARM",
    "SEXUAL_MINORS",
    "HATE_THREATENING",
    "VIOLENCE_GRAPHIC",
    "HARM",
)
ILLICIT = "ILLICIT"
INJECTION = "PROMPT_INJECTION"


@dataclass(frozen=True, slots=True)
class Rule:
    """The action for findings whose score is at least `threshold`; below it they are dropped."""

    action: Action
    threshold: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.threshold <= 1.0:
            raise ConfigError("threshold", f"{self.threshold} is not between 0 and 1")


Rules = Mapping[tuple[Stage, str], Rule]


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules by stage and label; a label without a rule is kept. `off` disables the guard."""

    rules: Rules = field(default_factory=dict)
    off: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "rules", MappingProxyType(dict(self.rules)))

    def action(self, stage: Stage, label: str, score: float) -> Action | None:
        """What to do with a finding; None drops it."""
        rule = self.rules.get((stage, label), _KEEP)
        return rule.action if score >= rule.threshold else None

    def acts_on(self, stage: Stage, labels: Iterable[str]) -> bool:
        """True if any of these labels would be redacted or blocked in this stage."""
        return any(self.rules.get((stage, label), _KEEP).action != "keep" for label in labels)

    def with_rule(self, label: str, rule: Rule, stages: Iterable[Stage] = STAGES) -> Policy:
        """A copy where `label` follows `rule` in the given stages."""
        changed = {(stage, label): rule for stage in stages}
        return replace(self, rules={**self.rules, **changed})


_KEEP = Rule("keep")
_PII_THRESHOLD = 0.5


def _default_rules() -> dict[tuple[Stage, str], Rule]:
    rules: dict[tuple[Stage, str], Rule] = {}
    for label in PERSONAL:
        rules["question", label] = Rule("keep", _PII_THRESHOLD)
        rules["passage", label] = Rule("redact", _PII_THRESHOLD)
        rules["answer", label] = Rule("redact", _PII_THRESHOLD)
    for label in MODERATION:
        rules["question", label] = Rule("block")
        rules["passage", label] = Rule("redact")
        rules["answer", label] = Rule("block")
    # A request for wrongdoing is refused; a document or answer about it may be honest knowledge.
    rules["question", ILLICIT] = Rule("block")
    rules["question", INJECTION] = Rule("block")
    rules["passage", INJECTION] = Rule("redact")
    # An answer that repeats an attack is not dangerous to its reader as a whole; the sentence is.
    rules["answer", INJECTION] = Rule("redact")
    return rules


DEFAULT = Policy(_default_rules())
OFF = Policy(off=True)
