"""What an answer tells about the service: pure functions from Answer to numbers and fixed words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ingest.errors import KnowledgeBaseError
from rag.errors import EngineError, PromptTooLong
from rag.gate import NO_ANSWER, NOT_EVERY, NOTHING_PASSED, ONCE_MORE
from rag.history import FACTS_KEPT, SHARE_FULL
from rag.prompt import FAR, FULL
from rag.telemetry.labels import ACTIONS, FILTERS, FINDING_STAGES, FINDINGS, OTHER, among
from rag.types import Answer, Dropped, Sentence

Retrieval = Literal["hit", "near_miss", "empty"]
Causes = Mapping[str, str]

STAGES = (
    "guard_question",
    "retrieve",
    "guard_passages",
    "budget",
    "check",
    "generate",
    "regenerate",
)
FINISH = "finish"
STOPPED = "stopped"

# Why an answer ended as it did, in one word; the sentences are the pipeline's.
CAUSES: Causes = {
    "no passage comes near the question": "nothing_near",
    "the passages do not seem to answer this": "not_trusted",
    NO_ANSWER: "model_declined",
    NOTHING_PASSED: "unsupported",
    NOT_EVERY: "unsupported",
    ONCE_MORE: "made_once_more",
    "stopped by the reader": STOPPED,
}
WHYS: Causes = {
    FULL: "budget_full",
    FAR: "less_relevant",
    SHARE_FULL: "history_full",
    FACTS_KEPT: "history_shortened",
    "instructions or harmful content in a document": "unsafe_passage",
}
RULE, FILTER_ERROR, NONE = "rule", "filter_error", "none"
FAILURES = ("engine", "tokenizer", "memory", "knowledge_base", "prompt_too_long", "left", OTHER)
# Not the service's doing: the reader left, or asked more than a window holds.
NOT_OURS = ("left", "prompt_too_long")


@dataclass(frozen=True, slots=True)
class StageTime:
    """A stage of the pipeline, from and to, in milliseconds since the question."""

    name: str
    start_ms: float
    end_ms: float


@dataclass(frozen=True, slots=True)
class FilterFailure:
    """A safety filter that did not do its work, and how: "timeout" or "error"."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Claims:
    """Sentences that claim something: shown with or without support, or withheld."""

    supported: int
    unsupported: int
    withheld: int


def stage_times(timings_ms: Mapping[str, float]) -> tuple[StageTime, ...]:
    """The stages that ran, in order; what came after the last of them is "finish"."""
    ends = sorted((ms, name) for name, ms in timings_ms.items() if name in STAGES)
    if "total" in timings_ms:
        ends.append((max(timings_ms["total"], ends[-1][0] if ends else 0.0), FINISH))
    starts = [0.0, *(ms for ms, _ in ends)]
    return tuple(
        StageTime(name, start, end) for start, (end, name) in zip(starts, ends, strict=False)
    )


def per_token_ms(answer: Answer) -> float | None:
    """Milliseconds of each token after the first, with the checks made while it was generated."""
    times = answer.timings_ms
    begun, done = times.get("first_token"), times.get("regenerate", times.get("generate"))
    if begun is None or done is None or answer.tokens.completion < 2:
        return None
    return max(0.0, done - begun) / (answer.tokens.completion - 1)


def outcome_cause(answer: Answer) -> str:
    """Why an answer ended as it did, of a fixed set of words."""
    if answer.status == "blocked":
        return FILTER_ERROR if filter_failure(answer) else RULE
    if answer.cause is None:
        return NONE
    return CAUSES.get(answer.cause, OTHER)


def filter_failure(answer: Answer) -> FilterFailure | None:
    """The filter that failed, where that is why an answer is blocked ("filter NAME: KIND")."""
    head, _, kind = (answer.cause or "").partition(": ")
    word, _, name = head.partition(" ")
    if answer.status != "blocked" or word != "filter":
        return None
    return FilterFailure(among(name, FILTERS), kind if kind == "timeout" else "error")


def failure_cause(error: BaseException) -> str:
    """What made an answer fail, of FAILURES."""
    if isinstance(error, GeneratorExit):
        return "left"
    if isinstance(error, PromptTooLong):
        return "prompt_too_long"
    if isinstance(error, EngineError):
        return _engine_failure(error)
    if isinstance(error, KnowledgeBaseError):
        return "knowledge_base"
    if isinstance(error, MemoryError):
        return "memory"
    return "tokenizer" if isinstance(error, UnicodeError) else OTHER


def _engine_failure(error: EngineError) -> str:
    if "out of" in error.problem and "memory" in error.problem:
        return "memory"
    return "tokenizer" if error.engine == "template" else "engine"


def retrieval_of(answer: Answer) -> Retrieval | None:
    """Did retrieval find what an answer could rest on? None where nothing was searched."""
    if "retrieve" not in answer.timings_ms or answer.status == "blocked":
        return None
    if not answer.passages:
        return "empty"
    cited = any(sentence.citations for sentence in answer.sentences)
    return "hit" if cited else "near_miss"


def claims(sentences: Sequence[Sentence], withheld: int, threshold: float) -> Claims:
    """Sentences by what became of them; `threshold` is the least support that counts."""
    supports = [s.support for s in sentences if s.support is not None]
    supported = sum(support >= threshold for support in supports)
    return Claims(supported, len(supports) - supported, withheld)


def finding_counts(answer: Answer) -> Counter[tuple[str, str, str]]:
    """Findings by (stage, label, action), each of a fixed set of words."""
    return Counter(
        (
            among(finding.stage, FINDING_STAGES),
            among(finding.label, FINDINGS),
            among(finding.action, ACTIONS),
        )
        for finding in answer.findings
    )


def losses(dropped: Sequence[Dropped]) -> dict[str, int]:
    """Tokens left out of the prompt, by why."""
    found: dict[str, int] = {}
    for item in dropped:
        why = WHYS.get(item.why, OTHER)
        found[why] = found.get(why, 0) + max(0, item.tokens)
    return found


def cost(prompt: int, completion: int, price_prompt: float, price_completion: float) -> float:
    """What these tokens cost; prices are of 1,000 tokens."""
    return (prompt * price_prompt + completion * price_completion) / 1000


def finish_reason(answer: Answer, max_tokens: int) -> str:
    """Why the model stopped, in the words of the GenAI conventions."""
    if answer.status == "blocked":
        return "content_filter"
    if outcome_cause(answer) == STOPPED:
        return "cancelled"
    return "length" if answer.tokens.completion >= max_tokens else "stop"
