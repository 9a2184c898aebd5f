"""Thousands of odd evenings, each drawn from a number: what fails names it, and `play.py` shows it again."""

from __future__ import annotations

import pytest

from coordinator.logic.round_state import Phase
from tests.coordinator.test_promises import every_round
from tests.faults.schedules import play, telling

pytestmark = pytest.mark.slow

FACTS = 2000  # schedules
CHUNK = 250  # to a test, so that it is seen to go on


@pytest.mark.parametrize("first", range(0, FACTS, CHUNK))
def test_no_schedule_of_facts_breaks_a_promise(first: int) -> None:
    for seed in range(first, first + CHUNK):
        play.play_facts(seed)


def test_the_schedules_of_facts_go_deep() -> None:
    """The promises would be cheap if no round ever came to its end here."""
    seen: set[str] = set()
    for seed in range(60):
        for step in telling.told(seed):
            seen.update(run.phase for run in step.after.runs.values())
            for _, round in every_round(step.after):
                seen.update((round.phase, *(member.standing for member in round.members.values())))
    assert seen >= {*Phase, "uploaded", "refused", "lost", "paused", "left", "late", "unable", "revoked", "finished"}
    assert seen >= {"stopped", "failed"}


def test_the_same_seed_tells_the_same() -> None:
    assert [step.after for step in telling.told(7)] == [step.after for step in telling.told(7)]
