"""What the page calls things: labels, stages, actions. Pure."""

from __future__ import annotations

from rag.gate import NOT_EVERY, NOTHING_PASSED
from rag.safety.labels import DENIED, INJECTION
from rag.types import Action, Stage

_NAMES = {
    "EMAIL_ADDRESS": "e-mail",
    "IP_ADDRESS": "IP address",
    "MAC_ADDRESS": "MAC address",
    "IBAN_CODE": "IBAN",
    "CRYPTO": "wallet address",
    "US_SSN": "social security number",
    "NATIONAL_ID": "national ID",
    "TAX_ID": "tax ID",
    "HEALTH_ID": "health ID",
    "API_KEY": "API key",
    "NRP": "group membership",
    "DATE_TIME": "date or time",
    INJECTION: "instruction to the assistant",
    "URL": "URL",
    "HTML_TAG": "HTML tag",
    DENIED: "denied word",
}
PLACES: dict[Stage, str] = {
    "question": "the question",
    "passage": "the passages",
    "answer": "the answer",
}
ACTIONS: dict[Action, str] = {
    "keep": "left as is",
    "redact": "hidden",
    "hash": "hidden, with a hash",
    "pseudonym": "given another name",
    "block": "blocked",
}
TIMES = {
    "guard_question": "checking the question",
    "retrieve": "searching the documents",
    "guard_passages": "checking and reading passages",
    "budget": "packing the prompt",
    "check": "asking whether it is answered",
    "first_token": "to the first token",
    "first_shown": "to the first sentence shown",
    "generate": "writing and checking",
    "regenerate": "writing once more",
    "total": "whole answer",
}
# What goes on after a stage has ended.
NEXT = {
    "": "Loading the model",
    "loaded": "Checking the question",
    "guard_question": "Searching the documents",
    "retrieve": "Reading what was found",
    "guard_passages": "Choosing what fits the prompt",
    "budget": "Reading, to see whether the answer is there",
    "check": "Writing, and checking each sentence",
}
STOPPING = "Stopping"
FAR = "no passage comes near the question"
_REPHRASE = {
    FAR: "Nothing in the documents comes near this. Their list at the side says what they are "
    "about; a question in their words finds more.",
    NOTHING_PASSED: "Passages came near, but no sentence on it held up against them. Ask for one "
    "thing at a time, in the words that the documents use.",
    NOT_EVERY: "A part of this is in the documents and a part is not. Ask for the parts one by "
    "one.",
}
_ANYWAY = "Name the thing that you mean as the documents do, and ask for one thing at a time."


def rephrase(cause: str | None) -> str:
    """How to ask again after an answer that was not known."""
    return _REPHRASE.get(cause or "", _ANYWAY)


def label_name(label: str) -> str:
    """What people call a finding's label: "EMAIL_ADDRESS" is "e-mail"."""
    return _NAMES.get(label, label.replace("_", " ").lower())
