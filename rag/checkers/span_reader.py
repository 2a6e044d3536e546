"""LettuceDetect: a token classifier over (prompt, answer), class 1 for what is made up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from transformers import AutoModelForTokenClassification

from rag.checkers.hub import Loaded, in_batches, load, room
from rag.checkers.names import FIELD
from rag.checkers.pairs import Pair
from rag.checkers.spans import Risk
from rag.errors import ConfigError

# `max_length` of `TransformerDetector` in KRLabsOrg/LettuceDetect.
LONGEST = 4096
MADE_UP = 1


class SpanReader:
    """A `SpanModel` over a loaded one. Safe to share by threads."""

    def __init__(self, loaded: Loaded, limit: int) -> None:
        self.limit = limit
        self._loaded = loaded

    def lengths(self, pairs: Sequence[Pair]) -> list[int]:
        """Tokens of each pair as the model reads it."""
        with self._loaded.lock:
            return [len(ids) for ids in self._encoded(pairs)["input_ids"]]

    def risks(self, pairs: Sequence[Pair]) -> list[list[Risk]]:
        """The answer's tokens, of each pair, by its characters."""
        with self._loaded.lock:
            found = self._encoded(pairs)
            places = found.pop("offset_mapping")
            rows = [{key: found[key][n] for key in found} for n in range(len(pairs))]
            values = in_batches(self._loaded, rows, _made_up)
            answers = [found.sequence_ids(n) for n in range(len(pairs))]
        return [
            [
                Risk(start, end, float(value))
                for (start, end), part, value in zip(offsets, parts, row, strict=False)
                if part == 1 and start < end
            ]
            for offsets, parts, row in zip(places, answers, values, strict=True)
        ]

    def _encoded(self, pairs: Sequence[Pair]) -> Any:
        prompts, answers = [prompt for prompt, _ in pairs], [answer for _, answer in pairs]
        return self._loaded.tokenizer(prompts, answers, return_offsets_mapping=True, verbose=False)


def open_lettucedetect(name: str) -> SpanReader:
    """Raises ConfigError, also for a model of other classes."""
    loaded = load(name, AutoModelForTokenClassification)
    if loaded.model.num_labels != 2:
        problem = f"{name!r} has {loaded.model.num_labels} classes, LettuceDetect two"
        raise ConfigError(FIELD, problem)
    if not loaded.tokenizer.is_fast:
        raise ConfigError(FIELD, f"{name!r} has a tokenizer that does not say where tokens stand")
    return SpanReader(loaded, room(loaded, LONGEST))


def _made_up(model: Any, batch: Mapping[str, Any]) -> Any:
    return model(**batch).logits.float().softmax(-1)[..., MADE_UP]
