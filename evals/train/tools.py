"""What the training scripts share beside the fitting: the embedder and the written weights."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from ingest.embed import SentenceEmbedder
from ingest.encoders.arithmetic import Arithmetic
from rag.safety.build import WEIGHTS
from rag.safety.heads import Heads, save_heads


def load_embedder(folder: Path, arithmetic: Arithmetic | None = None) -> SentenceEmbedder:
    """The sentence embedder in `folder`, named by the hash of its weights."""
    digest = sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    return SentenceEmbedder(folder, "all-minilm-l6-v2", digest, arithmetic=arithmetic)


def write_weights(name: str, heads: Heads, figures: Sequence[str]) -> None:
    """Writes the weights, and the figures of the fit beside them; prints the figures."""
    save_heads(heads, WEIGHTS / f"{name}.safetensors")
    cut = [f"{k} {v:.4f}" for k, v in zip(heads.labels, heads.thresholds, strict=True)]
    lines = [
        f"Fitted {datetime.date.today().isoformat()} on embedder {heads.embedder}.",
        "",
        "Thresholds: " + ", ".join(cut) + f"; gate {heads.gate_threshold:.4f}.",
        "",
        *(f"- {line}" for line in figures),
    ]
    text = "\n".join(lines) + "\n"
    (WEIGHTS / f"{name}.figures.md").write_text(text, encoding="utf-8")
    print(text)
