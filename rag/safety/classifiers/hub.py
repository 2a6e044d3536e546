"""Published text classifiers: one forward pass, a probability for every class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from transformers import AutoModelForSequenceClassification

from rag.checkers.hub import Loaded, Whole, in_batches, load, room
from rag.errors import ConfigError
from rag.safety.classifiers.labels import SEVERAL, combine, map_classes, short
from rag.safety.classifiers.local import weights
from rag.safety.classifiers.names import ClassifierName
from rag.safety.classifiers.parts import parts
from rag.types import Stage

# Where a model that counts distances has no last place of its own.
LONGEST = 512
LEAST_ROOM = 8
MULTI_LABEL = "multi_label_classification"


class HubClassifier:
    """A loaded model whose classes are labels of ours, one tuple a class. Shared by threads.

    Long texts are read in parts, and the likeliest counts.
    """

    def __init__(
        self,
        loaded: Loaded,
        classes: Sequence[tuple[str, ...]],
        several: bool,
        identity: str,
        threshold: float,
    ) -> None:
        self.identity = identity
        self.thresholds: Mapping[str, float] = {
            label: threshold for labels in classes for label in labels
        }
        self._loaded = loaded
        self._classes = classes
        self._several = several
        self._limit = room(loaded, LONGEST)

    def classify(self, texts: Sequence[str], stage: Stage) -> list[Mapping[str, float]]:
        """The highest probability of each label over a text's parts.

        Raises ValueError if a text can't be read whole, RuntimeError as torch does.
        """
        del stage
        with self._loaded.lock:
            read = [parts(text, self._size, self._limit) for text in texts]
            scored = iter(self._scored([part for each in read for part in each]))
        return [self._highest([next(scored) for _ in each]) for each in read]

    def _scored(self, texts: Sequence[str]) -> list[Mapping[str, float]]:
        encoded = self._loaded.tokenizer(list(texts), verbose=False)
        if max(map(len, encoded["input_ids"])) > self._limit:
            raise ValueError(f"a part has over {self._limit} tokens")
        rows = [{key: encoded[key][n] for key in encoded} for n in range(len(texts))]
        values = [row.tolist() for row in in_batches(self._loaded, rows, self._read)]
        # Before `max`, which may pass over what is no number.
        if not all(map(math.isfinite, chain(*values))):
            raise ValueError("the model gives no numbers")
        return [combine(row, self._classes, self._several) for row in values]

    def _read(self, model: Any, batch: Mapping[str, Any]) -> Any:
        logits = model(**batch).logits.float()
        return logits.sigmoid() if self._several else logits.softmax(-1)

    def _size(self, text: str) -> int:
        return len(self._loaded.tokenizer(text, verbose=False)["input_ids"])

    def _highest(self, found: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
        return {label: max(row[label] for row in found) for label in self.thresholds}


def open_hub(
    name: ClassifierName,
    field: str,
    own: Mapping[str, tuple[str, ...]],
    wanted: frozenset[str],
    threshold: float,
) -> HubClassifier:
    """A classifier of a model on this machine, of its labels those that are `wanted`.

    `own` says what its classes are where we don't know, or otherwise. Raises ConfigError.
    """
    model = name.model
    loaded = load(model, Whole(AutoModelForSequenceClassification, "text classifier"), field)
    config = loaded.model.config
    names = [str(config.id2label[n]) for n in range(config.num_labels)]
    mapped = map_classes(model, names, own)
    classes = [tuple(label for label in labels if label in wanted) for labels in mapped]
    if not any(classes):
        raise ConfigError(field, f"{model!r} finds none of what this filter is for")
    several = (
        short(model) in SEVERAL or config.problem_type == MULTI_LABEL or config.num_labels == 1
    )
    if room(loaded, LONGEST) < LEAST_ROOM:
        raise ConfigError(field, f"{model!r} reads only {room(loaded, LONGEST)} tokens")
    identity = f"{name.kind}:{short(model)} {weights(name, field)}"
    return HubClassifier(loaded, classes, several, identity, threshold)
