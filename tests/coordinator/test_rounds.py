"""Situations of one round, one act each."""

from __future__ import annotations

import pytest

from coordinator.logic import rounds
from coordinator.logic.facts import Configured, Evaluated, Extended, Summarised, UpdateRefused
from coordinator.logic.round_state import EDGES, Phase, Round, Standing, duration, updates, waiting
from coordinator.logic.verdicts import Verdict, verdict
from coordinator.logic.wishes import Configure, Evaluate, Merge, Summarise, Train, Wake
from shared.ids import NodeId
from tests.coordinator.stories import ANA, BO, CEM, RUN, configured, digest, evaluated, merged, summarised, uploaded


def recruiting(*here: NodeId, quorum: int = 2) -> Round:
    return Round(number=1, quorum=quorum, opened=0.0, length=100.0, here=frozenset(here), base=digest("base"))


def training(*nodes: NodeId, quorum: int = 2) -> Round:
    return rounds.apply(recruiting(*nodes, quorum=quorum), configured(*nodes))


def merging(*nodes: NodeId) -> Round:
    round = training(*nodes)
    for node in nodes:
        round = rounds.apply(round, uploaded(node))
    assert round.phase is Phase.MERGING
    return round


def evaluating(*nodes: NodeId) -> Round:
    return rounds.apply(merging(*nodes), merged(1, *nodes))


def test_a_round_asks_for_nobody_before_a_quorum_is_there() -> None:
    assert rounds.plan(RUN, recruiting(ANA)) == []
    assert rounds.plan(RUN, recruiting(BO, ANA)) == [Configure(RUN, 1, (ANA, BO))]


def test_the_chosen_nodes_train_and_the_clock_is_set() -> None:
    assert rounds.plan(RUN, training(ANA, BO)) == [Train(RUN, 1, ANA), Train(RUN, 1, BO), Wake(100.0)]


def test_a_choice_below_the_quorum_is_not_taken() -> None:
    assert rounds.apply(recruiting(ANA, BO), configured(ANA)).phase is Phase.RECRUITING


def test_a_second_configuration_changes_nothing() -> None:
    round = training(ANA, BO)
    assert rounds.apply(round, Configured(1.0, RUN, 1, {ANA: "{}", BO: "{}", CEM: "{}"})) == round


def test_a_round_merges_as_soon_as_everybody_has_answered() -> None:
    round = rounds.apply(training(ANA, BO), uploaded(BO))
    assert rounds.plan(RUN, round) == [Train(RUN, 1, ANA), Wake(100.0)]
    round = rounds.apply(round, uploaded(ANA))
    (wish,) = rounds.plan(RUN, round)
    assert isinstance(wish, Merge)
    assert [update.node for update in wish.updates] == [ANA, BO]


def test_one_update_is_no_quorum_when_a_member_left() -> None:
    round = rounds.notice(training(ANA, BO, CEM), BO, Standing.LOST, at=1.0)
    round = rounds.notice(round, CEM, Standing.LOST, at=1.0)
    round = rounds.apply(round, uploaded(ANA))
    assert round.phase is Phase.TRAINING, "one of the lost may come back"


def test_a_lost_member_is_no_longer_waited_for() -> None:
    round = rounds.apply(rounds.apply(training(ANA, BO, CEM), uploaded(ANA)), uploaded(BO))
    assert rounds.notice(round, CEM, Standing.LOST, at=5.0).phase is Phase.MERGING


def test_a_member_that_comes_back_is_waited_for_again() -> None:
    round = rounds.notice(training(ANA, BO, CEM), CEM, Standing.LOST, at=1.0)
    round = rounds.notice(round, CEM, Standing.ASKED, at=2.0)
    round = rounds.apply(rounds.apply(round, uploaded(ANA)), uploaded(BO))
    assert waiting(round) == (CEM,)


def test_a_paused_member_may_send_what_it_has() -> None:
    round = rounds.notice(training(ANA, BO), BO, Standing.PAUSED, at=1.0, sentence="gaming")
    assert round.members[BO].sentence == "gaming"
    round = rounds.apply(rounds.apply(round, uploaded(ANA)), uploaded(BO, share=0.37))
    assert round.phase is Phase.MERGING
    assert [update.share for update in updates(round)] == [1.0, 0.37]


def test_a_round_waits_for_the_last_of_its_quorum_until_the_deadline() -> None:
    round = rounds.notice(rounds.apply(training(ANA, BO), uploaded(ANA)), BO, Standing.LOST, at=2.0)
    assert rounds.elapse(round, 99.9).phase is Phase.TRAINING
    assert rounds.elapse(round, 100.0).phase is Phase.ABANDONED


def test_a_round_is_given_up_at_once_when_nobody_can_make_the_quorum() -> None:
    round = rounds.notice(training(ANA, BO), BO, Standing.LEFT, at=2.0)
    assert round.phase is Phase.ABANDONED
    assert "nobody else" in round.sentence


def test_the_deadline_closes_a_round_with_a_quorum() -> None:
    round = rounds.apply(rounds.apply(training(ANA, BO, CEM), uploaded(ANA)), uploaded(BO))
    assert rounds.elapse(round, 100.0).phase is Phase.MERGING


def test_a_late_update_gets_a_verdict() -> None:
    round = rounds.apply(rounds.apply(training(ANA, BO, CEM), uploaded(ANA)), uploaded(BO))
    round = rounds.apply(round, uploaded(CEM, at=100.0))
    assert round.members[CEM].standing is Standing.LATE
    assert verdict(round, CEM).verdict is Verdict.LATE
    assert [update.node for update in updates(round)] == [ANA, BO]


def test_a_refused_update_counts_as_an_answer() -> None:
    round = rounds.apply(rounds.apply(training(ANA, BO, CEM), uploaded(ANA)), uploaded(BO))
    round = rounds.apply(round, UpdateRefused(2.0, RUN, 1, CEM, digest("bad"), "NaN in lm_head"))
    assert round.phase is Phase.MERGING
    assert verdict(round, CEM, digest("bad")).sentence == "NaN in lm_head"


def test_a_better_update_replaces_a_refused_one_while_training_lasts() -> None:
    round = rounds.apply(training(ANA, BO, CEM), UpdateRefused(1.0, RUN, 1, CEM, digest("bad"), "NaN"))
    assert verdict(round, CEM, digest("better")).verdict is Verdict.NOTHING, "it is worth sending"
    round = rounds.apply(round, uploaded(CEM))
    assert verdict(round, CEM).verdict is Verdict.ACCEPTED


def test_bad_updates_without_end_leave_a_short_record() -> None:
    round = training(ANA, BO, CEM)
    for number in range(500):
        round = rounds.apply(round, UpdateRefused(1.0, RUN, 1, CEM, digest("bad", number), "too long"))
    assert len(round.members[CEM].refused) == rounds.REFUSALS
    assert rounds.apply(round, UpdateRefused(2.0, RUN, 1, CEM, digest("more"), "too long")) == round, "not written down"
    assert rounds.apply(round, uploaded(CEM)).members[CEM].standing is Standing.UPLOADED


def test_the_first_update_of_a_member_counts_and_another_one_does_not() -> None:
    round = rounds.apply(training(ANA, BO), uploaded(ANA))
    again = rounds.apply(round, uploaded(ANA, digest=digest("other")))
    assert again == round
    assert verdict(again, ANA, digest("other")).verdict is Verdict.REFUSED


def test_a_stranger_to_the_round_is_told_so() -> None:
    round = rounds.apply(training(ANA, BO), uploaded(CEM))
    assert CEM not in round.members
    assert verdict(round, CEM, digest("update")).verdict is Verdict.REFUSED


def test_a_merge_of_other_updates_than_those_held_is_not_taken() -> None:
    round = merging(ANA, BO, CEM)
    assert rounds.apply(round, merged(1, ANA, BO)) == round


def test_a_revoked_members_update_is_not_merged() -> None:
    round = rounds.notice(merging(ANA, BO, CEM), CEM, Standing.REVOKED, at=2.0)
    assert rounds.apply(round, merged(1, ANA, BO, CEM)) == round, "that merge was made before the revocation"
    round = rounds.apply(round, merged(1, ANA, BO))
    assert round.phase is Phase.EVALUATING
    assert verdict(round, CEM, digest("update", CEM, 1)).verdict is Verdict.REFUSED


def test_a_revocation_may_leave_too_few_updates_to_merge() -> None:
    assert rounds.notice(merging(ANA, BO), BO, Standing.REVOKED, at=2.0).phase is Phase.ABANDONED


def test_the_model_stands_before_anybody_has_measured_it() -> None:
    round = evaluating(ANA, BO)
    assert round.model == merged(1).model
    assert verdict(round, ANA).verdict is Verdict.COUNTED
    assert rounds.plan(RUN, round) == [Evaluate(RUN, 1, ANA), Evaluate(RUN, 1, BO), Wake(302.0)]


def test_measurements_are_summarised_once_all_have_come() -> None:
    round = rounds.apply(rounds.apply(evaluating(ANA, BO), evaluated(ANA)), evaluated(BO))
    assert rounds.plan(RUN, round) == [Summarise(RUN, 1), Wake(362.0)]
    round = rounds.apply(round, summarised(1))
    assert round.phase is Phase.COMMITTED
    assert round.metrics == {"train_loss": 1.0, "loss": 1.0, "bits_per_byte": 1.5}


def test_evaluating_never_blocks_a_round() -> None:
    silent = rounds.elapse(evaluating(ANA, BO), 302.0)
    assert silent.phase is Phase.COMMITTED
    half = rounds.elapse(rounds.apply(evaluating(ANA, BO), evaluated(ANA)), 302.0)
    assert rounds.plan(RUN, half) == [Summarise(RUN, 1), Wake(362.0)]
    assert rounds.elapse(half, 362.0).phase is Phase.COMMITTED


def test_a_node_that_goes_while_evaluating_is_not_waited_for() -> None:
    round = rounds.apply(evaluating(ANA, BO), evaluated(ANA))
    assert rounds.notice(round, BO, Standing.PAUSED, at=4.0).summarising


def test_a_nodes_impossible_numbers_stay_outside() -> None:
    round = rounds.apply(evaluating(ANA, BO), Evaluated(3.0, RUN, 1, ANA, {"loss": float("nan"), "tokens": 5.0}))
    assert round.evaluations[ANA] == {"tokens": 5.0}


def test_an_extension_is_at_most_another_length() -> None:
    round = rounds.apply(training(ANA, BO), Extended(1.0, RUN, 1, 150.0))
    assert round.deadline == 150.0
    assert rounds.apply(round, Extended(1.0, RUN, 1, 120.0)).deadline == 150.0
    assert rounds.apply(round, Extended(1.0, RUN, 1, 9e9)).deadline == 200.0


def test_time_without_a_coordinator_is_not_held_against_anybody() -> None:
    round = rounds.postpone(training(ANA, BO), 1000.0)
    assert rounds.elapse(round, 1099.0).phase is Phase.TRAINING
    for node in (ANA, BO):
        round = rounds.apply(round, uploaded(node, at=1050.0))
    assert duration(round) == 50.0


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_has_its_edges(phase: Phase) -> None:
    assert phase not in EDGES[phase]
    assert EDGES[phase] or phase in (Phase.COMMITTED, Phase.ABANDONED)


def test_an_ended_round_hears_nothing_any_more() -> None:
    round = rounds.elapse(training(ANA, BO), 100.0)
    told = rounds.apply(round, uploaded(ANA, at=101.0))
    told = rounds.notice(told, BO, Standing.REVOKED, at=102.0)
    told = rounds.apply(told, Summarised(103.0, RUN, 1, {}))
    assert told == round
    assert rounds.plan(RUN, told) == []
    assert verdict(told, ANA).verdict is Verdict.ABANDONED


def test_an_update_that_rotted_on_the_hosts_disk_is_merged_without() -> None:
    round = merging(ANA, BO, CEM)
    of = {update.node: update.digest for update in updates(round)}
    without = rounds.apply(round, UpdateRefused(2.0, RUN, 1, BO, of[BO], "damaged"))
    assert [update.node for update in updates(without)] == [ANA, CEM]
    assert without.members[BO].standing is Standing.REFUSED
    assert verdict(without, BO, of[BO]).verdict is Verdict.REFUSED
    assert rounds.apply(round, UpdateRefused(2.0, RUN, 1, BO, digest("another"), "NaN")) == round
    assert rounds.apply(without, UpdateRefused(3.0, RUN, 1, CEM, of[CEM], "damaged")).phase is Phase.ABANDONED
