"""Published token classifiers of the transformers library as finders of names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from transformers import AutoModelForTokenClassification

from rag.checkers.hub import Loaded, Whole, in_batches, load, room
from rag.errors import ConfigError
from rag.safety.names.kinds import label_of
from rag.safety.names.types import Name

LONGEST = 512
BEHIND = 200
# Tokens that two windows of a long text share.
_SHARED = 32

# (start, end, label, begins a name, score) of one word.
Word = tuple[int, int, str, bool, float]


class HubNames:
    """Finds names with a loaded model. A word bears the label of its first token.

    Long texts are read in windows that overlap. Shared by threads.
    """

    behind = BEHIND

    def __init__(self, loaded: Loaded) -> None:
        classes = loaded.model.config.id2label
        self._loaded = loaded
        self._classes = [str(classes[n]) for n in range(len(classes))]
        self._limit = room(loaded, LONGEST)

    def find(self, texts: Sequence[str]) -> list[list[Name]]:
        """The names of each text. Raises RuntimeError as torch does."""
        if not texts:
            return []
        with self._loaded.lock:
            encoded = self._loaded.tokenizer(
                list(texts),
                truncation=True,
                max_length=self._limit,
                stride=min(_SHARED, self._limit // 4),
                return_overflowing_tokens=True,
                return_offsets_mapping=True,
            )
            places = encoded.pop("offset_mapping")
            owners = encoded.pop("overflow_to_sample_mapping")
            rows = [{key: encoded[key][n] for key in encoded} for n in range(len(places))]
            chances = in_batches(self._loaded, rows, _chances)
        seen: list[dict[tuple[int, int], Any]] = [{} for _ in texts]
        for owner, spans, row in zip(owners, places, chances, strict=True):
            for (start, end), chance in zip(spans, row, strict=False):
                if end > start:
                    seen[owner].setdefault((start, end), chance)
        return [self._names(text, tokens) for text, tokens in zip(texts, seen, strict=True)]

    def _names(self, text: str, tokens: Mapping[tuple[int, int], Any]) -> list[Name]:
        names: list[Name] = []
        open_ = False
        for start, end, label, begins, score in self._words(text, tokens):
            goes_on = open_ and not begins and label == names[-1].label
            if goes_on:
                names[-1] = Name(names[-1].start, end, label, min(names[-1].score, score))
            elif label:
                names.append(Name(start, end, label, score))
            open_ = bool(label)
        return names

    def _words(self, text: str, tokens: Mapping[tuple[int, int], Any]) -> Iterator[Word]:
        word: Word | None = None
        for (start, end), chance in sorted(tokens.items(), key=lambda item: item[0]):
            while start < end and text[start].isspace():
                start += 1
            if word is not None and start == word[1] and text[start - 1 : start + 1].isalnum():
                word = (word[0], end, *word[2:])
                continue
            if word is not None:
                yield word
            best = int(chance.argmax())
            raw = self._classes[best]
            begins = raw[:2] in ("B-", "S-", "U-")
            word = (start, end, label_of(raw), begins, float(chance[best]))
        if word is not None:
            yield word


def _chances(model: Any, batch: Mapping[str, Any]) -> Any:
    return model(**batch).logits.float().softmax(-1)


def open_hub_names(model: str, field: str) -> HubNames:
    """A token classifier on this machine. Raises ConfigError about `field`."""
    loaded = load(model, Whole(AutoModelForTokenClassification, "token classifier"), field)
    if not loaded.tokenizer.is_fast:
        raise ConfigError(field, f"{model!r} has a tokenizer that does not say where words stand")
    if not any(map(label_of, map(str, loaded.model.config.id2label.values()))):
        raise ConfigError(field, f"{model!r} has no label for people, places or organisations")
    return HubNames(loaded)
