"""The heat guard: above the owner's limit training slows down, then pauses, and goes on when the card is cool again.

    full ──above the limit──> slow ──5 °C above, or two minutes of it──> paused
      ^                        │                                           │
      └──3 °C below the limit──┴──────────10 °C below the limit────────────┘

`decide` is pure; `Guard` reads the sensor and rests between steps. Only rank 0 has a guard that acts: while it rests,
the other ranks wait for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from node.train.sensors import Sensors

TOO_HOT = 5.0  # °C above the limit
EASED, COOL = 3.0, 10.0  # °C below it
SLOW_SECONDS = 120.0  # that slowing down is given to help
REST_SECONDS = 30.0  # at most, after a step
LOOK_SECONDS = 1.0  # between two looks while it cools down
TELL_SECONDS = 10.0  # between two words about a pause that lasts


class Pace(StrEnum):
    FULL = "full"
    SLOW = "slow"  # after a step, a rest of the same length
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Heat:
    pace: Pace = Pace.FULL
    since: float = 0.0  # seconds, of the pace
    celsius: float | None = None


def decide(heat: Heat, celsius: float | None, now: float, limit: float) -> Heat:
    """The pace at this temperature; without a sensor it is full."""
    pace = heat.pace
    if celsius is None:
        pace = Pace.FULL
    elif heat.pace is Pace.PAUSED:
        pace = Pace.FULL if celsius <= limit - COOL else Pace.PAUSED
    elif celsius > limit + TOO_HOT:
        pace = Pace.PAUSED
    elif celsius > limit:
        tried = heat.pace is Pace.SLOW and now - heat.since >= SLOW_SECONDS
        pace = Pace.PAUSED if tried else Pace.SLOW
    elif celsius <= limit - EASED:
        pace = Pace.FULL
    return replace(heat, celsius=celsius) if pace is heat.pace else Heat(pace, now, celsius)


class Guard:
    """Rests as long as the heat wants it."""

    def __init__(self, sensors: Sensors, limit: float) -> None:
        self.sensors, self._limit = sensors, limit
        self.heat = Heat()
        self._looked = 0.0

    def rest(self, step_seconds: float, wait: Callable[[float], bool], tell: Callable[[dict[str, Any]], None]) -> None:
        """After a step that took so long. `wait` returns early, and true, when training is to stop."""
        self._look(tell)
        if self.heat.pace is Pace.SLOW:
            wait(min(step_seconds, REST_SECONDS))
        told = time.monotonic()
        while self.heat.pace is Pace.PAUSED and not wait(LOOK_SECONDS):
            self._look(tell)
            if time.monotonic() - told >= TELL_SECONDS:
                told = time.monotonic()
                self._tell(tell)

    def _look(self, tell: Callable[[dict[str, Any]], None]) -> None:
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS / 2:
            return
        self._looked, before = now, self.heat.pace
        self.heat = decide(self.heat, self.sensors.celsius(), now, self._limit)
        if self.heat.pace is not before:
            self._tell(tell)

    def _tell(self, tell: Callable[[dict[str, Any]], None]) -> None:
        tell({"fact": "heat", "pace": self.heat.pace, "celsius": self.heat.celsius or 0.0, "limit": self._limit})
