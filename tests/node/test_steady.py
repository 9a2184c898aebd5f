"""A clock that nobody sets."""

from __future__ import annotations

import pytest

from node.steady import Steady


class Clocks:
    """Of a PC: the wall clock, and time since it was switched on."""

    wall, since = 1000.0, 50.0

    def pass_(self, seconds: float) -> None:
        self.wall += seconds
        self.since += seconds


@pytest.mark.parametrize("offset", [3600.0, -3600.0])
def test_setting_the_clock_is_told_once_and_hurries_nobody(offset: float) -> None:
    clocks = Clocks()
    steady = Steady(lambda: clocks.wall, lambda: clocks.since)
    clocks.pass_(10)
    assert (steady.now(), steady.jumped()) == (1010.0, 0.0)
    clocks.wall += offset
    clocks.pass_(1)
    assert (steady.now(), steady.wall_ahead(), steady.jumped(), steady.jumped()) == (1011.0, offset, offset, 0.0)
