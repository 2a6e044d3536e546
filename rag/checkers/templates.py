"""What published checkers are given to read: the wording that each was trained on. Pure."""

from __future__ import annotations

from collections.abc import Sequence

HHEM = (
    "<pad> Determine if the hypothesis is true given the premise?\n\n"
    "Premise: {premise}\n\nHypothesis: {claim}"
)
MINICHECK_T5 = "predict: {premise}{end}{claim}"
MINICHECK_ENCODER = "{premise}{end}{claim}"
LETTUCE_QUESTION = (
    "Briefly answer the following question:\n{question}\n"
    "Bear in mind that your response should be strictly based on the following {count} passages:\n"
    "{passages}\n"
    "In case the passages do not contain the necessary information to answer the question, "
    'please reply with: "Unable to answer based on given passages."\noutput:'
)
LETTUCE_SUMMARY = "Summarize the following text:\n{passages}\noutput:"


def hhem(premise: str, claim: str) -> str:
    """HHEM-2.1-Open's prompt: `prompt` of the model's `configuration_hhem_v2.py`."""
    return HHEM.format(premise=premise, claim=claim)


def minicheck_t5(premise: str, claim: str, end: str) -> str:
    """MiniCheck-Flan-T5's, by `Inferencer.batch_tokenize` of Liyan06/MiniCheck.

    `end` is the tokenizer's end-of-text token.
    """
    return MINICHECK_T5.format(premise=premise, claim=claim, end=end)


def minicheck_encoder(premise: str, claim: str, end: str) -> str:
    """MiniCheck-RoBERTa's and MiniCheck-DeBERTa's, by the same function: without "predict:"."""
    return MINICHECK_ENCODER.format(premise=premise, claim=claim, end=end)


def lettucedetect(passages: Sequence[str], question: str) -> str:
    """LettuceDetect's first text, by `PromptUtils.format_context` of KRLabsOrg/LettuceDetect.

    The answer is the second text of the pair. Without a question, the task is to summarise.
    """
    numbered = "\n".join(f"passage {n}: {text}" for n, text in enumerate(passages, start=1))
    if not question.strip():
        return LETTUCE_SUMMARY.format(passages=numbered)
    return LETTUCE_QUESTION.format(question=question, count=len(passages), passages=numbered)
