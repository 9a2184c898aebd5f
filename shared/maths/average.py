"""The weighted mean of many files of tensors, folded block by block.

Memory is a few blocks whatever the number of files and the size of the model (read, not mapped: mapped pages count as
resident). Files are folded in the order of their nodes' ids with the arithmetic of Flower's FedAvg (x * w, then
+= x * w, all in float32), so the result depends neither on the order of arrival nor on who does it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shared.codec.bf16 import BLOCK, Float32
from shared.codec.safe import Buffers, Layout, fill


@dataclass(frozen=True, slots=True)
class Part:
    """One node's file and what it counts for."""

    node: int  # Flower's id: its order
    path: Path  # checked before
    weight: float  # tokens
    where: Layout  # of that file: each says who made it


def mean(parts: Sequence[Part], where: Layout) -> Iterator[Float32]:
    """Blocks of the mean from the first value to the last; each is valid until the next and may be overwritten."""
    ordered = sorted(parts, key=lambda part: part.node)
    factors = shares([part.weight for part in ordered])
    assert len({part.node for part in ordered}) == len(ordered), "a node stands twice"
    buffers = Buffers(where)
    for start in range(0, where.count, BLOCK):
        total = buffers.values[: min(BLOCK, where.count - start)]
        values = buffers.spare[: total.size]
        for number, (part, factor) in enumerate(zip(ordered, factors, strict=True)):
            target = values if number else total
            fill(part.path, part.where, start, target, buffers.bits)
            target *= np.float32(factor)
            if number:
                total += values
        yield total


def shares(weights: Sequence[float]) -> list[float]:
    """The weights divided by their sum. Asserts that they are sane: whoever takes them from a peer checks before."""
    total = sum(weights)
    assert math.isfinite(total), weights
    assert total > 0 <= min(weights), weights
    return [weight / total for weight in weights]
