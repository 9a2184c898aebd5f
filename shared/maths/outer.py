"""The outer step: how the mean of the updates moves the shared model. Pure; block by block.

A step returns what is to be *added* to the model. Nesterov is the form of DiLoCo and of torch's SGD(nesterov=True),
with the mean difference in the place of the negative gradient: v = m v + d; step = lr (d + m v).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

LONG = 100  # rounds; with fewer, Nesterov 0.7/0.9 lost to plain averaging (a gain of 7 needs time to settle)


@dataclass(frozen=True, slots=True)
class Plain:
    """lr times the mean: with lr 1.0, plain averaging."""

    lr: float = 1.0

    def step(self, delta: Float32, momentum: Float32 | None) -> tuple[Float32, Float32 | None]:
        """Scales `delta` in place and returns it; there is no momentum."""
        assert momentum is None
        if self.lr != 1.0:
            delta *= np.float32(self.lr)
        return delta, None


@dataclass(frozen=True, slots=True)
class Nesterov:
    """Accelerated: remembers where the last rounds went."""

    lr: float = 0.7
    momentum: float = 0.9

    def step(self, delta: Float32, momentum: Float32 | None) -> tuple[Float32, Float32 | None]:
        """Overwrites both: `momentum` (zeros before the first round) with the new one, `delta` with the scaled step."""
        assert momentum is not None
        assert momentum.shape == delta.shape
        momentum *= np.float32(self.momentum)
        momentum += delta
        delta += np.float32(self.momentum) * momentum
        delta *= np.float32(self.lr)
        return delta, momentum


Outer = Plain | Nesterov


def automatic(rounds: int) -> Outer:
    """Plain averaging for short runs, Nesterov 0.7/0.9 from about a hundred rounds."""
    return Nesterov() if rounds >= LONG else Plain()
