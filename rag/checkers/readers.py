"""HHEM, MiniCheck and NLI cross-encoders: what each is given, and where its verdict stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from transformers import AutoModelForSeq2SeqLM, AutoModelForSequenceClassification

from rag.checkers.hub import Loaded, in_batches, load, load_hhem, read_config, room, unloadable
from rag.checkers.local import local_folder
from rag.checkers.names import FIELD
from rag.checkers.pairs import Pair
from rag.checkers.templates import hhem, minicheck_encoder, minicheck_t5
from rag.errors import ConfigError

# T5 counts distances, so it has no last place; with more, a batch of one grows too large.
LONGEST_T5 = 2048
# MiniCheck reads sources in chunks of 500 words (T5) or 400 tokens (the others): its defaults.
LONGEST_MINICHECK_T5, LONGEST_ENCODER = 768, 512
# T5's first tokens of "0" and "1": `Inferencer.inference` of Liyan06/MiniCheck.
MINICHECK_LABELS = (3, 209)

# Pairs to what the tokenizer gives for them, without padding.
Write = Callable[[Any, Sequence[Pair]], Any]
# A model and a batch to probabilities that the premise supports the claim, shape (rows,).
Read = Callable[[Any, Mapping[str, Any]], Any]


class PairReader:
    """A `PairModel` over a loaded one. Safe to share by threads."""

    def __init__(self, loaded: Loaded, write: Write, read: Read, limit: int) -> None:
        self.limit = limit
        self._loaded = loaded
        self._write = write
        self._read = read

    def lengths(self, pairs: Sequence[Pair]) -> list[int]:
        """Tokens of each pair as the model reads it."""
        with self._loaded.lock:
            return [len(ids) for ids in self._write(self._loaded.tokenizer, pairs)["input_ids"]]

    def scores(self, pairs: Sequence[Pair]) -> list[float]:
        """Probabilities that the premise supports the claim."""
        if not pairs:
            return []
        with self._loaded.lock:
            found = self._write(self._loaded.tokenizer, pairs)
            rows = [{key: found[key][n] for key in found} for n in range(len(pairs))]
            return [float(row) for row in in_batches(self._loaded, rows, self._read)]


def open_hhem(name: str) -> PairReader:
    """HHEM-2.1-Open: the second label at the first token, by its `modeling_hhem_v2.py`."""
    loaded = load_hhem(name)

    def read(model: Any, batch: Mapping[str, Any]) -> Any:
        return model(**batch).logits[:, 0].float().softmax(-1)[:, 1]

    write = _single(lambda _, pair: hhem(*pair))
    return PairReader(loaded, write, read, LONGEST_T5)


def open_minicheck(name: str) -> PairReader:
    """MiniCheck: one step of a T5, or the second of two classes. Raises ConfigError."""
    if _is_t5(name):
        loaded = load(name, AutoModelForSeq2SeqLM)
        write = _single(lambda tokenizer, pair: minicheck_t5(*pair, tokenizer.eos_token))
        return PairReader(loaded, write, _first_word, LONGEST_MINICHECK_T5)
    loaded = load(name, AutoModelForSequenceClassification)
    if loaded.model.num_labels != 2:
        raise ConfigError(FIELD, f"{name!r} has {loaded.model.num_labels} classes, MiniCheck two")
    write = _single(lambda tokenizer, pair: minicheck_encoder(*pair, tokenizer.eos_token))
    return PairReader(loaded, write, _classes(1), room(loaded, LONGEST_ENCODER))


def open_nli(name: str) -> PairReader:
    """A cross-encoder that names one of its classes "entailment". Raises ConfigError."""
    loaded = load(name, AutoModelForSequenceClassification)
    labels = {str(v).lower(): int(k) for k, v in loaded.model.config.id2label.items()}
    place = next((at for label, at in labels.items() if label.startswith("entail")), None)
    if place is None:
        problem = f"{name!r} has no class for entailment, only {', '.join(labels)}"
        raise ConfigError(FIELD, problem)
    return PairReader(loaded, _pair, _classes(place), room(loaded, LONGEST_ENCODER))


def _is_t5(name: str) -> bool:
    try:
        return "t5" in read_config(local_folder(name)).model_type
    except (OSError, ValueError, KeyError) as error:
        raise unloadable(name, error) from error


def _first_word(model: Any, batch: Mapping[str, Any]) -> Any:
    start = batch["input_ids"].new_zeros((len(batch["input_ids"]), 1))
    logits = model(**batch, decoder_input_ids=start).logits[:, 0]
    return logits[:, list(MINICHECK_LABELS)].float().softmax(-1)[:, 1]


def _classes(place: int) -> Read:
    def read(model: Any, batch: Mapping[str, Any]) -> Any:
        return model(**batch).logits.float().softmax(-1)[:, place]

    return read


def _single(template: Callable[[Any, Pair], str]) -> Write:
    """Each pair as one text."""

    def write(tokenizer: Any, pairs: Sequence[Pair]) -> Any:
        return tokenizer([template(tokenizer, pair) for pair in pairs], verbose=False)

    return write


def _pair(tokenizer: Any, pairs: Sequence[Pair]) -> Any:
    """The premise as first text, the claim as second."""
    return tokenizer([p for p, _ in pairs], [claim for _, claim in pairs], verbose=False)
