"""The JSON of Surefoot's own routes, for the OpenAPI document and for what comes in.

What goes out is made by `ui.view`; a test holds these models to it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rag.types import Citation, Finding, Flag, ModelRef, TokenUse

LONGEST_QUESTION = 20_000
LONGEST_NAME = 80
MOST_MESSAGES = 200

# Server-sent events, each with JSON in `data`, as OpenAPI describes them.
EVENTS: dict[str, Any] = {
    "text/event-stream": {
        "schema": {
            "type": "object",
            "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
            "required": ["data"],
        }
    }
}
Question = Annotated[
    str, Field(min_length=1, max_length=LONGEST_QUESTION, pattern=r"\S", description="In words.")
]
Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME, pattern=r"\S")]
Groups = Annotated[
    list[Annotated[str, Field(max_length=200)]] | None,
    Field(max_length=100, description="Some of the key's groups; all of them if left out."),
]
Conditions = Annotated[
    list[Annotated[str, Field(max_length=500)]],
    Field(max_length=20, description="KEY=VALUE, KEY>=VALUE or KEY<=VALUE; all have to hold."),
]


class Body(BaseModel):
    """A request's body; a field that is not known is an error."""

    model_config = ConfigDict(extra="forbid")


class ErrorFacts(BaseModel):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorReply(BaseModel):
    """Why nothing was done, in the form that clients of the OpenAI API know."""

    error: ErrorFacts


class Turn(Body):
    """An earlier message of the conversation."""

    role: Literal["user", "assistant"]
    content: Annotated[str, Field(max_length=200_000)]


class AskBody(Body):
    """A question. Give `history`, or the name of a `conversation` that the server keeps."""

    question: Question
    history: Annotated[list[Turn], Field(max_length=MOST_MESSAGES)] = []
    conversation: Name | None = None
    where: Conditions = Field(default_factory=list)
    groups: Groups = None
    stream: bool = False


class SearchBody(Body):
    question: Question
    top: Annotated[int, Field(ge=1, le=100)] = 10
    where: Conditions = Field(default_factory=list)
    groups: Groups = None


class Parts(BaseModel):
    dense: float
    lexical: float
    rerank: float | None


class PassageReply(BaseModel):
    rank: int
    score: float
    document: str
    path: str
    title: str
    headings: list[str]
    page: int | None
    start: int
    end: int
    text: str
    parts: Parts
    linked: bool
    also: list[str]
    older: list[str]


class SearchReply(BaseModel):
    passages: list[PassageReply]


class SentenceReply(BaseModel):
    """A sentence that was shown, with the characters of the documents that support it.

    `flags` are its numbers, dates, names and quotations that stand in no passage.
    """

    text: str
    support: float | None
    citations: list[Citation]
    flags: list[Flag]


class AnswerReply(BaseModel):
    """What `surefoot ask --json` prints; `trace` is the id for /traces and /feedback."""

    status: Literal["answered", "abstained", "blocked"]
    answer: str
    cause: str | None
    withheld: int
    sentences: list[SentenceReply]
    passages: list[PassageReply]
    findings: list[Finding]
    tokens: TokenUse
    timings_ms: dict[str, float]
    model: ModelRef
    signals: dict[str, float]
    trace: str
    searched: str
    where: str = ""


class DocumentReply(BaseModel):
    """A document of the base; `near` are documents with almost the same text."""

    document: str
    path: str
    title: str
    chunks: int
    groups: list[str]
    sha256: str
    bytes: int
    characters: int
    ingested_at: str
    paths: list[str]
    identities: list[str]
    metadata: dict[str, str]
    near: list[str]
    near_count: int


class DocumentsReply(BaseModel):
    documents: list[DocumentReply]


class Reason(BaseModel):
    path: str
    reason: str


class UploadReply(BaseModel):
    """What became of an upload; `documents` are the ids of what was taken in."""

    added: int
    updated: int
    unchanged: int
    removed: int
    duplicates: int
    failed: list[Reason]
    chunks: int
    seconds: float
    documents: list[str]


class ForgottenReply(BaseModel):
    """What was forgotten, counted by place, and the signed receipt."""

    documents: list[str]
    removed: dict[str, int]
    generation: int
    receipt: dict[str, Any]


class FeedbackBody(Body):
    """What a reader thinks of an answer. All but a good one go to review."""

    trace: Annotated[str, Field(max_length=100)]
    verdict: Literal["good", "bad", "flag"]
    reason: Annotated[str, Field(max_length=1000)] = ""


class FeedbackReply(BaseModel):
    """`item` is its number in the review queue, if it went there."""

    noted: bool
    item: int | None


class ConversationReply(BaseModel):
    name: str
    created: str
    updated: str
    turns: int


class ConversationsReply(BaseModel):
    conversations: list[ConversationReply]


class Removed(BaseModel):
    removed: bool


class Health(BaseModel):
    status: Literal["ok", "warming", "ready", "draining"]
