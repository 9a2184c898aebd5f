"""A run from its file to its last round, and how long its rounds may last."""

from __future__ import annotations

from dataclasses import replace

from coordinator.logic import cluster, runs
from coordinator.logic.cluster import Cluster
from coordinator.logic.deadlines import deadline, extension
from coordinator.logic.facts import Elapsed, Left, Prepared, RunFailed, RunStopped, UpdateRefused
from coordinator.logic.round_state import Phase, Round, Standing
from coordinator.logic.runs import RunPhase
from coordinator.logic.verdicts import Verdict
from coordinator.logic.wishes import Configure, Prepare
from tests.coordinator.stories import (
    ANA,
    BO,
    CEM,
    RUN,
    SPEC,
    configured,
    digest,
    evaluated,
    greeted,
    group,
    merged,
    started,
    summarised,
    tell,
    the_round,
    the_run,
    training,
    uploaded,
    verdict,
)


def round_done(state: Cluster, number: int, at: float) -> Cluster:
    """One whole round with ana and bo."""
    state = tell(state, configured(ANA, BO, at=at, round=number))
    state = tell(state, uploaded(ANA, at + 1, number), uploaded(BO, at + 9, number))
    state = tell(state, merged(number, ANA, BO, at=at + 10))
    return tell(state, evaluated(ANA, at + 11, number), evaluated(BO, at + 12, number), summarised(number, at + 13))


def given_up(state: Cluster, number: int, sentence: str) -> Cluster:
    """A round that both members spoil."""
    state = tell(state, configured(ANA, BO, at=state.now, round=number))
    for node in (ANA, BO):
        state = tell(state, UpdateRefused(state.now, RUN, number, node, digest("bad", node, number), sentence))
    return state


def test_a_run_is_prepared_and_then_opens_its_first_round() -> None:
    begin, prepared = started()
    state = tell(group(ANA, BO), begin)
    assert cluster.plan(state) == (Prepare(RUN),)
    assert cluster.plan(tell(state, prepared)) == (Configure(RUN, 1, (ANA, BO)),)


def test_a_run_ends_after_as_many_committed_rounds_as_it_asked_for() -> None:
    state = round_done(tell(group(ANA, BO), *started()), 1, at=0.0)
    run = the_run(state)
    assert (run.committed, run.parent, run.model) == (1, digest("model", RUN, 0), digest("model", RUN, 1))
    assert the_round(state).number == 2
    state = round_done(state, 2, at=20.0)
    run = the_run(state)
    assert (run.phase, run.committed, run.round) == (RunPhase.FINISHED, 2, None)
    assert cluster.plan(state) == ()
    assert [verdict(state, RUN, number, ANA).verdict for number in (1, 2)] == [Verdict.COUNTED] * 2


def test_an_abandoned_round_takes_a_number_but_no_progress() -> None:
    state = tell(training(ANA, BO), uploaded(ANA), Elapsed(100.0))
    run = the_run(state)
    assert (run.committed, run.model) == (0, digest("model", RUN, 0))
    assert the_round(state).number == 2
    assert cluster.plan(state) == (Configure(RUN, 2, (ANA, BO)),)
    assert verdict(state, RUN, 1, ANA).verdict is Verdict.ABANDONED
    state = tell(state, configured(ANA, BO, at=101.0, round=2))
    assert cluster.duties(state, ANA)[0].done == 0


def test_a_stopped_run_gives_up_its_open_round() -> None:
    state = tell(training(ANA, BO), uploaded(ANA), RunStopped(5.0, RUN))
    assert the_run(state).phase is RunPhase.STOPPED
    assert cluster.plan(state) == ()
    assert "stopped" in verdict(state, RUN, 1, ANA).sentence


def test_stopping_while_the_last_model_is_measured_finishes_the_run() -> None:
    state = tell(training(ANA, BO, rounds=1), uploaded(ANA), uploaded(BO), merged(1, ANA, BO), RunStopped(3.0, RUN))
    assert the_run(state).phase is RunPhase.FINISHED
    assert verdict(state, RUN, 1, ANA).verdict is Verdict.COUNTED


def test_a_run_that_cannot_be_prepared_fails_in_words() -> None:
    state = tell(group(ANA, BO), started()[0], RunFailed(1.0, RUN, "There is no model in /models."))
    assert (the_run(state).phase, the_run(state).sentence) == (RunPhase.FAILED, "There is no model in /models.")
    late = tell(state, Prepared(2.0, RUN, digest("job"), digest("model")))
    assert replace(late, now=state.now) == state


def test_a_strategy_that_chooses_fewer_than_the_quorum_ends_the_run() -> None:
    state = tell(group(ANA, BO), *started(), configured(ANA))
    assert the_run(state).phase is RunPhase.FAILED
    assert "quorum of 2" in the_run(state).sentence


def test_updates_refused_round_after_round_end_the_run() -> None:
    state = tell(group(ANA, BO), *started())
    for number in (1, 2):
        state = given_up(state, number, "NaN in lm_head")
    assert the_run(state).phase is RunPhase.RUNNING
    state = given_up(state, 3, "NaN in lm_head")
    assert the_run(state).phase is RunPhase.FAILED
    assert "NaN in lm_head" in the_run(state).sentence


def test_a_group_that_goes_home_fails_no_run() -> None:
    state = training(ANA, BO)
    for number in range(2, 8):
        state = tell(state, Left(state.now, BO), greeted(BO), configured(ANA, BO, round=number))
    assert (the_run(state).phase, the_round(state).number) == (RunPhase.RUNNING, 7)


def test_rounds_are_found_by_their_number_for_ever() -> None:
    state = round_done(tell(group(ANA, BO), *started()), 1, at=0.0)
    found = runs.record(the_run(state), 1)
    assert found is not None
    assert found.phase is Phase.COMMITTED
    assert {member.standing for member in found.members.values()} == {Standing.UPLOADED}
    assert runs.record(the_run(state), 2) == the_round(state)
    assert runs.record(the_run(state), 3) is None
    assert runs.record(the_run(state), 0) is None


# How long a round may last


def record(seconds: float, phase: Phase = Phase.COMMITTED) -> Round:
    return Round(number=1, quorum=2, opened=0.0, phase=phase, started=10.0, closed=10.0 + seconds)


FREE = SPEC | {"deadline_seconds": None}


def test_the_run_file_may_fix_the_deadline() -> None:
    assert deadline(SPEC, [record(3.0)], [9.0]) == 100.0


def test_the_first_deadline_is_twice_the_estimate_of_the_slowest() -> None:
    assert deadline(FREE, [], [1.0, 50.0]) == 2 * 16 * 50.0
    assert deadline(FREE | {"steps": None, "seconds": 900.0}, [], [1.0]) == 1800.0
    assert deadline(FREE, [], [0.0]) == 1200.0, "ten minutes when nobody has measured"
    assert deadline(FREE, [], [0.1]) == 600.0, "the first round also fetches and starts everything"


def test_later_deadlines_follow_what_was_observed() -> None:
    assert deadline(FREE, [record(s) for s in (100.0, 100.0, 100.0)], []) == 150.0
    assert deadline(FREE, [record(s) for s in (80.0, 100.0, 140.0)], []) == 100.0 + 4 * 20.0
    assert deadline(FREE, [record(2.0)], []) == 60.0


def test_abandoned_rounds_earn_the_next_one_more_time() -> None:
    history = [record(100.0), record(150.0, Phase.ABANDONED), record(300.0, Phase.ABANDONED)]
    assert deadline(FREE, history, []) == 600.0


def test_clear_progress_earns_a_later_deadline_but_never_twice_the_length() -> None:
    round = the_round(training(ANA, BO, CEM))
    assert extension(round, 90.0, {}) is None, "nobody reports"
    assert extension(round, 90.0, {BO: 0.01}) is None, "it hardly moves"
    assert extension(round, 90.0, {ANA: 1.0}) == 1.2 * 90.0, "it is sending"
    assert extension(round, 90.0, {BO: 0.75}) == 1.2 * 90.0 / 0.75
    assert extension(round, 90.0, {BO: 0.06}) == 200.0


def test_nobody_is_waited_for_longer_once_the_slow_one_has_sent() -> None:
    state = tell(training(ANA, BO), uploaded(BO))
    assert extension(the_round(state), 90.0, {BO: 0.5}) is None


def test_only_the_last_round_is_measured_when_the_run_says_so() -> None:
    state = tell(group(ANA, BO), *started(evaluate="last"))
    assert not the_round(state).evaluate
    state = tell(state, configured(ANA, BO), uploaded(ANA), uploaded(BO), merged(1, ANA, BO))
    assert the_round(state).number == 2
    assert the_round(state).evaluate
