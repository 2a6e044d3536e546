"""What runs a model folder on this machine."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ingest.encoders.arithmetic import Arithmetic
from ingest.encoders.bert import BertConfig, read_bert
from ingest.encoders.graph import GraphEncoder, GraphTokens, open_graph, open_graph_tokens
from ingest.encoders.sentence import (
    SentenceEncoder,
    SentenceTokens,
    open_sentence,
    open_sentence_tokens,
)

_NVIDIA = (Path("/dev/nvidiactl"), Path("/dev/dxg"))


def open_encoder(
    folder: Path, sha256: str, tokenizer: Any, bulk: bool, arithmetic: Arithmetic | None = None
) -> GraphEncoder | SentenceEncoder:
    """Torch where there is a GPU, else OpenVINO for a model it knows, else torch.

    Raises OSError, ValueError, KeyError where the folder holds no model that can be loaded.
    """
    config = _graph_config(folder)
    if config is None:
        return open_sentence(folder)
    return open_graph(folder, config, sha256, tokenizer, arithmetic, bulk)


def open_tokens(
    folder: Path, sha256: str, tokenizer: Any, arithmetic: Arithmetic | None = None
) -> GraphTokens | SentenceTokens:
    """The same choice, for a vector of each token. Raises as `open_encoder` does."""
    config = _graph_config(folder)
    if config is None:
        return open_sentence_tokens(folder)
    return open_graph_tokens(folder, config, sha256, tokenizer, arithmetic)


def _graph_config(folder: Path) -> BertConfig | None:
    return None if _maybe_gpu() or find_spec("openvino") is None else read_bert(folder)


def _maybe_gpu() -> bool:
    """Asked before torch is loaded: a machine without a GPU's device files never waits for it."""
    if not any(path.exists() for path in _NVIDIA):
        return False
    import torch

    return bool(torch.cuda.is_available())
