"""Small files of tensors for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.codec import safe
from shared.ids import Digest
from shared.job import Codec, TensorSpec

Values = dict[str, NDArray[np.float32]]
SMALL = (TensorSpec("a.weight", (4, 8)), TensorSpec("b.weight", (8,)), TensorSpec("c.weight", (2, 3, 5)))


def draw(tensors: Sequence[TensorSpec], seed: int, scale: float = 1.0) -> Values:
    """Normal values for each tensor."""
    chance = np.random.default_rng(seed)
    return {spec.name: (chance.standard_normal(spec.shape) * scale).astype(np.float32) for spec in tensors}


def save(
    path: Path, values: Mapping[str, NDArray[np.float32]], codec: Codec = "fp32", made_by: safe.Origin | None = None
) -> Digest:
    """Write them in the canonical layout."""
    tensors = [TensorSpec(name, array.shape) for name, array in values.items()]
    return safe.write(path, sorted(values.items()), safe.layout(tensors, codec, made_by.metadata if made_by else None))


def load(path: Path, tensors: Sequence[TensorSpec], codec: Codec = "fp32") -> Values:
    """Read them back as float32."""
    return dict(safe.read(path, safe.check(path, tensors, codec)))
