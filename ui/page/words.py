"""What the page calls things: labels, stages, actions. Pure."""

from __future__ import annotations

from rag.safety.policy import INJECTION
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
}
PLACES: dict[Stage, str] = {
    "question": "the question",
    "passage": "the passages",
    "answer": "the answer",
}
ACTIONS: dict[Action, str] = {"keep": "left as is", "redact": "hidden", "block": "blocked"}
TIMES = {
    "guard_question": "question checked",
    "retrieve": "documents searched",
    "guard_passages": "passages checked and read",
    "budget": "prompt packed",
    "first_token": "first token",
    "first_shown": "first sentence shown",
    "generate": "writing ended",
    "regenerate": "writing once more ended",
    "total": "whole answer",
}
# What goes on after a stage has ended.
NEXT = {
    "": "Loading the model",
    "loaded": "Checking the question",
    "guard_question": "Searching the documents",
    "retrieve": "Reading what was found",
    "guard_passages": "Choosing what fits the prompt",
    "budget": "Writing, and checking each sentence",
}
STOPPING = "Stopping"


def label_name(label: str) -> str:
    """What people call a finding's label: "EMAIL_ADDRESS" is "e-mail"."""
    return _NAMES.get(label, label.replace("_", " ").lower())
