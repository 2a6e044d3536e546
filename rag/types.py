"""The currency of answering: passages, findings, verdicts, sentences, answers. A leaf.

All offsets are character offsets, end exclusive. Findings never hold the text they are about.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Event
from typing import Literal, Protocol, runtime_checkable

Stage = Literal["question", "passage", "answer"]
Action = Literal["keep", "redact", "hash", "pseudonym", "block"]
FilterStatus = Literal["ok", "error", "skipped"]
AnswerStatus = Literal["answered", "abstained", "blocked"]
Role = Literal["system", "user", "assistant"]
FlagKind = Literal["number", "date", "name", "quotation"]


class Decision(StrEnum):
    """What may happen to a text: shown as it is, shown without its redacted spans, or not shown."""

    ALLOW = "ALLOW"
    REDACT = "REDACT"
    BLOCK = "BLOCK"


@dataclass(frozen=True, slots=True)
class Finding:
    """A span that a filter reports, of `document` if of a passage. `action` is the policy's."""

    stage: Stage
    label: str
    start: int
    end: int
    score: float
    source: str
    action: Action = "keep"
    document: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The guard's decision about one text. `text` is what may be shown ("" when blocked)."""

    decision: Decision
    text: str
    findings: tuple[Finding, ...] = ()
    status: FilterStatus = "ok"
    cause: str | None = None


class Filter(Protocol):
    """Finds spans in a text. Raising, or taking too long, blocks the text."""

    @property
    def name(self) -> str: ...

    def find(self, text: str, stage: Stage) -> Sequence[Finding]: ...


@dataclass(frozen=True, slots=True)
class Released:
    """One segment that has left the stream guard: raw characters `start:end` of the answer.

    `text` is what may be shown. A blocked segment has text "" and is the last one.
    """

    index: int
    start: int
    end: int
    text: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Fact:
    """A sentence that was shown, and the name of the document that it rests on ("": unknown)."""

    text: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Recalled(Message):
    """A message of a stored conversation: the number of its turn, and its sentences."""

    turn: int
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class Decoding:
    """How the next token is chosen. temperature 0 is greedy; `max_tokens` bounds the answer.

    `beams` over 1 are for engines that search with them; others raise EngineError.
    """

    max_tokens: int = 256
    temperature: float = 0.0
    top_k: int = 40
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    beams: int = 1


@dataclass(frozen=True, slots=True)
class Token:
    """A generated token: its text (may be "" inside a character) and natural-log probability."""

    text: str
    id: int
    logprob: float


class Engine(Protocol):
    """A causal LM that serves chat messages. Counts are exact: its own tokenizer and template."""

    @property
    def name(self) -> str: ...

    @property
    def sha256(self) -> str: ...

    @property
    def window(self) -> int: ...

    def count_tokens(self, messages: Sequence[Message]) -> int: ...

    def stream(
        self, messages: Sequence[Message], decoding: Decoding, cancel: Event
    ) -> Generator[Token, None, None]: ...

    def score(self, messages: Sequence[Message], choices: Sequence[str]) -> list[float]: ...


@dataclass(frozen=True, slots=True)
class TextScore:
    """Natural-log probabilities of a text's tokens, each given what stands before it.

    `bytes` are the UTF-8 bytes of the scored part: by them, models of different tokenizers compare.
    """

    logprobs: tuple[float, ...]
    tokens: int
    bytes: int


@runtime_checkable
class ScoresText(Protocol):
    """An engine that says how likely a raw text is, without a chat template.

    Longer texts are read by a sliding window; stride 0 is half the window. The first token is
    scored where the model's tokenizer puts a beginning-of-text token before it. Raises EngineError,
    also when `cancel` is set before it is done.
    """

    def token_logprobs(
        self, text: str, stride: int = 0, cancel: Event | None = None
    ) -> TextScore: ...


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk as retrieved. `text` equals the document's characters `start:end`.

    `score` is the fused score in [0, 1]; `dense` is a cosine, `lexical` a BM25 score. `also` are
    documents that say almost the same here and gave up their place; `score` is the best of theirs.
    `older` are those of them that bear an earlier date. `rerank` is the second stage's own score,
    None where it did not read the passage. A `linked` passage was found by what a better one names.
    """

    rank: int
    score: float
    dense: float
    lexical: float
    document: str
    path: str
    title: str
    headings: tuple[str, ...]
    page: int | None
    start: int
    end: int
    text: str
    groups: frozenset[str] = frozenset()
    also: tuple[str, ...] = ()
    older: tuple[str, ...] = ()
    rerank: float | None = None
    linked: bool = False


@dataclass(frozen=True, slots=True)
class Citation:
    """Evidence for a sentence: `quote` equals the document's characters `start:end`."""

    document: str
    path: str
    page: int | None
    start: int
    end: int
    quote: str


@dataclass(frozen=True, slots=True)
class Flag:
    """Characters `start:end` of a sentence that stand in no passage, nor in the question."""

    kind: FlagKind
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Sentence:
    """One shown segment with its support in [0, 1] and the characters that support it.

    `support` is None where a segment claims nothing (a greeting, a heading, a notice).
    """

    text: str
    support: float | None
    citations: tuple[Citation, ...] = ()
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True, slots=True)
class Dropped:
    """Something that was left out of the prompt, its size and why.

    `turn` numbers the turn of the conversation that it is about, from 1, if it is about one;
    `kept` are the tokens of that turn that stayed, 0 where all of it went.
    """

    what: str
    tokens: int
    why: str
    turn: int | None = None
    kept: int = 0


@dataclass(frozen=True, slots=True)
class TokenUse:
    """Counts, `exact` by the serving model's tokenizer and template; `cached` were read before."""

    prompt: int
    completion: int
    window: int
    dropped: tuple[Dropped, ...] = ()
    cached: int = 0
    exact: bool = True


@dataclass(frozen=True, slots=True)
class ModelRef:
    """Which model answered."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The whole outcome of one question. `text` is exactly what was shown.

    `signals` are what the decision to answer rested on (see `rag.abstain`). `where` are the
    conditions that passages had to meet, joined by " and ". `searched` is what was searched for:
    the question, then words of the conversation's topic. Each is "" for none. `asked` is the
    question as the guard let it pass.
    """

    status: AnswerStatus
    text: str
    sentences: tuple[Sentence, ...]
    passages: tuple[Passage, ...]
    findings: tuple[Finding, ...]
    tokens: TokenUse
    timings_ms: Mapping[str, float]
    model: ModelRef
    trace: str
    cause: str | None = None
    withheld: int = 0
    signals: Mapping[str, float] = field(default_factory=dict)
    where: str = ""
    searched: str = ""
    asked: str = ""


@dataclass(frozen=True, slots=True)
class StageDone:
    """A stage of the pipeline has finished, `ms` after the question came."""

    stage: str
    ms: float


@dataclass(frozen=True, slots=True)
class Shown:
    """A sentence that the reader may see now. What was shown is never taken back.

    `tokens` are what the model wrote of it, without those of anything hidden.
    """

    sentence: Sentence
    tokens: tuple[Token, ...] = ()


AnswerEvent = StageDone | Shown | Answer
