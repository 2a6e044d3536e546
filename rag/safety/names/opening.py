"""What finds names, by its name: "" for the shipped tagger, or KIND:MODEL."""

from __future__ import annotations

from pathlib import Path

from rag.errors import ConfigError
from rag.safety.names.types import NameFinder

FIELD = "guard.ner"
KINDS = ("spacy", "hf", "gliner")
WEIGHTS = Path(__file__).parents[1] / "weights" / "names.safetensors"


def parse(name: str) -> tuple[str, str]:
    """(kind, model) of a name; ("", "") for the shipped tagger. Raises ConfigError."""
    if not name.strip():
        return "", ""
    kind, colon, model = name.strip().partition(":")
    if not colon or kind not in KINDS or not model:
        known = ", ".join(f"{known}:MODEL" for known in KINDS)
        raise ConfigError(FIELD, f"{name!r} is none of {known}")
    return kind, model


def open_names(name: str = "") -> NameFinder:
    """The finder that `name` means. Raises ConfigError or FilterError: never one that is blind."""
    kind, model = parse(name)
    if kind == "spacy":
        from rag.safety.names.pipelines import open_spacy

        return open_spacy(model, FIELD)
    if kind == "hf":
        from rag.safety.names.hub import open_hub_names

        return open_hub_names(model, FIELD)
    if kind == "gliner":
        from rag.safety.names.pipelines import open_gliner

        return open_gliner(model, FIELD)
    from rag.safety.names.tagger import Tagger, load_network

    return Tagger(load_network(WEIGHTS))
