"""What the host reads in the window where the coordinator runs."""

from __future__ import annotations

import pytest

from coordinator.logic.cluster import Cluster, Fact
from coordinator.logic.facts import AvailabilityChanged, Elapsed, Left, Lost, RunFailed, RunStopped
from coordinator.logic.members import Revoked
from coordinator.logic.news import news
from tests.coordinator.stories import (
    ANA,
    BO,
    RUN,
    configured,
    evaluated,
    greeted,
    group,
    joined,
    merged,
    paused,
    started,
    summarised,
    tell,
    training,
    uploaded,
)

EVENING: tuple[Fact, ...] = (
    *joined(ANA), greeted(ANA), *joined(BO), greeted(BO), *started(rounds=1), configured(ANA, BO), uploaded(ANA),
    uploaded(BO), merged(1, ANA, BO), evaluated(ANA), evaluated(BO), summarised(1),
)  # fmt: skip


def heard(state: Cluster, *happened: Fact) -> list[str]:
    return news(state, tell(state, *happened))


def test_an_evening_is_told_in_sentences() -> None:
    state, lines = Cluster(), list[str]()
    for fact in EVENING:
        after = tell(state, fact)
        lines += news(state, after)
        state = after
    assert lines == [
        "Ana joined the group.",
        "Ana is here.",
        "Bo joined the group.",
        "Bo is here.",
        f"{RUN} was started: 1 round.",
        f"{RUN} is ready and waits for 2 PCs.",
        f"Round 1 of {RUN} has begun with Ana, Bo.",
        f"The new model of round 1 of {RUN} is measured by Ana, Bo.",
        f"Round 1 of {RUN} is done: 2 updates merged, train loss 1.000, bits a byte 1.500.",
        f"{RUN} is finished. Its model: /runs/notes",
    ]


def test_what_happened_while_nobody_looked_is_told_once() -> None:
    lines = heard(Cluster(), *EVENING)
    assert len(lines) == len(set(lines))
    assert f"Round 1 of {RUN} is done: 2 updates merged, train loss 1.000, bits a byte 1.500." in lines


def test_nothing_new_is_no_news() -> None:
    state = tell(training(ANA, BO), uploaded(ANA))
    assert heard(state, uploaded(ANA), greeted(BO), Elapsed(5.0)) == []


@pytest.mark.parametrize(
    ("fact", "line"),
    [
        (Lost(1.0, BO), "Bo is not heard any more; it may come back by itself."),
        (AvailabilityChanged(1.0, BO, paused(1.0)), "Bo is paused by its owner."),
        (Left(1.0, BO), "Bo has left the group's work."),
        (Revoked(1.0, BO), "Bo was removed from the group."),
        (RunStopped(1.0, RUN), f"{RUN} was stopped."),
        (RunFailed(1.0, RUN, "The disk is full."), f"{RUN} has failed: The disk is full."),
    ],
)
def test_each_change_has_its_sentence(fact: Fact, line: str) -> None:
    assert line in heard(tell(group(ANA, BO), *started()), fact)


def test_a_pc_that_is_resumed_is_told() -> None:
    state = tell(group(ANA, BO), greeted(BO, 1.0, paused(1.0)))
    assert heard(state, greeted(BO, 2.0)) == ["Bo takes part again."]


def test_a_round_given_up_says_why() -> None:
    lines = heard(tell(training(ANA, BO), uploaded(ANA)), Elapsed(100.0))
    assert lines == [f"Round 1 of {RUN} was given up: only 1 of the 2 updates it needs came before its deadline."]
