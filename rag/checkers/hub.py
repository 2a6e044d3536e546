"""Published models from this machine's disk, through the library's own classes alone.

Nothing that comes with a model is run. Weights in another form than safetensors are read by
torch's restricted loader, which makes tensors and nothing else.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import AutoConfig, AutoTokenizer, T5ForTokenClassification

from rag.checkers.local import local_folder
from rag.checkers.names import FIELD
from rag.checkers.windows import batches
from rag.errors import ConfigError

HHEM_FOUNDATION = "google/flan-t5-base"
# Tokens of one batch, padding included.
CPU_TOKENS, GPU_TOKENS = 4096, 65536
# The token table, which T5 keeps once under several names.
_TIED = {"transformer.encoder.embed_tokens.weight"}
_WITH_OFFSET = ("roberta", "camembert")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A tokenizer and a model in evaluation mode, for one thread at a time."""

    tokenizer: Any
    model: Any
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def budget(self) -> int:
        return GPU_TOKENS if self.model.device.type == "cuda" else CPU_TOKENS


class Whole:
    """One of the library's classes, which gives weights that a folder lacks at random: not here.

    `what` a folder without them is not, in words.
    """

    def __init__(self, kind: Any, what: str) -> None:
        self._kind = kind
        self._what = what

    def from_pretrained(self, folder: Any, **options: Any) -> Any:
        """The model. Raises ValueError if weights are missing."""
        model, report = self._kind.from_pretrained(
            folder, output_loading_info=True, use_safetensors=True, **options
        )
        if missing := sorted(report["missing_keys"]):
            raise ValueError(f"it is no {self._what}: it has no {missing[0]}")
        return model


def load(name: str, kind: Any, field: str = FIELD) -> Loaded:
    """A model as `kind`, such as one of the library's classes, reads it.

    Raises ConfigError about the setting `field`.
    """
    folder = local_folder(name, field)

    def read() -> Any:
        config = read_config(folder)
        return kind.from_pretrained(
            folder,
            config=config,
            dtype=number(config.model_type),
            local_files_only=True,
            trust_remote_code=False,
        )

    return _loaded(name, folder, read, field)


def load_hhem(name: str) -> Loaded:
    """HHEM-2.1-Open: T5's token classifier, whose weights bear a prefix. Raises ConfigError.

    Its own files name a foundation and have neither tokenizer nor sizes: these must be on the
    machine too, in a folder of that name inside the model's or by themselves.
    """
    folder = local_folder(name)
    try:
        settings = json.loads((folder / "config.json").read_bytes())
        base = str(settings.get("foundation") or HHEM_FOUNDATION)
    except (OSError, ValueError, AttributeError) as error:
        raise unloadable(name, error) from error
    inside = folder / base
    foundation = inside if inside.is_dir() else local_folder(base)
    return _loaded(name, foundation, lambda: _hhem(folder, foundation))


def _hhem(folder: Path, foundation: Path) -> Any:
    config = read_config(foundation)
    config.num_labels = 2
    model: Any = T5ForTokenClassification(config)
    found = load_file(folder / "model.safetensors")
    weights = {key.removeprefix("t5."): value for key, value in found.items()}
    missing, unknown = model.load_state_dict(weights, strict=False)
    if lost := [*(set(missing) - _TIED), *unknown]:
        raise ValueError(f"its weights are not those of a T5 token classifier ({sorted(lost)[0]})")
    model.tie_weights()
    return model.to(number(config.model_type))


def read_config(folder: Path) -> Any:
    return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def number(model_type: str) -> Any:
    """Half precision on a GPU, float32 on a CPU. float16 is too narrow for T5's sums."""
    if not torch.cuda.is_available():
        return torch.float32
    if torch.cuda.is_bf16_supported():
        return torch.bfloat16
    return torch.float32 if "t5" in model_type else torch.float16


def room(loaded: Loaded, most: int) -> int:
    """How many tokens a model reads at once: `most`, or fewer where it has fewer places."""
    config = loaded.model.config
    places = getattr(config, "max_position_embeddings", None) or most
    if any(name in config.model_type for name in _WITH_OFFSET):
        places -= (config.pad_token_id or 0) + 1
    return int(min(most, places, loaded.tokenizer.model_max_length))


def in_batches(
    loaded: Loaded,
    encoded: Sequence[Mapping[str, Sequence[int]]],
    read: Callable[[Any, Mapping[str, Any]], Any],
) -> list[Any]:
    """`read(model, batch)` row by row, in the order given; batches are of like lengths.

    `encoded` are a tokenizer's lists, one a row. Raises RuntimeError as torch does.
    """
    rows: list[Any] = [None] * len(encoded)
    model = loaded.model
    for batch in batches([len(row["input_ids"]) for row in encoded], loaded.budget):
        given = [dict(encoded[index]) for index in batch]
        padded = loaded.tokenizer.pad(given, return_tensors="pt").to(model.device)
        with torch.inference_mode():
            found = read(model, padded).float().cpu()
        for row, index in enumerate(batch):
            rows[index] = found[row]
    return rows


def _loaded(name: str, folder: Path, read: Callable[[], Any], field: str = FIELD) -> Loaded:
    """The tokenizer of `folder` and the model that `read` gives, on the GPU if there is one."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        model = read().requires_grad_(False).train(False)
        if torch.cuda.is_available():
            model = model.cuda()
    except torch.OutOfMemoryError as error:
        raise ConfigError(field, f"{name!r} does not fit into GPU memory") from error
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError) as error:
        raise unloadable(name, error, field) from error
    # The first token, and the answer's, are found by their place.
    tokenizer.padding_side = "right"
    return Loaded(tokenizer, model)


def unloadable(name: str, error: Exception, field: str = FIELD) -> ConfigError:
    """What a user reads of a model that does not load."""
    return ConfigError(field, f"cannot load {name!r}: {' '.join(str(error).split())[:200]}")
