"""transformers' own `generate`, one prompt after the other, and a random model to run it on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from rag.engines.hf import TransformersEngine
from rag.types import Message

COPIED_BYTES = 1 << 30


class OneByOne:
    """`generate` on the very model and tokens of an engine of ours, greedily."""

    def __init__(self, engine: TransformersEngine) -> None:
        self._engine: Any = engine

    def replies(self, asked: Sequence[Sequence[Message]], limit: int) -> list[list[int]]:
        """The tokens of each reply, end-of-text left out."""
        return [self._reply(messages, limit) for messages in asked]

    def _reply(self, messages: Sequence[Message], limit: int) -> list[int]:
        engine = self._engine
        prompt = torch.tensor([engine._encode(messages)], device=engine._model.device)
        with torch.inference_mode():
            whole = engine._model.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=limit,
                do_sample=False,
                temperature=None,
                top_k=None,
                top_p=None,
            )
        said = whole[0, prompt.shape[1] :].tolist()
        return [token for token in said if token not in engine._ends]


def gpu() -> str:
    """The GPU's name, or "" where torch finds none."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else ""


def weight_bytes(engine: TransformersEngine) -> int:
    """What one step must read at least: every weight once."""
    model: Any = engine._model
    return sum(weight.numel() * weight.element_size() for weight in model.parameters())


def bandwidth() -> float:
    """Bytes a second that the GPU reads and writes, by copying 1 GB within its memory."""
    source = torch.empty(COPIED_BYTES, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    target.copy_(source)
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(10):
        target.copy_(source)
    torch.cuda.synchronize()
    return 10 * 2 * COPIED_BYTES / (time.perf_counter() - began)


def random_model(folder: Path, texts: Sequence[str]) -> str:
    """A small Llama model of random weights, its tokenizer trained on `texts`; its folder."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=2000, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet
    )
    tokenizer.train_from_iterator(texts, trainer)
    marks: dict[str, Any] = {"bos_token": "<s>", "eos_token": "</s>"}
    wrapper: Any = PreTrainedTokenizerFast
    fast = wrapper(tokenizer_object=tokenizer, **marks)
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        initializer_range=0.2,
        bos_token_id=0,
        eos_token_id=1,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return str(folder)
