"""Thousands of odd evenings, each drawn from a number: what fails names it, and `play.py` shows it again."""

from __future__ import annotations

import pytest

from coordinator.logic.round_state import Phase
from tests.coordinator.test_promises import every_round
from tests.faults.schedules import play, telling
from tests.faults.schedules.world import TROUBLES, World

pytestmark = pytest.mark.slow

FACTS, WORLDS = 2000, 200  # schedules
CHUNKS = 8  # tests for each kind, so that it is seen to go on


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_schedule_of_facts_breaks_a_promise(chunk: int) -> None:
    for seed in range(chunk, FACTS, CHUNKS):
        play.play_facts(seed)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_evening_of_faults_breaks_a_promise_and_each_ends_well(chunk: int) -> None:
    for seed in range(chunk, WORLDS, CHUNKS):
        play.play_world(seed)


def test_the_schedules_of_facts_go_deep() -> None:
    """The promises would be cheap if no round ever came to its end here."""
    seen: set[str] = set()
    for seed in range(150):
        for step in telling.told(seed):
            seen.update(run.phase for run in step.after.runs.values())
            for _, round in every_round(step.after):
                seen.update((round.phase, *(member.standing for member in round.members.values())))
    assert seen >= {*Phase, "uploaded", "refused", "lost", "paused", "left", "late", "unable", "revoked", "finished"}
    assert seen >= {"stopped", "failed"}


def test_the_evenings_see_every_kind_of_trouble() -> None:
    seen: set[str] = set()
    for seed in range(20):
        world = World(seed)
        world.play()
        seen |= world.happened
        for run, round in every_round(world.host.on_disk):
            seen.update((run.phase, round.phase, *(member.standing for member in round.members.values())))
        for friend in world.friends:
            seen.update(kept.verdict for kept in friend.state.updates.values() if kept.verdict is not None)
    assert seen >= {*TROUBLES, "finished", "stopped", "committed", "abandoned", "counted"}
    assert seen >= {"uploaded", "refused", "lost", "paused", "late", "revoked"}


def test_the_same_seed_tells_the_same() -> None:
    assert [step.after for step in telling.told(7)] == [step.after for step in telling.told(7)]
    first, second = World(7), World(7)
    first.play()
    second.play()
    assert first.host.book.rows == second.host.book.rows
