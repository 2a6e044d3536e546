"""spaCy pipelines and GLiNER models as finders of names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from rag.checkers.local import local_folder
from rag.errors import ConfigError
from rag.safety.lean import spacy
from rag.safety.names.kinds import label_of
from rag.safety.names.types import LOCATION, NRP, ORGANIZATION, PERSON, Name

if TYPE_CHECKING:
    from spacy.language import Language

BEHIND = 200
_SCORE = 0.85
_UNUSED = ["tagger", "parser", "attribute_ruler", "lemmatizer", "senter", "morphologizer"]
_MAX_CHARACTERS = 100_000
# What GLiNER is asked for, in words.
_ASKED: Mapping[str, str] = {
    "person": PERSON,
    "location": LOCATION,
    "organization": ORGANIZATION,
    "nationality or religion": NRP,
}


class SpacyNames:
    """Finds names with a spaCy pipeline, which gives no scores of its own."""

    behind = BEHIND

    def __init__(self, nlp: Language) -> None:
        self._nlp = nlp
        self._lock = Lock()

    def find(self, texts: Sequence[str]) -> list[list[Name]]:
        with self._lock:
            return [
                [
                    Name(entity.start_char, entity.end_char, label, _SCORE)
                    for entity in doc.ents
                    if (label := label_of(entity.label_))
                ]
                for doc in self._nlp.pipe(texts, batch_size=64)
            ]


class GlinerNames:
    """Finds names with a GLiNER model (Zaratiana et al. 2024), given the words for their kinds."""

    behind = BEHIND

    def __init__(self, model: Any) -> None:
        self._model = model
        self._lock = Lock()

    def find(self, texts: Sequence[str]) -> list[list[Name]]:
        if not texts:
            return []
        with self._lock:
            found = self._model.inference(list(texts), list(_ASKED), threshold=0.5)
        return [
            [
                Name(int(row["start"]), int(row["end"]), _ASKED[row["label"]], float(row["score"]))
                for row in rows
            ]
            for rows in found
        ]


def open_spacy(name: str, field: str) -> SpacyNames:
    """A pipeline by its folder or package. Raises ConfigError about `field`."""
    folder = Path(name).expanduser()
    try:
        nlp = spacy.load(folder if folder.is_dir() else name, exclude=_UNUSED)
    except Exception as error:
        problem = f"cannot load the spaCy pipeline {name!r} ({type(error).__name__})"
        raise ConfigError(field, problem) from error
    if not any(pipe in nlp.pipe_names for pipe in ("ner", "entity_ruler", "span_ruler")):
        raise ConfigError(field, f"the spaCy pipeline {name!r} finds no entities")
    nlp.max_length = _MAX_CHARACTERS
    return SpacyNames(nlp)


def open_gliner(name: str, field: str) -> GlinerNames:
    """A GLiNER model on this machine. Raises ConfigError about `field`."""
    if find_spec("gliner") is None:
        raise ConfigError(field, f"{name!r} needs the library gliner: pip install gliner")
    folder = local_folder(name, field)
    if not (folder / "model.safetensors").is_file():
        raise ConfigError(field, f"{name!r} has no weights in the form of safetensors")
    library: Any = import_module("gliner")
    try:
        model = library.GLiNER.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        problem = f"cannot load {name!r}: {' '.join(str(error).split())[:200]}"
        raise ConfigError(field, problem) from error
    return GlinerNames(model)
