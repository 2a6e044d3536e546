"""The JSON of the OpenAI-compatible routes. Surefoot's own fields ride in `surefoot`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rag.types import Dropped, Finding
from ui.api.wire import MOST_MESSAGES, Body, Conditions, Groups, PassageReply, SentenceReply

FinishReason = Literal["stop", "length", "content_filter"]


class Lenient(BaseModel):
    """A request's body that may hold fields for other servers; they are named in the answer."""

    model_config = ConfigDict(extra="allow")


class TextPart(Lenient):
    type: Literal["text"]
    text: str


class ChatMessage(Lenient):
    """A message. What a system or developer message says is not obeyed, and named as ignored."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[TextPart] | None = None

    @property
    def text(self) -> str:
        """The content as one text."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class StreamOptions(Lenient):
    include_usage: bool = False


class Options(Body):
    """What Surefoot takes beyond the OpenAI API, in the request's field `surefoot`."""

    passages: bool = False
    groups: Groups = None
    where: Conditions = Field(default_factory=list)


class ChatBody(Lenient):
    """A chat completion. The last user message is the question, what is before it the history."""

    model: Annotated[str, Field(max_length=200)]
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MOST_MESSAGES)]
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    seed: int | None = None
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    n: Literal[1] | None = 1
    user: Annotated[str, Field(max_length=500)] | None = None
    surefoot: Options = Options()


class PromptDetails(BaseModel):
    """`cached_tokens` of the prompt were in the model's cache."""

    cached_tokens: int


class Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails


class Extension(BaseModel):
    """What Surefoot knows of an answer beyond its text.

    `ignored` names what of the request was not obeyed. `passages` are there if they were asked for.
    """

    status: Literal["answered", "abstained", "blocked"]
    cause: str | None
    sentences: list[SentenceReply]
    findings: list[Finding]
    withheld: int
    dropped: list[Dropped]
    timings_ms: dict[str, float]
    trace: str
    searched: str
    ignored: list[str]
    passages: list[PassageReply] = []


class ReplyMessage(BaseModel):
    role: Literal["assistant"]
    content: str
    refusal: None = None
    surefoot: Extension


class Choice(BaseModel):
    index: int
    message: ReplyMessage
    finish_reason: FinishReason
    logprobs: None = None


class ChatReply(BaseModel):
    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Usage


class ModelFacts(BaseModel):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelsReply(BaseModel):
    object: Literal["list"]
    data: list[ModelFacts]


Text = Annotated[str, Field(min_length=1, max_length=100_000)]


class EmbeddingBody(Lenient):
    """Texts to vectors of the base's embedder. Token arrays are not taken."""

    model: Annotated[str, Field(max_length=200)]
    input: Text | Annotated[list[Text], Field(min_length=1, max_length=256)]
    encoding_format: Literal["float", "base64"] | None = "float"
    dimensions: int | None = None


class Embedding(BaseModel):
    """`embedding` is a list of floats, or little-endian float32 in base64."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingUsage(BaseModel):
    prompt_tokens: int
    total_tokens: int


class EmbeddingsReply(BaseModel):
    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage


def unknown_fields(body: ChatBody) -> list[str]:
    """What the request holds that nothing here obeys, by name."""
    extra: dict[str, Any] = body.model_extra or {}
    roles = {message.role for message in body.messages} - {"user", "assistant"}
    return sorted(extra) + [f"messages of the role {role}" for role in sorted(roles)]
