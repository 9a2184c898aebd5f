"""What a node wants, in every situation."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.logic import bounds, report
from node.logic.changes import apply
from node.logic.duties import IDLE_SECONDS, halt_at
from node.logic.duties import plan as whole_plan
from node.logic.facts import (
    Availability,
    BlobsGone,
    BlobsHere,
    DataChanged,
    DeltaUseless,
    DutiesTold,
    Duty,
    Elapsed,
    Evaluated,
    Fact,
    Fetched,
    FitChosen,
    FitSought,
    JobRead,
    Kind,
    LinkDown,
    LinkUp,
    NothingFits,
    OwnerPaused,
    OwnerResumed,
    Progressed,
    Readiness,
    RoomWanted,
    TrainerFailed,
    TrainerGone,
    TrainerHalted,
    TrainerNoted,
    TrainerOpened,
    TrainerStarted,
    TrainerTold,
    TrainerWarm,
    Unusable,
    Update,
    UpdateWritten,
    Verdict,
    VerdictHeard,
)
from node.logic.state import Phase, State, lost, pending, task
from node.logic.wishes import (
    AskVerdict,
    Collect,
    Evaluate,
    FetchBlob,
    Halt,
    KeepTrainer,
    MakeModel,
    ReadJob,
    ReportAvailability,
    ReportEvaluation,
    Train,
    Upload,
    Wish,
)
from shared.ids import Digest, RunId
from shared.job import Job, TensorSpec

RUN = RunId("saturday-notes-k3f9qa")


def plan(state: State) -> list[Wish]:
    """What it wants beside telling whether it may be counted on, and tidying up."""
    return [wish for wish in whole_plan(state) if not isinstance(wish, ReportAvailability | Collect)]


def digest(letter: str) -> Digest:
    return Digest(letter * 64)


JOB, BASE = digest("a"), digest("b")
MODELS = [digest(str(n)) for n in range(5)]  # MODELS[n - 1] is what round n starts from
DELTAS = [digest(letter) for letter in "cdef9"]
JOB_CONTENT = Job(
    run=RUN, name="saturday-notes", rounds=3, base="tiny", files={"model.safetensors": BASE}, lora=None, lora_alpha=0,
    tensors=(TensorSpec("w", (4,)),), sequence=8, batch=8, steps=4, seconds=None, lr=0.1, schedule="constant",
    warmup=0.0, betas=(0.9, 0.95), weight_decay=0.0, clip=1.0, update="difference", codec="fp32",
)  # fmt: skip


def train(round_: int, deadline: float = 0.0) -> Duty:
    parent = MODELS[round_ - 2] if round_ > 1 else None
    delta = DELTAS[round_ - 2] if round_ > 1 else None
    return Duty(Kind.TRAIN, RUN, round_, 3, JOB, MODELS[round_ - 1], parent, delta, "{}", deadline)


def evaluate(round_: int) -> Duty:
    return Duty(Kind.EVALUATE, RUN, round_, 3, JOB, MODELS[round_], MODELS[round_ - 1], DELTAS[round_ - 1])


def update(round_: int, share: float = 1.0) -> Update:
    return Update(RUN, round_, MODELS[round_ - 1], digest("7"), 100, 32, 4, share)


def after(state: State, *facts: Fact) -> State:
    return reduce(apply, facts, state)


@pytest.fixture
def ready() -> State:
    """Linked, with data, and the job and base model here; time is 1000."""
    return after(
        State(),
        Elapsed(1000.0),
        DataChanged(("notes",)),
        LinkUp("192.168.1.20:7443", 1),
        BlobsHere(frozenset({JOB, BASE})),
        JobRead(JOB, JOB_CONTENT),
    )


@pytest.fixture
def opened(ready: State) -> State:
    """The trainer is open and round 1 is asked."""
    return after(
        ready,
        DutiesTold((train(1),)),
        BlobsHere(frozenset({MODELS[0]})),
        TrainerStarted(RUN),
        TrainerOpened("torch", "fp32", 1.0),
    )


@pytest.fixture
def training(opened: State) -> State:
    return after(opened, TrainerTold("train", 1, MODELS[0]))


KEEP = KeepTrainer(RUN, JOB)


def test_a_node_without_duties_wants_nothing(ready: State) -> None:
    assert plan(ready) == []


def test_a_new_duty_is_fetched_step_by_step(ready: State) -> None:
    fresh = replace(ready, blobs=frozenset(), jobs={})
    state = after(fresh, DutiesTold((train(1),)))
    assert plan(state) == [FetchBlob(JOB)]
    state = after(state, BlobsHere(frozenset({JOB})))
    assert plan(state) == [ReadJob(JOB)]
    state = after(state, JobRead(JOB, JOB_CONTENT))
    assert plan(state) == [FetchBlob(BASE), FetchBlob(MODELS[0])]
    state = after(state, BlobsHere(frozenset({BASE, MODELS[0]})))
    assert plan(state) == [KEEP]


def test_an_open_trainer_trains(opened: State) -> None:
    assert plan(opened) == [KEEP, Train(train(1))]


def test_a_trainer_at_work_is_left_in_peace(training: State) -> None:
    assert plan(training) == [KEEP]
    assert plan(after(training, Progressed(1, 1, 4, 0.25, 2.0, 100.0))) == [KEEP]


def test_a_finished_update_is_sent_and_the_trainer_waits(training: State) -> None:
    assert plan(after(training, UpdateWritten(update(1)))) == [Upload(update(1)), KEEP]


def test_a_round_is_not_trained_twice(training: State) -> None:
    done = after(training, UpdateWritten(update(1)), VerdictHeard(RUN, 1, Verdict.ACCEPTED, ""))
    assert plan(after(done, DutiesTold((train(1),)))) == [KEEP]


def test_the_trainer_is_told_which_rounds_did_not_count(opened: State) -> None:
    fates = [Verdict.COUNTED, Verdict.REFUSED, Verdict.ACCEPTED, Verdict.ABANDONED, Verdict.LATE, Verdict.NOTHING]
    for round_, fate in enumerate(fates, 1):
        written = UpdateWritten(replace(update(1), round=round_))
        opened = after(opened, written, VerdictHeard(RUN, round_, fate, ""))
    waiting = UpdateWritten(replace(update(1), round=7))
    assert lost(after(opened, waiting), RUN) == (2, 4, 5, 6)
    assert lost(opened, RunId("another-run-aaaaaa")) == ()


def test_an_offline_node_goes_on_training_and_sends_later(training: State) -> None:
    offline = after(training, LinkDown(), UpdateWritten(update(1)))
    assert plan(offline) == [KEEP]
    assert plan(after(offline, LinkUp("other:7443", 1))) == [Upload(update(1)), KEEP]


def test_the_next_model_is_made_from_the_delta(opened: State) -> None:
    state = after(opened, UpdateWritten(update(1)), VerdictHeard(RUN, 1, Verdict.COUNTED, ""), DutiesTold((train(2),)))
    assert plan(state) == [KEEP, FetchBlob(DELTAS[0])]
    state = after(state, BlobsHere(frozenset({DELTAS[0]})))
    assert plan(state) == [KEEP, MakeModel(MODELS[1], MODELS[0], DELTAS[0], JOB)]
    state = after(state, BlobsHere(frozenset({MODELS[1]})))
    assert plan(state) == [KEEP, Train(train(2))]


def test_a_delta_that_does_not_fit_is_replaced_by_the_whole_model(opened: State) -> None:
    state = after(opened, UpdateWritten(update(1)), DutiesTold((train(2),)), DeltaUseless(MODELS[1]))
    assert FetchBlob(MODELS[1]) in plan(state)


def test_without_the_parent_the_model_comes_whole(ready: State) -> None:
    assert plan(after(ready, DutiesTold((train(3),)))) == [FetchBlob(MODELS[2])]


def test_pausing_halts_then_gives_the_memory_back(training: State) -> None:
    paused = after(training, OwnerPaused(1000.0))
    assert plan(paused) == [KEEP, Halt(RUN, 1)]
    halting = after(paused, TrainerTold("halt", 1, MODELS[0]))
    assert plan(halting) == [KEEP]
    partial = after(halting, UpdateWritten(update(1, 0.5)))
    assert plan(partial) == [Upload(update(1, 0.5))]  # and no KeepTrainer: it is stopped


def test_a_trainer_that_does_not_halt_in_time_is_stopped(training: State) -> None:
    halting = after(training, OwnerPaused(1000.0), TrainerTold("halt", 1, MODELS[0]), Elapsed(1009.0))
    assert plan(halting) == [KEEP]
    assert plan(after(halting, Elapsed(1011.0))) == []


def test_a_pause_while_opening_stops_at_once(ready: State) -> None:
    opening = after(ready, DutiesTold((train(1),)), BlobsHere(frozenset({MODELS[0]})), TrainerStarted(RUN))
    assert plan(opening) == [KEEP]
    assert plan(after(opening, OwnerPaused(1000.0))) == []


def test_a_moment_without_duties_does_not_stop_a_trainer_that_is_opening(ready: State) -> None:
    opening = after(ready, DutiesTold((train(1),)), BlobsHere(frozenset({MODELS[0]})), TrainerStarted(RUN))
    quiet = after(opening, DutiesTold(()))
    assert plan(quiet) == [KEEP]
    assert plan(after(quiet, OwnerPaused(1000.0))) == []
    assert plan(after(quiet, Elapsed(1000.0 + IDLE_SECONDS))) == []


def test_a_pause_ends_by_itself(opened: State) -> None:
    paused = after(opened, OwnerPaused(1000.0, 1060.0), TrainerGone())
    assert plan(paused) == []
    assert plan(after(paused, Elapsed(1060.0))) == [KEEP]


def test_a_full_disk_is_told_until_something_comes(ready: State) -> None:
    asked = after(replace(ready, blobs=frozenset(), jobs={}), DutiesTold((train(1),)), Fetched(JOB, 0.0))
    full = after(asked, RoomWanted("The disk is too full."), Fetched(JOB, 0.0))
    assert report.sentence(full) == "Waiting for room on the disk: The disk is too full."
    assert report.sentence(after(full, RoomWanted(""))).startswith("Fetching")
    assert report.sentence(after(full, Fetched(JOB, 0.1))).startswith("Fetching")


def test_a_paused_node_fetches_nothing(ready: State) -> None:
    assert plan(after(ready, DutiesTold((train(1),)), OwnerPaused(1000.0))) == []


def test_a_halt_before_the_first_step_leaves_the_duty(training: State) -> None:
    state = after(training, OwnerPaused(1000.0), TrainerTold("halt", 1, MODELS[0]), TrainerHalted(1), TrainerGone())
    assert plan(state) == []
    assert plan(after(state, OwnerResumed())) == [KEEP]


def test_a_duty_that_is_no_longer_asked_is_halted(training: State) -> None:
    assert plan(after(training, DutiesTold(()))) == [KEEP, Halt(RUN, 1)]


def test_training_stops_in_time_for_the_deadline(opened: State) -> None:
    state = after(replace(opened, upload_seconds=10.0), DutiesTold((train(1, 1100.0),)))
    state = after(state, TrainerTold("train", 1, MODELS[0]), Elapsed(1080.0))
    assert plan(state) == [KEEP]
    assert plan(after(state, Elapsed(1085.0))) == [KEEP, Halt(RUN, 1)]


def test_a_duty_past_its_deadline_is_trained_all_the_same(opened: State) -> None:
    """The coordinator still asks, so it still waits: perhaps for its quorum."""
    state = after(opened, DutiesTold((train(1, 900.0),)))
    assert plan(state) == [KEEP, Train(train(1, 900.0))]
    assert plan(after(state, TrainerTold("train", 1, MODELS[0]), Elapsed(2000.0))) == [KEEP]


def test_half_of_a_short_round_is_never_given_to_the_upload(opened: State) -> None:
    state = replace(opened, upload_seconds=1000.0)
    assert halt_at(state, train(1, 1100.0)) == 1050.0


def test_a_dead_trainer_is_restarted_after_a_moment(training: State) -> None:
    dead = after(training, TrainerGone("It was killed."))
    assert plan(dead) == []
    assert plan(after(dead, Elapsed(1003.0))) == [KEEP]


def test_after_three_failures_in_a_row_the_owner_is_asked(opened: State) -> None:
    state = opened
    for n in range(3):
        state = after(state, Elapsed(state.now + 100), TrainerStarted(RUN), TrainerGone(f"Out of memory ({n})."))
    assert plan(after(state, Elapsed(9999.0))) == []
    assert report.availability(state).readiness is Readiness.BROKEN
    assert "Out of memory (2)" in report.sentence(state)
    assert plan(after(state, OwnerResumed())) == [KEEP]


def test_a_trainer_that_trained_and_died_is_started_at_once_but_only_once(training: State) -> None:
    died = after(training, Progressed(1, 1, 4, 0.25, 2.0, 100.0), TrainerGone("Killed."))
    assert plan(died) == []  # for a moment: else it would be taken for the one under way
    died = after(died, Elapsed(1000.5))
    assert plan(died) == [KEEP]
    again = after(died, TrainerStarted(RUN), TrainerGone("Killed."))
    assert plan(again) == []
    assert plan(after(again, Elapsed(1005.0))) == [KEEP]


def test_a_success_in_between_forgives_earlier_failures(opened: State) -> None:
    state = after(opened, TrainerGone("Died."), TrainerGone("Died."), UpdateWritten(update(1)), TrainerGone("Died."))
    assert not state.broken


def test_a_failed_operation_restarts_the_trainer_and_counts_once(training: State) -> None:
    failed = after(training, TrainerFailed("Loss is not a number."))
    assert plan(failed) == []
    gone = after(failed, TrainerGone("exit code 1"))
    assert gone.trainer.failures == 1
    assert plan(after(gone, Elapsed(1003.0))) == [KEEP]


def test_a_trainer_without_memory_starts_again_at_once_with_less_and_that_is_no_failure(training: State) -> None:
    starved = after(training, TrainerFailed("Full.", memory=True))
    assert plan(starved) == []  # its processes are to end first
    gone = after(starved, TrainerGone())
    assert plan(gone) == [KeepTrainer(RUN, JOB, cuts=1)]
    assert gone.trainer.failures == 0
    opened = after(gone, TrainerStarted(RUN), TrainerOpened("torch", "fp32", 1.0))
    assert plan(opened) == [KeepTrainer(RUN, JOB, cuts=1), Train(train(1))]


def test_after_three_smaller_fits_too_little_memory_is_a_failure(opened: State) -> None:
    state = opened
    for _ in range(3):
        state = after(state, TrainerFailed("Full.", memory=True), TrainerGone(), TrainerStarted(RUN))
    assert (state.cuts, state.trainer.failures) == ({RUN: 3}, 0)
    state = after(state, TrainerFailed("Full.", memory=True), TrainerGone())
    assert (state.cuts, state.trainer.failures) == ({RUN: 3}, 1)


def test_a_trainer_killed_once_starts_as_it_was_and_killed_twice_with_less(opened: State) -> None:
    once = after(opened, TrainerGone("It was killed.", killed=True))
    assert (once.cuts, once.trainer.failures) == ({}, 1)
    twice = after(once, TrainerStarted(RUN), TrainerGone("It was killed.", killed=True))
    assert (twice.cuts, twice.trainer.failures) == ({RUN: 1}, 0)


def test_a_run_that_is_too_large_is_said_to_the_host_and_tried_again_when_the_owner_resumes(opened: State) -> None:
    state = after(opened, NothingFits(RUN, "This PC has 6 GB."), TrainerGone())
    assert task(state) is None
    assert report.availability(state).readiness is Readiness.BROKEN
    assert report.sentence(state) == "This PC has 6 GB."
    assert plan(after(state, OwnerResumed())) == [KEEP]


def test_the_owner_is_told_while_it_is_found_out_what_fits(ready: State) -> None:
    state = after(ready, DutiesTold((train(1),)), TrainerStarted(RUN), FitSought())
    assert report.sentence(state).startswith("Finding out what fits this PC")
    assert after(state, FitChosen("LoRA")).trainer.fit == "LoRA"


def test_an_evaluation_goes_before_training_and_is_reported_until_no_longer_asked(opened: State) -> None:
    state = after(opened, UpdateWritten(update(1)), VerdictHeard(RUN, 1, Verdict.COUNTED, ""))
    state = after(state, BlobsHere(frozenset({MODELS[1]})), DutiesTold((train(2), evaluate(1))))
    assert plan(state) == [KEEP, Evaluate(evaluate(1))]
    state = after(state, TrainerTold("evaluate", 1, MODELS[1]))
    assert plan(state) == [KEEP]
    state = after(state, Evaluated(RUN, 1, (("loss", 2.0),)))
    assert plan(state) == [ReportEvaluation(RUN, 1, (("loss", 2.0),), 1), KEEP, Train(train(2))]
    assert plan(after(state, DutiesTold((train(2),)))) == [KEEP, Train(train(2))]


def test_an_idle_trainer_gives_its_memory_back(opened: State) -> None:
    idle = after(opened, UpdateWritten(update(1)), VerdictHeard(RUN, 1, Verdict.COUNTED, ""), DutiesTold(()))
    assert plan(idle) == [KEEP]
    assert plan(after(idle, Elapsed(1000.0 + IDLE_SECONDS))) == []


def test_the_verdict_of_an_accepted_update_is_asked_for_after_the_round(training: State) -> None:
    state = after(training, UpdateWritten(update(1)), VerdictHeard(RUN, 1, Verdict.ACCEPTED, ""), DutiesTold(()))
    assert plan(state) == [KEEP]
    assert plan(after(state, Elapsed(1015.0))) == [AskVerdict(RUN, 1, 1000.0), KEEP]
    assert plan(after(state, Elapsed(1015.0), VerdictHeard(RUN, 1, Verdict.COUNTED, ""))) == [KEEP]


def test_an_update_for_a_closed_round_is_asked_about_not_sent(training: State) -> None:
    state = after(training, LinkDown(), UpdateWritten(update(1)), LinkUp("a:1", 1), DutiesTold((train(2),)))
    wishes = plan(state)
    assert AskVerdict(RUN, 1, 0.0) in wishes
    assert Upload(update(1)) not in wishes
    late = after(state, VerdictHeard(RUN, 1, Verdict.NOTHING, ""))
    assert late.updates[RUN, 1].verdict is Verdict.LATE
    assert not pending(late)


def test_old_blobs_go_but_what_the_next_round_needs_stays(opened: State) -> None:
    old = digest("8")
    state = after(opened, DutiesTold((train(2),)), BlobsHere(frozenset({old, DELTAS[0], MODELS[1]})))
    (collect,) = [wish for wish in whole_plan(state) if isinstance(wish, Collect)]
    assert old not in collect.keep
    assert collect.keep >= {JOB, BASE, MODELS[0], MODELS[1], DELTAS[0]}
    assert not [wish for wish in whole_plan(after(state, BlobsGone(frozenset({old})))) if isinstance(wish, Collect)]


def test_a_run_that_was_left_for_another_is_prepared_anew(opened: State) -> None:
    left = after(opened, DutiesTold(()), TrainerGone(""), BlobsGone(frozenset({JOB, BASE, MODELS[0]})))
    assert plan(after(left, DutiesTold((train(2),)))) == [FetchBlob(JOB)]


def test_the_description_of_what_is_being_trained_stays(training: State) -> None:
    other = Duty(Kind.TRAIN, RunId("other-aaaaaa"), 1, 3, digest("8"), MODELS[1])
    state = after(
        training, BlobsHere(frozenset({digest("8")})), JobRead(digest("8"), replace(JOB_CONTENT, run=other.run))
    )
    state = after(state, DutiesTold((other,)))
    assert all(JOB in wish.keep for wish in whole_plan(state) if isinstance(wish, Collect))
    assert any(isinstance(wish, Collect) for wish in whole_plan(after(state, BlobsHere(frozenset({digest("9")})))))


def test_an_update_stays_until_it_is_acknowledged(training: State) -> None:
    def collected(state: State) -> bool:
        return any(update(1).digest not in wish.keep for wish in whole_plan(state) if isinstance(wish, Collect))

    written = after(training, UpdateWritten(update(1)))
    assert not collected(written)
    assert collected(after(written, VerdictHeard(RUN, 1, Verdict.ACCEPTED, "")))


def test_a_job_that_cannot_be_read_is_told_in_words(ready: State) -> None:
    state = after(ready, DutiesTold((train(1),)), Unusable(JOB, "The run's description cannot be read."))
    assert plan(state) == []
    assert report.availability(state).sentence == "The run's description cannot be read."


@pytest.mark.parametrize("wrong", [BASE, MODELS[0]])
def test_a_file_of_a_wrong_size_is_told_in_words_and_not_fetched_again(ready: State, wrong: Digest) -> None:
    state = after(ready, BlobsGone(frozenset({BASE})), DutiesTold((train(1),)), Unusable(wrong, "It has 3 GB."))
    assert plan(state) == []
    assert report.availability(state) == Availability(Readiness.BROKEN, sentence="It has 3 GB.")


def test_the_size_of_every_file_follows_from_the_run(ready: State) -> None:
    state = after(ready, DutiesTold((train(2),)))
    header = len(b'{"w":{"data_offsets":[0,16],"dtype":"F32","shape":[4]}}') + 1  # padded to 8
    model = bounds.of(state, MODELS[1])
    assert (model.bytes, model.exact) == (8 + header + 16, True)
    assert bounds.of(state, DELTAS[0]).exact
    assert not bounds.of(state, BASE).exact
    assert bounds.of(after(State(), DutiesTold((train(2),))), JOB) == bounds.JOB
    assert bounds.of_run(JOB_CONTENT, MODELS[1])[MODELS[1]] == model


def test_a_paused_node_says_since_when(training: State) -> None:
    assert report.sentence(after(training, OwnerPaused(1000.0))).startswith("Paused by you since ")


def test_a_node_without_data_says_what_to_type(ready: State) -> None:
    state = after(ready, DataChanged(()), DutiesTold((train(1),)))
    assert plan(state) == []
    assert "data add" in report.sentence(state)


def test_new_text_is_taken_in_between_two_rounds(training: State) -> None:
    changed = after(training, DataChanged(("notes",), "other"))
    assert plan(changed) == [KEEP]
    state = after(changed, UpdateWritten(update(1)), VerdictHeard(RUN, 1, Verdict.COUNTED, ""), DutiesTold((train(2),)))
    assert KEEP not in plan(state)
    assert plan(after(state, TrainerGone(), BlobsHere(frozenset({MODELS[1]})))) == [KEEP]


def test_whether_it_may_be_counted_on_is_told_anew_on_every_connection(training: State) -> None:
    first = ReportAvailability(Availability(Readiness.READY), 1)
    assert first in whole_plan(training)
    assert replace(first, connection=2) in whole_plan(after(training, LinkDown(), LinkUp("a:1", 2)))
    paused = [wish for wish in whole_plan(after(training, OwnerPaused(1.0))) if isinstance(wish, ReportAvailability)]
    assert [wish.availability.readiness for wish in paused] == [Readiness.PAUSED]


def test_time_never_goes_back(ready: State) -> None:
    assert after(ready, Elapsed(1.0)).now == 1000.0


# ---- properties -----------------------------------------------------------------------------------------------------

rounds = st.integers(1, 3)
FACTS: st.SearchStrategy[Fact] = st.one_of(
    st.builds(Elapsed, st.floats(0, 5000)),
    st.just(LinkUp("a:1", 1)),
    st.just(LinkDown()),
    st.builds(lambda n: DutiesTold((train(n),)), rounds),
    st.builds(lambda n: DutiesTold((train(n), evaluate(n - 1))), st.integers(2, 3)),
    st.just(DutiesTold(())),
    st.builds(OwnerPaused, st.just(1.0), st.none() | st.floats(0, 5000)),
    st.just(OwnerResumed()),
    st.sampled_from([DataChanged(()), DataChanged(("notes",))]),
    st.builds(BlobsHere, st.frozensets(st.sampled_from([JOB, BASE, *MODELS, *DELTAS]))),
    st.builds(BlobsGone, st.frozensets(st.sampled_from([JOB, BASE, *MODELS, *DELTAS]))),
    st.just(JobRead(JOB, JOB_CONTENT)),
    st.builds(DeltaUseless, st.sampled_from(MODELS)),
    st.just(TrainerStarted(RUN)),
    st.just(TrainerOpened("torch", "fp32", 1.0)),
    st.builds(lambda what, n: TrainerTold(what, n, MODELS[n - 1]), st.sampled_from(["train", "evaluate"]), rounds),
    st.builds(lambda n: TrainerTold("halt", n, MODELS[n - 1]), rounds),
    st.builds(Progressed, rounds, st.just(1), st.just(4), st.floats(0, 1), st.just(1.0), st.just(1.0)),
    st.builds(lambda n, share: UpdateWritten(update(n, share)), rounds, st.floats(0.1, 1)),
    st.builds(TrainerHalted, rounds),
    st.builds(lambda n: Evaluated(RUN, n, ()), rounds),
    st.just(FitSought()),
    st.just(FitChosen("LoRA")),
    st.just(NothingFits(RUN, "Too large.")),
    st.just(TrainerNoted("Hm.")),
    st.builds(TrainerWarm, st.sampled_from(["full", "slow", "paused"]), st.just(85.0), st.just(83.0)),
    st.sampled_from([TrainerFailed("No."), TrainerFailed("Full.", memory=True)]),
    st.sampled_from([TrainerGone(), TrainerGone("Died."), TrainerGone("Killed.", killed=True)]),
    st.builds(VerdictHeard, st.just(RUN), rounds, st.sampled_from(Verdict), st.just("")),
)  # fmt: skip


@settings(max_examples=1000, deadline=None)
@given(st.lists(FACTS, max_size=40))
def test_in_any_order_of_facts_the_promises_hold(facts: list[Fact]) -> None:
    state = State()
    for fact in facts:
        state = apply(state, fact)
        wishes = whole_plan(state)
        kinds = [type(wish) for wish in wishes]
        assert len(set(wishes)) == len(wishes), "a wish is named once"
        assert kinds.count(KeepTrainer) <= 1
        if state.paused:
            assert not {Train, Evaluate, FetchBlob, MakeModel} & set(kinds), "an owner's pause is kept"
            assert state.trainer.phase in (Phase.TRAINING, Phase.HALTING) or KeepTrainer not in kinds
        if not state.linked:
            assert not {FetchBlob, Upload, AskVerdict, ReportEvaluation} & set(kinds)
        for wish in wishes:
            match wish:
                case Train(duty) | Evaluate(duty):
                    assert duty.model in state.blobs
                    assert duty in state.duties
                    assert (RUN, duty.round) not in state.updates or duty.kind is Kind.EVALUATE
                case Upload(sending):
                    assert state.updates[sending.run, sending.round].verdict is None, "an acknowledged update rests"
                case Collect(keep):
                    assert all(duty.model in keep for duty in state.duties)
                    assert all(kept.update.digest in keep for kept in pending(state))
                case _:
                    pass
        report.sentence(state)
        report.activity(state)


@settings(max_examples=300, deadline=None)
@given(st.lists(FACTS, max_size=30), st.data())
def test_a_repeated_fact_changes_nothing(facts: list[Fact], data: st.DataObject) -> None:
    """Save those that count something: a failure told twice happened twice."""
    state = reduce(apply, facts, State())
    fact = data.draw(FACTS.filter(lambda fact: not isinstance(fact, TrainerFailed | TrainerGone)))
    once = apply(state, fact)
    assert whole_plan(apply(once, fact)) == whole_plan(once)


@settings(max_examples=300, deadline=None)
@given(st.lists(FACTS, max_size=30))
def test_from_anywhere_a_willing_node_comes_back_to_work(facts: list[Fact]) -> None:
    """Whatever happened: resumed, linked and with its blobs, a node trains or has already trained the round."""
    state = reduce(apply, facts, State())
    needed = frozenset({JOB, BASE, MODELS[2]})
    for fact in (OwnerResumed(), DataChanged(("notes",)), LinkUp("a:1", 1), DutiesTold((train(3),)),
                 BlobsHere(needed), JobRead(JOB, JOB_CONTENT)):  # fmt: skip
        state = apply(state, fact)
    for _ in range(4):
        state = apply(state, Elapsed(state.now + 100))
        wishes = plan(state)
        if task(state) is None or Train(train(3)) in wishes:
            break
        phase = state.trainer.phase
        if KeepTrainer not in map(type, wishes) and phase is not Phase.ABSENT:
            state = apply(state, TrainerGone())
        elif phase is Phase.ABSENT:
            state = apply(state, TrainerStarted(RUN))
        elif phase is Phase.OPENING:
            state = apply(state, TrainerOpened("torch", "fp32", 1.0))
        elif phase is Phase.TRAINING and not any(isinstance(wish, Halt) for wish in wishes):
            break  # at work on what is asked
        else:
            state = apply(state, TrainerHalted(state.trainer.round))
    else:
        pytest.fail(f"the node never came to work: {state.trainer}")
