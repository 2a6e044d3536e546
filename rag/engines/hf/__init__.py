"""Hub and local models through transformers: the engine for GPUs. Works on a CPU for small models.

`load` opens a model, `shelf` holds keys and values, `batch` lets many streams decode side by side
by the rules of `seats`, `engine` puts them behind the Protocol. Nothing here runs code that comes
with a model.
"""

from rag.engines.hf.engine import TransformersEngine

__all__ = ["TransformersEngine"]
