"""Which arithmetic a CPU multiplies fastest, by the instructions that it has."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

_CPU = Path("/proc/cpuinfo")
# On x86 and on ARM. Without such instructions the narrow formats are emulated, slower than float32.
_INT8 = {"avx512_vnni", "avx_vnni", "amx_int8", "i8mm"}
_BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}


class Arithmetic(StrEnum):
    """How an encoder multiplies; the vectors are float32 whatever it is."""

    float32 = "float32"
    bfloat16 = "bfloat16"
    int8 = "int8"


def fastest(allowed_int8: bool, cpu: Path = _CPU) -> Arithmetic:
    """The fastest arithmetic of this CPU; int8 only where it is allowed.

    By instructions and not by a trial, so that the same machine makes the same vectors every time.
    """
    try:
        words = set(cpu.read_text(encoding="utf-8").split())
    except OSError:
        return Arithmetic.float32
    if allowed_int8 and words & _INT8:
        return Arithmetic.int8
    return Arithmetic.bfloat16 if words & _BFLOAT16 else Arithmetic.float32
