"""bfloat16 as bits: the upper half of a float32. numpy knows no such type, so it travels as uint16.

Rounding is to the nearest, ties to even, as every card does it; NaN stays NaN. Works block by block, so that a large
array costs no large temporaries (first-touch page faults of those are slower than the arithmetic).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Bits = NDArray[np.uint16]

BLOCK = 1 << 20  # values; 4 MiB of float32


def encode(values: Float32, out: Bits | None = None) -> Bits:
    """float32 -> bfloat16 bits, same shape. `out`, when given, is filled and returned; both must be contiguous."""
    bits = np.empty(values.shape, np.uint16) if out is None else out
    source, target = np.ascontiguousarray(values, np.float32).reshape(-1), bits.reshape(-1)
    scratch = np.empty(min(BLOCK, source.size), np.uint32)
    for start in range(0, source.size, BLOCK):
        whole = source[start : start + BLOCK].view(np.uint32)
        half = scratch[: whole.size]
        np.right_shift(whole, 16, out=half)
        half &= 1
        half += 0x7FFF  # half of the last place kept, or a hair less when that place is even
        half += whole
        half >>= 16
        target[start : start + BLOCK] = half
        lost = np.isnan(source[start : start + BLOCK])
        if lost.any():  # rounding may have carried a NaN into infinity or zero: keep its head, set the quiet bit
            target[start : start + BLOCK][lost] = (whole[lost] >> 16) | 0x40
    return bits


def decode(bits: Bits, out: Float32 | None = None) -> Float32:
    """bfloat16 bits -> float32, exact, same shape. `out`, when given, is filled and returned; it must be contiguous."""
    values = np.empty(bits.shape, np.float32) if out is None else out
    wide = values.reshape(-1).view(np.uint32)
    wide[:] = bits.reshape(-1)
    wide <<= 16
    return values
