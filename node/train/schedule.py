"""The learning rate as a pure function of the run's progress, so that unequal PCs stay in step."""

from __future__ import annotations

import math
from typing import Literal


def run_progress(done: int, rounds: int, share: float) -> float:
    """Progress of the whole run in 0..1: `done` rounds are committed, and `share` of the next is trained."""
    return min(1.0, (done + min(1.0, share)) / rounds)


def learning_rate(peak: float, schedule: Literal["cosine", "constant"], warmup: float, progress: float) -> float:
    """Linear warm-up over the first `warmup` of the run, then a half cosine down to zero (or flat)."""
    if progress < warmup:
        return peak * progress / warmup
    if schedule == "constant":
        return peak
    return peak * 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))
