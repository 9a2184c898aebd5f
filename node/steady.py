"""Time that nobody sets: the wall clock is read once, and counted on from there.

Deadlines are kept by it. A wall clock that is set while a round is under way neither hurries the trainer nor lets it
come too late; the time a PC slept does count, where the system can tell.
"""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]  # seconds: UTC, or since whenever
STEP = 5.0  # seconds between the wall clock and ours that mean: somebody set it


def elapsed() -> float:
    """Seconds since whenever, those asleep included; Windows' monotonic clock has them, Linux has one of its own."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class Steady:
    """UTC seconds as they were when it was made, going on as fast as time does."""

    def __init__(self, wall: Clock = time.time, since: Clock = elapsed) -> None:
        self._wall, self._since = wall, since
        self._start = wall() - since()
        self._seen = 0.0  # what was last told of the wall clock

    def now(self) -> float:
        return self._start + self._since()

    def wall_ahead(self) -> float:
        """Seconds the wall clock is ahead of ours."""
        return self._wall() - self.now()

    def jumped(self) -> float:
        """Seconds that the wall clock was set ahead since this was last asked; mostly 0.0."""
        ahead = self.wall_ahead()
        if abs(ahead - self._seen) < STEP:
            return 0.0
        self._seen, before = ahead, self._seen
        return ahead - before
