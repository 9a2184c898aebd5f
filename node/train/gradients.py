"""Whether gradients vanish or explode, in a word. Pure."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace

KEPT = 50  # norms
TINY = 1e-6  # of a gradient's norm: the loss no longer tells the weights where to go
BURST = 10.0  # times the usual norm, and more than is clipped


@dataclass(frozen=True, slots=True)
class Gradients:
    """The norms of the last steps, before clipping at `clip`."""

    clip: float
    norms: tuple[float, ...] = ()

    def after(self, norm: float) -> Gradients:
        return replace(self, norms=(*self.norms, norm)[-KEPT:])

    @property
    def word(self) -> str:
        """ "vanishing", "exploding", or nothing for gradients that are well."""
        if not self.norms:
            return ""
        last, usual = self.norms[-1], statistics.median(self.norms)
        if usual < TINY:
            return "vanishing"
        if last > self.clip and (last > BURST * usual or usual > 1000 * self.clip):
            return "exploding"
        return ""
