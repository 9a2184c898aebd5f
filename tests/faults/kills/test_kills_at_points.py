"""kill -9 at each named point, three times each: the same round goes on, and each update counts once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.kills.checkpoints import dies_at_a_checkpoint
from tests.faults.kills.evening import Evening
from tests.faults.kills.points import ENTRANCE, NODE, ROUND, ordered, perform

pytestmark = pytest.mark.slow

REPETITIONS = 3


class Evenings:
    """One group for all points; another one once a point has failed."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory
        self._stack, self._evening = ExitStack(), None  # type: tuple[ExitStack, Evening | None]

    def survives(self, point: str) -> None:
        if self._evening is None:
            self._evening = Evening(self._factory.mktemp("evening"), self._stack)
        try:
            for repetition in range(REPETITIONS):
                perform(self._evening, point, repetition)
            self._evening.settle()
        except BaseException:
            self.close()
            raise
        print(f"measured: restarts {[round(seconds, 1) for seconds in self._evening.restarts]} s")
        self._evening.restarts.clear()

    def close(self) -> None:
        self._evening = None
        self._stack.close()


@pytest.fixture(scope="module")
def evenings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evenings]:
    several = Evenings(tmp_path_factory)
    yield several
    several.close()


@pytest.mark.parametrize("point", ROUND)
def test_a_coordinator_killed_at(point: str, evenings: Evenings) -> None:
    evenings.survives(point)


@pytest.mark.parametrize("point", ENTRANCE)
def test_a_coordinator_killed_when_a_friend_comes(point: str, evenings: Evenings) -> None:
    evenings.survives(point)


@pytest.mark.parametrize("point", [point for point in NODE if point != "checkpoint"])
def test_a_friends_pc_killed_at(point: str, evenings: Evenings) -> None:
    evenings.survives(point)


def test_a_trainer_killed_at_a_checkpoint_sends_what_its_twin_sends(tmp_path: Path) -> None:
    with ExitStack() as stack:
        dies_at_a_checkpoint(tmp_path, stack, [ordered("checkpoint", number) for number in range(REPETITIONS)])
