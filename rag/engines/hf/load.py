"""A model as this machine can hold it: where, in which numbers, with which attention.

Weights are read from safetensors files only, and no code that comes with a model is run.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rag.engines.hf.seats import rows_for
from rag.errors import EngineError
from rag.models import sha256_of

HASHED = ("*.safetensors", "config.json", "tokenizer.json")
QUANTIZED = ("4bit", "8bit")
# Of a GPU's memory after the weights: what stays free for activations and other programs.
MARGIN = 0.15
GPU_ROWS, CPU_ROWS = 64, 4


@dataclass(frozen=True, slots=True)
class Loaded:
    """A tokenizer, a model in evaluation mode, and one hash for all of their files."""

    tokenizer: Any
    model: Any
    sha256: str


def load(name: str, quantize: str = "") -> Loaded:
    """A model by hub name or folder: bfloat16 on a GPU that has it, float32 on a CPU.

    `quantize` is "4bit" or "8bit" (bitsandbytes, on a GPU). Raises EngineError.
    """
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as error:
        raise EngineError("transformers", f"{error.name} is not installed") from error
    gpu = torch.cuda.is_available()
    options = {**_numbers(quantize, gpu), **_attention(gpu)}
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
        model: Any = AutoModelForCausalLM.from_pretrained(
            name, trust_remote_code=False, use_safetensors=True, **options
        )
        if gpu and model.device.type != "cuda":
            model = model.cuda()
        folder = _folder(name)
    except torch.OutOfMemoryError as error:
        raise EngineError("transformers", f"{name} does not fit into GPU memory") from error
    except (OSError, ValueError, KeyError) as error:
        line = " ".join(str(error).split())[:200]
        raise EngineError("transformers", f"cannot load {name}: {line}") from error
    model.requires_grad_(False).train(False)
    return Loaded(tokenizer, model, fingerprint(folder))


def _numbers(quantize: str, gpu: bool) -> dict[str, Any]:
    import torch

    if quantize:
        return _quantized(quantize, gpu)
    if not gpu:
        return {"dtype": torch.float32}
    dtype = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if find_spec("accelerate") is None:
        return {"dtype": dtype}
    # Straight onto the GPU; over several if there are. Never in part on the CPU, unasked.
    return {"dtype": dtype, "device_map": "auto" if torch.cuda.device_count() > 1 else {"": 0}}


def _quantized(quantize: str, gpu: bool) -> dict[str, Any]:
    if quantize not in QUANTIZED:
        raise EngineError("transformers", f"quantize is {quantize!r}, not 4bit or 8bit")
    if not gpu:
        problem = "quantize needs a GPU; on a CPU, name a quantised GGUF model"
        raise EngineError("transformers", problem)
    if missing := [name for name in ("bitsandbytes", "accelerate") if find_spec(name) is None]:
        problem = f"quantize needs {' and '.join(missing)}; pip install {' '.join(missing)}"
        raise EngineError("transformers", problem)
    import torch
    from transformers import BitsAndBytesConfig

    small = quantize == "4bit"
    how: Any = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=small, load_in_8bit=not small, bnb_4bit_compute_dtype=torch.bfloat16
    )
    return {"dtype": torch.bfloat16, "quantization_config": how, "device_map": "auto"}


def _attention(gpu: bool) -> dict[str, str]:
    """Flash attention where it is installed and the card can; else what the model does best."""
    import torch

    able = gpu and torch.cuda.get_device_capability()[0] >= 8 and torch.cuda.is_bf16_supported()
    return {"attn_implementation": "flash_attention_2"} if able and find_spec("flash_attn") else {}


def rows(model: Any, wanted: int, window: int) -> int:
    """How many streams may decode side by side: `wanted`, or 0 for what this machine bears."""
    import torch

    if model.device.type != "cuda":
        return wanted or CPU_ROWS
    free, _ = torch.cuda.mem_get_info(model.device)
    return rows_for(wanted or GPU_ROWS, window, free, token_bytes(model), MARGIN)


def token_bytes(model: Any) -> int:
    """What the keys and values of one token take, all layers together."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * config.num_hidden_layers * heads * size * model.dtype.itemsize)


def end_ids(loaded: Loaded) -> frozenset[int]:
    """The tokens that end a reply."""
    ends = loaded.model.generation_config.eos_token_id
    listed = ends if isinstance(ends, list) else [ends]
    return frozenset(int(i) for i in [*listed, loaded.tokenizer.eos_token_id] if i is not None)


def _folder(name: str) -> Path:
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(name, local_files_only=True, allow_patterns=list(HASHED)))


def fingerprint(folder: Path) -> str:
    """One hash for all weights, the config and the tokenizer."""
    digest = hashlib.sha256()
    for path in sorted(file for pattern in HASHED for file in folder.glob(pattern)):
        digest.update(f"{path.name} {sha256_of(path)}\n".encode())
    return digest.hexdigest()
