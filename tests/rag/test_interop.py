"""LangChain's seams: a retriever, a chat model and a runnable that behave as LangChain expects."""

from __future__ import annotations

import importlib
import os

import pytest
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage

import rag.interop as interop
from ingest.conditions import Condition
from ingest.testing import HashEmbedder
from rag.config import RetrieveConfig
from rag.engines.scripted import ScriptedEngine
from rag.retrieve import Retriever
from rag.types import Message


class OneChunk:
    """An index with one chunk."""

    def dense(self, vector, k, groups):  # type: ignore[no-untyped-def]
        from ingest.types import Hit

        return [Hit(1, 0.9)]

    def lexical(self, terms, k, groups, rows=None):  # type: ignore[no-untyped-def]
        return []

    def similarity(self, vector, rows):  # type: ignore[no-untyped-def]
        return [0.9 for _ in rows]

    def families(self, rows):  # type: ignore[no-untyped-def]
        return {}

    def chunks(self, rows):  # type: ignore[no-untyped-def]
        from ingest.types import StoredChunk

        return [StoredChunk(1, "c", "d", "d.md", "Title", 3, 8, "words", ("A",), 2, frozenset())]


def test_retriever_gives_documents_with_their_place() -> None:
    inner = Retriever(OneChunk(), HashEmbedder(), RetrieveConfig())
    found = interop.SurefootRetriever(retriever=inner).invoke("words?")
    assert found[0].page_content == "words"
    assert found[0].metadata["page"] == 2
    assert (found[0].metadata["start"], found[0].metadata["end"]) == (3, 8)


def test_retriever_passes_conditions_on() -> None:
    where = (Condition("author", "Ng"),)
    asked: list[tuple[Condition, ...]] = []

    class Narrow(OneChunk):
        def among(self, where):  # type: ignore[no-untyped-def]
            asked.append(where)
            return self

    inner = Retriever(Narrow(), HashEmbedder(), RetrieveConfig())
    assert interop.SurefootRetriever(retriever=inner, where=where).invoke("words?")
    assert asked == [where]


def test_chat_model_invokes_and_streams() -> None:
    engine = ScriptedEngine(["Nine o'clock sharp."])
    model = interop.SurefootChatModel(engine=engine)
    assert (
        model.invoke([SystemMessage("s"), HumanMessage("When?")]).content == "Nine o'clock sharp."
    )
    assert "".join(str(part.content) for part in model.stream("When?")) == "Nine o'clock sharp."
    assert engine.asked[0] == (Message("system", "s"), Message("user", "When?"))


def test_an_unknown_role_is_an_error() -> None:
    with pytest.raises(ValueError, match="tool"):
        interop.as_message(ToolMessage("x", tool_call_id="1"))


def test_hosted_tracing_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    importlib.reload(interop)
    assert os.environ["LANGSMITH_TRACING"] == "false"
