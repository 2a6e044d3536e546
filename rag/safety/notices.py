"""Short, kind, honest notices for what is not shown. They name the reason, never the content."""

from __future__ import annotations

from rag.safety.policy import ILLICIT, INJECTION, MODERATION
from rag.types import Stage, Verdict

_FAILED = {
    "question": "I can't check this question for safety right now, so I won't answer it. "
    "This is a fault on my side, not yours. Please try again.",
    "passage": "One source could not be checked for safety, so it was left out.",
    "answer": "The answer stops here: a safety check failed, and I don't show unchecked text. "
    "Please try again.",
}
_HARM = {
    "question": "I can't help with this as it is put. If you meant something else, "
    "please say it in other words.",
    "passage": "One source was left out because of harmful content.",
    "answer": "The answer stops here: what came next may be harmful.",
}
_INJECTION = {
    "question": "This reads like an instruction to change how I work rather than a question about "
    "the documents, so I did not act on it. Please ask about the documents.",
    "passage": "One source was left out because it tries to give me instructions.",
    "answer": "The answer stops here: what came next repeats instructions hidden in a source.",
}
_OTHER = {
    "question": "A safety rule set for this assistant does not let me answer this question.",
    "passage": "One source was left out because of a safety rule.",
    "answer": "The answer stops here because of a safety rule.",
}
_CARE = (
    " If you are going through a hard time, please talk to someone you trust, or to a helpline "
    "or emergency service where you are."
)


def notice(verdict: Verdict, stage: Stage) -> str:
    """What to tell the reader in place of a blocked text."""
    if verdict.status == "error":
        return _FAILED[stage]
    labels = {finding.label for finding in verdict.findings if finding.action == "block"}
    care = _CARE if "SELF_HARM" in labels and stage != "passage" else ""
    if labels & {*MODERATION, ILLICIT}:
        return _HARM[stage] + care
    return _INJECTION[stage] if INJECTION in labels else _OTHER[stage]
