"""What filters call what they find, in the groups that a policy may name. A leaf."""

from __future__ import annotations

from collections.abc import Mapping

from rag.types import Stage

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
# What is told of people beside their names; kept unless a policy says otherwise.
DETAILS = ("AGE", "TITLE", "URL")

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
LINKS = ("EXTERNAL_LINK", "EXTERNAL_IMAGE", "HTML_TAG")
DENIED = "DENIED"

GROUPS: Mapping[str, tuple[str, ...]] = {
    "contact": CONTACT,
    "account": ACCOUNT,
    "identity": IDENTITY,
    "credential": CREDENTIAL,
    "names": NER_LABELS,
    "details": DETAILS,
    "moderation": MODERATION,
    "illicit": (ILLICIT,),
    "injection": (INJECTION,),
    "links": LINKS,
    "denied": (DENIED,),
}
LABELS = tuple(label for labels in GROUPS.values() for label in labels)
# Spans that stand for something in a sentence, which reads on without them.
SPANS = frozenset({*PERSONAL, *NER_LABELS, *DETAILS, *LINKS, DENIED})


def expanded(word: str) -> tuple[str, ...]:
    """The labels that a group's name or a label means; () for a word that is neither."""
    return GROUPS.get(word) or ((word,) if word in LABELS else ())
