"""The whole group: who is there, whose turn it is, what each is told, and what is kept."""

from __future__ import annotations

from coordinator.logic import cluster
from coordinator.logic.facts import (
    Ability,
    Availability,
    AvailabilityChanged,
    CoordinatorStarted,
    Elapsed,
    Extended,
    Left,
    Lost,
    RunStarted,
    RunStopped,
)
from coordinator.logic.members import Revoked
from coordinator.logic.presence import Link
from coordinator.logic.round_state import Phase, Standing
from coordinator.logic.verdicts import Verdict
from coordinator.logic.wishes import Configure, DutyKind, Evaluate, Prepare, Train, Wake
from shared.ids import RunId
from tests.coordinator.stories import (
    ANA,
    BO,
    CEM,
    DEE,
    READY,
    RUN,
    configured,
    digest,
    evaluated,
    greeted,
    group,
    joined,
    merged,
    paused,
    senders,
    started,
    summarised,
    tell,
    the_round,
    the_run,
    training,
    uploaded,
    verdict,
)


def test_a_stranger_is_not_noticed() -> None:
    state = tell(group(ANA), greeted(BO))
    assert state.presences.keys() == {ANA}


def test_only_ready_nodes_are_asked() -> None:
    state = tell(group(ANA, BO, CEM, DEE), *started())
    state = tell(state, AvailabilityChanged(1.0, CEM, paused(1.0)))
    state = tell(state, AvailabilityChanged(1.0, DEE, Availability(Ability.NO_DATA, 1.0)))
    assert cluster.plan(state) == (Configure(RUN, 1, (ANA, BO)),)


def test_a_node_that_turns_ready_joins_the_next_round() -> None:
    state = tell(training(ANA, BO), *joined(CEM), greeted(CEM))
    assert cluster.duties(state, CEM) == ()
    state = tell(state, uploaded(ANA), uploaded(BO), merged(1, ANA, BO))
    assert Evaluate(RUN, 1, CEM) in cluster.plan(state), "the model is measured everywhere"
    state = tell(state, *(evaluated(node) for node in (ANA, BO, CEM)), summarised(1))
    assert cluster.plan(state) == (Configure(RUN, 2, (ANA, BO, CEM)),)


def test_pausing_and_resuming_moves_a_member_out_and_in() -> None:
    state = tell(training(ANA, BO), AvailabilityChanged(1.0, BO, paused(1.0)))
    assert the_round(state).members[BO].standing is Standing.PAUSED
    assert [wish for wish in cluster.plan(state) if isinstance(wish, Train)] == [Train(RUN, 1, ANA)]
    state = tell(state, AvailabilityChanged(2.0, BO, READY))
    assert the_round(state).members[BO].standing is Standing.ASKED


def test_a_paused_node_keeps_its_duty_so_that_it_can_send_what_it_has() -> None:
    state = tell(training(ANA, BO), AvailabilityChanged(1.0, BO, paused(1.0)))
    assert [duty.kind for duty in cluster.duties(state, BO)] == [DutyKind.TRAIN]
    assert cluster.duties(tell(state, uploaded(BO, share=0.4)), BO) == ()


def test_a_node_that_was_chosen_while_it_went_away_starts_as_what_it_is() -> None:
    state = tell(group(ANA, BO, CEM), *started(), AvailabilityChanged(0.5, CEM, paused(0.5)))
    state = tell(state, configured(ANA, BO, CEM, at=1.0))
    assert the_round(state).members[CEM].standing is Standing.PAUSED


def test_a_lost_node_has_no_duties_until_it_greets_again() -> None:
    state = tell(training(ANA, BO), Lost(1.0, BO))
    assert cluster.duties(state, BO) == ()
    assert state.presences[BO].link is Link.LOST
    assert len(cluster.duties(tell(state, greeted(BO, 2.0)), BO)) == 1


def test_a_node_stopped_by_its_owner_is_out_of_the_round_at_once() -> None:
    """It is as one whose lease ended: the round goes on without it, and with it when it comes back."""
    stopped = AvailabilityChanged(1.0, BO, Availability(Ability.STOPPED, 1.0))
    state = tell(training(ANA, BO), stopped)
    assert cluster.duties(state, BO) == ()
    assert the_round(state).members[BO].standing is Standing.LOST
    assert BO not in cluster.ready(state, RUN)
    assert tell(state, stopped).presences == state.presences
    assert len(cluster.duties(tell(state, greeted(BO, 2.0)), BO)) == 1


def test_a_duty_says_all_a_node_must_know() -> None:
    (duty,) = cluster.duties(training(ANA, BO), ANA)
    assert (duty.kind, duty.run, duty.round, duty.rounds, duty.done) == (DutyKind.TRAIN, RUN, 1, 2, 0)
    assert (duty.job, duty.model) == (digest("job", RUN), digest("model", RUN, 0))
    assert (duty.parent, duty.delta, duty.config, duty.deadline) == (None, None, '{"lr": 0.1}', 100.0)


def test_later_duties_name_the_delta_that_leads_to_the_model() -> None:
    state = tell(training(ANA, BO), uploaded(ANA), uploaded(BO), merged(1, ANA, BO))
    (duty,) = cluster.duties(state, ANA)
    assert (duty.kind, duty.model) == (DutyKind.EVALUATE, digest("model", RUN, 1))
    assert (duty.parent, duty.delta) == (digest("model", RUN, 0), digest("delta", RUN, 1))


def test_a_revoked_node_is_dropped_and_never_comes_back() -> None:
    state = tell(training(ANA, BO, CEM), uploaded(CEM), Revoked(2.0, CEM))
    assert senders(the_round(state)) == []
    assert verdict(state, RUN, 1, CEM).verdict is Verdict.REFUSED
    state = tell(state, greeted(CEM, 3.0), uploaded(CEM, 3.0, digest=digest("again")))
    assert CEM not in state.presences
    assert senders(the_round(state)) == []
    assert cluster.duties(state, CEM) == ()


def test_a_choice_made_before_a_revocation_is_made_again() -> None:
    state = tell(group(ANA, BO, CEM), *started(), Revoked(1.0, BO), configured(ANA, BO, at=2.0))
    assert the_round(state).phase is Phase.RECRUITING
    assert cluster.plan(state) == (Configure(RUN, 1, (ANA, CEM)),)


def test_a_choice_that_is_still_large_enough_is_kept_without_the_revoked_node() -> None:
    state = tell(group(ANA, BO, CEM), *started(), Revoked(1.0, BO), configured(ANA, BO, CEM, at=2.0))
    assert the_round(state).members.keys() == {ANA, CEM}


def test_runs_take_turns() -> None:
    other = RunId("poems-aaaaaa")
    state = tell(group(ANA, BO), *started(at=0.0), *started(at=1.0, run=other))
    assert cluster.plan(state) == (Configure(RUN, 1, (ANA, BO)),)
    state = tell(state, RunStopped(2.0, RUN))
    assert cluster.plan(state) == (Configure(other, 1, (ANA, BO)),)


def test_a_round_under_way_is_not_interrupted_by_an_older_run() -> None:
    older, younger = RunId("older-aaaaaa"), RunId("young-aaaaaa")
    begin, prepared = started(at=0.0, run=older)
    state = tell(group(ANA, BO), begin, *started(at=1.0, run=younger), configured(ANA, BO, at=2.0, run=younger))
    assert cluster.plan(state) == (Prepare(older), Train(younger, 1, ANA), Train(younger, 1, BO), Wake(102.0))
    state = tell(state, prepared)
    assert not [wish for wish in cluster.plan(state) if isinstance(wish, Configure)]


def test_time_never_goes_back() -> None:
    state = tell(training(ANA, BO), Elapsed(50.0), uploaded(ANA, at=3.0))
    assert (state.now, the_round(state).members[ANA].since) == (50.0, 50.0)


def test_a_round_is_extended_at_the_very_deadline() -> None:
    at = the_round(training(ANA, BO)).deadline
    state = tell(training(ANA, BO), uploaded(ANA), Extended(at + 0.1, RUN, 1, at + 50.0))
    assert (the_round(state).phase, the_round(state).deadline) == (Phase.TRAINING, at + 50.0)
    assert the_round(tell(state, Elapsed(at + 50.0))).number == 2, "the quorum never came"


def test_a_restart_moves_the_deadline_by_the_time_away() -> None:
    state = tell(training(ANA, BO), uploaded(ANA, at=10.0), CoordinatorStarted(5010.0))
    assert the_round(state).deadline == 5100.0
    assert cluster.plan(state) == (Train(RUN, 1, BO), Wake(5100.0)), "nobody is lost because we were"
    assert tell(state, CoordinatorStarted(5010.0)) == state


def test_the_slowest_chosen_node_sets_the_first_deadline() -> None:
    state = tell(group(ANA, BO), *started(deadline_seconds=None))
    state = tell(state, greeted(BO, 1.0, step_seconds={RUN: 60.0}), configured(ANA, BO, at=2.0))
    assert the_round(state).deadline == 2.0 + 2 * 16 * 60.0


def test_a_run_that_is_started_twice_is_started_once() -> None:
    state = training(ANA, BO)
    assert tell(state, RunStarted(0.0, RUN, {}, "")) == state


def test_pending_updates_and_the_newest_models_are_kept() -> None:
    state = tell(training(ANA, BO, rounds=9), uploaded(ANA))
    assert cluster.keep(state) == {digest("job", RUN), digest("model", RUN, 0), digest("update", ANA, 1)}
    state = tell(state, uploaded(BO))
    for number in (1, 2, 3, 4):
        if number > 1:
            state = tell(state, configured(ANA, BO, round=number), *(uploaded(n, round=number) for n in (ANA, BO)))
        state = tell(state, merged(number, ANA, BO), *(evaluated(n, round=number) for n in (ANA, BO)))
        state = tell(state, summarised(number))
    models = {digest("model", RUN, number) for number in (2, 3, 4)}
    deltas = {digest("delta", RUN, number) for number in (3, 4)}
    assert cluster.keep(state) == {digest("job", RUN), *models, *deltas, digest("state", RUN, 4)}


def test_a_node_that_says_goodbye_is_gone_until_it_greets() -> None:
    state = tell(training(ANA, BO, CEM), Left(1.0, CEM))
    assert the_round(state).members[CEM].standing is Standing.LEFT
    assert the_round(tell(state, greeted(CEM, 2.0))).members[CEM].standing is Standing.ASKED
    assert the_run(state).round is not None
