"""Surefoot for LangChain: assistant as Runnable, engines as chat models, search as a retriever.

Nothing of ours imports this file. Tracing to a hosted service is off here, whatever the environment
says: a question is not sent anywhere by being asked.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from threading import Event
from typing import Any

# Before langchain-core is loaded, which reads them.
os.environ["LANGSMITH_TRACING"] = "false"
os.environ["LANGCHAIN_TRACING_V2"] = "false"

from langchain_core.callbacks import CallbackManagerForLLMRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableLambda
from pydantic import ConfigDict, SkipValidation

from ingest.conditions import Where
from rag.pipeline import Assistant
from rag.retrieve import Retriever
from rag.types import Answer, Decoding, Engine, Message, Passage, Role

ROLES: dict[str, Role] = {"system": "system", "human": "user", "ai": "assistant"}


def as_runnable(
    assistant: Assistant, groups: frozenset[str] = frozenset()
) -> Runnable[str, Answer]:
    """A Runnable from a question to its Answer."""
    return RunnableLambda(lambda question: assistant.answer(question, groups=groups))


class SurefootRetriever(BaseRetriever):
    """Our search as a LangChain retriever; a passage's fields become metadata.

    With `where`, only passages of which every condition holds (see `rag.retrieve`).
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    retriever: Retriever
    groups: frozenset[str] = frozenset()
    top: int | None = None
    where: Where = ()

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002
    ) -> list[Document]:
        passages = self.retriever.retrieve(query, self.groups, self.top, self.where)
        return [as_document(passage) for passage in passages]


class SurefootChatModel(BaseChatModel):
    """An engine as a LangChain chat model. Its output is the model's own: no guard stands here."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    engine: SkipValidation[Engine]
    max_tokens: int = 256
    temperature: float = 0.0
    seed: int = 0

    @property
    def _llm_type(self) -> str:
        return "surefoot"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **_: Any,
    ) -> ChatResult:
        chunks = self._stream(messages, stop, run_manager)
        text = "".join(str(chunk.message.content) for chunk in chunks)
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=text))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **_: Any,
    ) -> Iterator[ChatGenerationChunk]:
        decoding = Decoding(
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            seed=self.seed,
            stop=tuple(stop or ()),
        )
        asked = [as_message(message) for message in messages]
        for token in self.engine.stream(asked, decoding, Event()):
            if not token.text:
                continue
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=token.text))
            if run_manager:
                run_manager.on_llm_new_token(token.text, chunk=chunk)
            yield chunk


def as_document(passage: Passage) -> Document:
    """A passage as a LangChain Document."""
    metadata = {
        "document": passage.document,
        "path": passage.path,
        "title": passage.title,
        "headings": list(passage.headings),
        "page": passage.page,
        "start": passage.start,
        "end": passage.end,
        "score": passage.score,
    }
    return Document(page_content=passage.text, metadata=metadata)


def as_message(message: BaseMessage) -> Message:
    """A LangChain message as ours. Raises ValueError for roles that engines do not know."""
    role = ROLES.get(message.type)
    if role is None:
        raise ValueError(f"messages of type {message.type!r} are not supported")
    return Message(role, str(message.content))
