"""What the host reads: each state with its reason."""

from __future__ import annotations

import pytest

from coordinator.logic import cluster, tables
from coordinator.logic.cluster import Cluster, Fact
from coordinator.logic.facts import Ability, Availability, AvailabilityChanged, Elapsed, Left, Lost, UpdateRefused
from coordinator.logic.members import Revoked
from shared.clock import moment
from shared.ids import RunId
from tests.coordinator.stories import (
    ANA,
    BO,
    CEM,
    RUN,
    digest,
    evaluated,
    greeted,
    group,
    joined,
    merged,
    paused,
    started,
    summarised,
    tell,
    the_round,
    the_run,
    training,
    uploaded,
)

EVENING = 1764018240.0  # 24 November 2025, 21:04 UTC
STOPPED = Availability(Ability.STOPPED, EVENING)


def why(state: Cluster, name: str) -> str:
    """The host's line about one PC."""
    return next(f"{row.state}: {row.sentence}".rstrip(": ") for row in tables.nodes(state, moment) if row.name == name)


def work(state: Cluster, name: str, number: int = 1, share: float = 0.0) -> str:
    """The host's line about one PC in one round."""
    run = the_run(state)
    round = next(round for round in (*run.history, run.round) if round is not None and round.number == number)
    rows = tables.members(state, round, lambda _: share, moment)
    return next(f"{row.state}: {row.sentence}".rstrip(": ") for row in rows if row.name == name)


def told(state: Cluster, number: int = 0, run: RunId = RUN) -> str:
    """The host's line about a round; the open one when it has no number."""
    record = the_run(state, run).history[number - 1] if number else the_round(state, run)
    return tables.round_sentence(state, the_run(state, run), record, moment)


def test_a_paused_pc_says_since_when_and_what_it_has_sent() -> None:
    state = tell(training(ANA, BO, deadline_seconds=1e10), AvailabilityChanged(EVENING, BO, paused(EVENING)))
    assert why(state, "Bo") == "paused: by its owner since 24 Nov 2025 at 21:04 UTC"
    state = tell(state, uploaded(BO, at=EVENING + 20, share=0.37))
    assert why(state, "Bo") == "paused: by its owner since 24 Nov 2025 at 21:04 UTC, 37 % of this round sent"


@pytest.mark.parametrize(
    ("fact", "line"),
    [
        (Lost(EVENING, BO), "lost: not heard since about 24 Nov 2025 at 21:04 UTC"),
        (Left(EVENING, BO), "left: said goodbye, gone since 24 Nov 2025 at 21:04 UTC"),
        (AvailabilityChanged(EVENING, BO, STOPPED), "stopped: by its owner since 24 Nov 2025 at 21:04 UTC"),
        (Revoked(EVENING, BO), "revoked: by the host since 24 Nov 2025 at 21:04 UTC"),
        (
            greeted(BO, EVENING, paused(EVENING, until=EVENING + 7200)),
            "paused: by its owner since 24 Nov 2025 at 21:04 UTC, until 24 Nov 2025 at 23:04 UTC",
        ),
        (greeted(BO, EVENING, Availability(Ability.NO_DATA, 0.0)), "no data: has nothing to train on yet"),
        (greeted(BO, EVENING, Availability(Ability.BROKEN, 0.0, sentence="no card")), "broken: no card"),
        (greeted(BO, EVENING), "ready"),
    ],
)
def test_every_state_of_a_pc_has_its_reason(fact: Fact, line: str) -> None:
    assert why(tell(group(ANA, BO), fact), "Bo") == line


def test_a_pc_that_never_came_is_told_apart() -> None:
    assert "node run" in why(tell(group(ANA), *joined(BO)), "Bo")


def test_a_round_says_what_each_member_does() -> None:
    state = training(ANA, BO, CEM)
    assert work(state, "Ana") == work(state, "Ana", share=0.5) == "training"
    assert why(state, "Ana") == f"training: round 1 of {RUN}"
    state = tell(state, uploaded(ANA, share=0.37), UpdateRefused(2.0, RUN, 1, BO, digest("bad"), "NaN in lm_head"))
    assert work(state, "Ana") == "uploaded: 37 % of this round sent"
    assert work(state, "Bo") == "refused: NaN in lm_head"
    assert "1 of 3 updates here" in told(state)


def test_a_pc_whose_owner_stopped_it_is_not_called_lost() -> None:
    state = training(ANA, BO, deadline_seconds=1e10)
    state = tell(state, AvailabilityChanged(EVENING, BO, STOPPED), Lost(EVENING + 45, BO))
    assert why(state, "Bo") == "stopped: by its owner since 24 Nov 2025 at 21:04 UTC"
    assert work(state, "Bo", share=0.37) == "stopped: by its owner since 24 Nov 2025 at 21:04 UTC"


def test_an_ended_round_says_what_became_of_each_member() -> None:
    state = tell(training(ANA, BO, CEM), uploaded(ANA), uploaded(BO), Elapsed(100.0), uploaded(CEM, at=101.0))
    assert work(state, "Cem").startswith("late: its update came")
    state = tell(
        state, merged(1, ANA, BO, at=102.0), *(evaluated(n, 103.0) for n in (ANA, BO, CEM)), summarised(1, 104.0)
    )
    assert work(state, "Ana") == "counted"
    assert told(state, 1) == "2 updates merged"
    (ana, *_) = tables.members(state, the_run(state).history[0], lambda _: 0.0, moment)
    assert (ana.share, ana.tokens, ana.bytes, ana.metrics) == (1.0, 2048, 100, {"loss": 2.0, "held_out_loss": 2.0})


def test_a_round_that_was_given_up_says_why() -> None:
    state = tell(training(ANA, BO), uploaded(ANA), Elapsed(100.0))
    sentence = told(state, 1)
    assert sentence == "given up: only 1 of the 2 updates it needs came before its deadline; the model is as it was"
    assert work(state, "Bo") == "missed: sent nothing before the round closed"


def test_a_waiting_round_says_for_how_many() -> None:
    state = tell(group(ANA), *started())
    assert told(state) == "waiting for 2 PCs; 1 could start now"
    assert tables.run_sentence(the_run(state)) == "0 of 2 rounds done"
    assert cluster.plan(state) == ()


def test_a_run_that_waits_for_its_turn_says_after_whom() -> None:
    other = RunId("other-a1b2c3")
    state = tell(training(ANA, BO), *started(run=other), uploaded(ANA))
    assert told(state, run=other) == f"waiting for its turn after round 1 of {RUN} (training: Bo)"
    assert [why(state, name) for name in ("Ana", "Bo")] == ["ready", f"training: round 1 of {RUN}"]
