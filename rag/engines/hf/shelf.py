"""Keys and values of many prompts, and the model that reads into them.

Three kinds of shelf: `Rows` for models that attend to everything (streams decode side by side),
`Whole` for those with sliding or other layers, and `Fixed` for a compiled step; the last two have
one row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from transformers import DynamicCache, StaticCache
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicLayer

COLUMNS = 256


class Shelf(Protocol):
    """A row's first tokens may be cut to; what comes after them is then written over."""

    @property
    def rows(self) -> int: ...

    @property
    def guesses(self) -> bool:
        """True if tokens that were read may be taken back, as prompt lookup must."""
        ...

    def read(self, row: int, known: int, ids: Sequence[int], keep: int) -> Any:
        """Read `ids` after a row's first `known` tokens; logits after the last `keep` of them."""
        ...

    def step(self, ends: Sequence[int], ids: Mapping[int, int]) -> Any:
        """Read one token into each row of `ids`; logits in its order, shape (rows, vocabulary).

        `ends` says of every row, of those that take no part too, how many tokens it holds.
        """
        ...

    def cut(self, row: int, known: int) -> int:
        """How many of a row's first `known` tokens can be gone on from: all, or none."""
        ...

    def copy(self, source: int, target: int, tokens: int) -> None: ...

    def clear(self) -> None:
        """Let go of all memory."""
        ...


def open_shelf(model: Any, rows: int, window: int, compiled: str = "") -> Shelf:
    """The shelf that fits a model. `compiled` names a torch.compile backend, if any."""
    layers = DynamicCache(config=model.config).layers
    full = bool(layers) and all(type(layer) is DynamicLayer for layer in layers)
    if compiled and full:
        return Fixed(model, window, compiled)
    return Rows(model, rows, len(layers)) if full else Whole(model)


class _Band:
    """The rows `low:high` that are being read into, after `length` columns at most.

    `starts` are the columns to write to, one a row, or None for the columns from `length` on.
    """

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.low, self.high, self.length, self.columns = 0, 1, 0, 0
        self.starts: Any = None


class _Layer(CacheLayerMixin):  # type: ignore[no-untyped-call]
    """One layer's keys and values, shape (rows, heads, columns, size), with room to grow."""

    is_sliding = False

    def __init__(self, band: _Band) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._band = band
        self.keys: Any = None
        self.values: Any = None

    def lazy_initialization(self, key_states: Any, value_states: Any) -> None:
        self.keys, self.values = key_states[:0], value_states[:0]
        self.is_initialized = True

    def update(self, key_states: Any, value_states: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        band, end = self._band, self._band.length + key_states.shape[-2]
        self.widen(max(end, band.columns))
        for held, new in ((self.keys, key_states), (self.values, value_states)):
            if band.starts is None:
                held[band.low : band.high, :, band.length : end] = new
            else:
                rows = torch.arange(band.low, band.high, device=held.device)
                held[rows, :, band.starts.to(held.device)] = new[:, :, 0]
        return (
            self.keys[band.low : band.high, :, :end],
            self.values[band.low : band.high, :, :end],
        )

    def widen(self, columns: int) -> None:
        """Make room for the band's rows and for `columns` tokens in each."""
        band = self._band
        self.keys = _roomy(self.keys, band.high, columns, band.rows)
        self.values = _roomy(self.values, band.high, columns, band.rows)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self._band.length + query_length, 0

    def get_seq_length(self) -> int:
        return self._band.length

    def get_max_length(self) -> int:
        return -1


def _roomy(held: Any, rows: int, columns: int, most: int) -> Any:
    """A tensor of at least so many rows and columns; new places are 0, never "not a number"."""
    have, heads, wide, size = held.shape
    if have >= rows and wide >= columns:
        return held
    tall = have if have >= rows else min(most, max(rows, 2 * have))
    grown = held.new_zeros((tall, heads, max(wide, -(-columns // COLUMNS) * COLUMNS), size))
    grown[:have, :, :wide] = held
    return grown


class Rows:
    """One row a stream; each begins at column 0, so rows join and leave without moving others.

    A step runs over the band from the lowest to the highest row that takes part; what idle rows
    between them compute is written behind their end, where nobody looks.
    """

    guesses = True

    def __init__(self, model: Any, rows: int, layers: int) -> None:
        self.rows = rows
        self._model = model
        self._layers = layers
        self.clear()

    def read(self, row: int, known: int, ids: Sequence[int], keep: int) -> Any:
        band = self._band
        band.low, band.high, band.length, band.columns = row, row + 1, known, 0
        band.starts = None
        return _forward(self._model, [list(ids)], self._cache, keep).logits[0]

    def step(self, ends: Sequence[int], ids: Mapping[int, int]) -> Any:
        if len(ids) == 1:
            return _only(self, ends, ids)
        band, device = self._band, self._model.device
        band.low, band.high = min(ids), max(ids) + 1
        starts = [ends[row] for row in range(band.low, band.high)]
        band.length, band.columns = max(ends[row] for row in ids), max(starts) + 1
        band.starts = torch.tensor(starts, device=device)
        shown = band.starts.clamp(max=band.length)[:, None]
        out = _forward(
            self._model,
            [[ids.get(row, 0)] for row in range(band.low, band.high)],
            self._cache,
            1,
            attention_mask=(torch.arange(band.length + 1, device=device) <= shown).long(),
            position_ids=shown,
        )
        return out.logits[[row - band.low for row in ids], 0]

    def cut(self, row: int, known: int) -> int:
        del row
        return known

    def copy(self, source: int, target: int, tokens: int) -> None:
        self._band.high, self._band.columns = target + 1, tokens
        for layer in self._cache.layers:
            layer.widen(tokens)
            layer.keys[target, :, :tokens] = layer.keys[source, :, :tokens]
            layer.values[target, :, :tokens] = layer.values[source, :, :tokens]

    def clear(self) -> None:
        self._band = _Band(self.rows)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self._cache: Any = Cache(layers=[_Layer(self._band) for _ in range(self._layers)])


class Whole:
    """One row in the model's own kind of cache, begun anew where it can't be cut."""

    rows, guesses = 1, False

    def __init__(self, model: Any) -> None:
        self._model = model
        self._length = 0
        self._cache: Any = None
        self.clear()

    def read(self, row: int, known: int, ids: Sequence[int], keep: int) -> Any:
        del row
        if known == 0 and self._length:
            self.clear()
        self._length = known + len(ids)
        return _forward(self._model, [list(ids)], self._cache, keep).logits[0]

    def step(self, ends: Sequence[int], ids: Mapping[int, int]) -> Any:
        return _only(self, ends, ids)

    def cut(self, row: int, known: int) -> int:
        del row
        surplus = self._length - known
        try:
            if known and surplus:
                self._cache.crop(-surplus)
        except RuntimeError:
            # Layers that attend to a sliding window have let go of what came before it.
            known = 0
        if known == 0:
            self.clear()
        self._length = known
        return known

    def copy(self, source: int, target: int, tokens: int) -> None:
        raise AssertionError(f"one row has nothing to copy: {source} to {target}, {tokens} tokens")

    def clear(self) -> None:
        self._length = 0
        self._cache = DynamicCache(config=self._model.config)


class Fixed(Whole):
    """One row of fixed size: its one-token step is compiled, as its shapes never change."""

    def __init__(self, model: Any, window: int, backend: str) -> None:
        self._window = window
        self._compiled = torch.compile(model, backend=backend, dynamic=False)
        super().__init__(model)

    def read(self, row: int, known: int, ids: Sequence[int], keep: int) -> Any:
        del row
        self._set(known)
        self._length = known + len(ids)
        model = self._compiled if len(ids) == 1 else self._model
        return _forward(model, [list(ids)], self._cache, keep, self._model.device).logits[0]

    def cut(self, row: int, known: int) -> int:
        del row
        self._set(known)
        self._length = known
        return known

    def clear(self) -> None:
        self._length = 0
        self._cache = StaticCache(config=self._model.config, max_cache_len=self._window + 1)

    def _set(self, known: int) -> None:
        for layer in self._cache.layers:
            layer.cumulative_length.fill_(known)


def _only(shelf: Shelf, ends: Sequence[int], ids: Mapping[int, int]) -> Any:
    ((row, token),) = ids.items()
    return shelf.read(row, ends[row], [token], 1)


def _forward(
    model: Any, ids: list[list[int]], cache: Any, keep: int, device: Any = None, **more: Any
) -> Any:
    inputs = torch.tensor(ids, device=device or model.device)
    return model(
        input_ids=inputs, past_key_values=cache, use_cache=True, logits_to_keep=keep, **more
    )
