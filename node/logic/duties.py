"""What a node should be doing now. Pure: `plan(state) -> wishes`.

The trainer's phases (a trainer is wished for only while there is work it may do):

    absent -> opening -> idle -> training -> halting -> idle
       ^         |        |  \\-> evaluating -> idle
       \\-gone----+--------+--- failed (waits, then opens again; given up after three in a row)

Every wish may be performed twice. What was finished is kept with its digest and sent again; what was not is trained
again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from node.logic.facts import Duty, Kind, Verdict
from node.logic.report import availability
from node.logic.state import Phase, State, asked, closed, pending, task
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

IDLE_SECONDS = 300.0  # a trainer without work gives its memory back after this
VERDICT_SECONDS = 15.0  # between two questions about the same update
PATIENCE = (10.0, 60.0)  # seconds a halting trainer gets: three steps, but within these


def plan(state: State) -> list[Wish]:
    """Everything that should be under way now, most urgent first."""
    return [*_letters(state), *_trainer_work(state), *_preparations(state), *_garbage(state)]


def halt_at(state: State, duty: Duty) -> float:
    """When to stop training for `duty` so that the update still arrives in time (UTC seconds)."""
    if not duty.deadline:
        return float("inf")
    margin = max(3.0, 1.5 * state.upload_seconds)
    return duty.deadline - min(margin, max(0.0, duty.deadline - state.trainer.since) / 2)


def _letters(state: State) -> Iterator[Wish]:
    """What is to be said to the coordinator. Also while paused: what was done counts."""
    if not state.linked:
        return
    yield ReportAvailability(availability(state), state.connection)
    sending = next((kept.update for kept in pending(state) if not closed(state, kept.update)), None)
    if sending is not None:
        yield Upload(sending)
    for kept in state.updates.values():
        unsure = kept.verdict is Verdict.ACCEPTED or (kept.verdict is None and closed(state, kept.update))
        if unsure and not asked(state, kept.update) and state.now - kept.heard_at >= VERDICT_SECONDS:
            yield AskVerdict(kept.update.run, kept.update.round, kept.heard_at)
    for duty in state.duties:
        metrics = state.evaluations.get((duty.run, duty.round))
        if duty.kind is Kind.EVALUATE and metrics is not None:
            yield ReportEvaluation(duty.run, duty.round, metrics, state.connection)


def _trainer_work(state: State) -> Iterator[Wish]:
    trainer, duty = state.trainer, task(state)
    fits = duty is not None and duty.run == trainer.run and state.edition == trainer.edition
    match trainer.phase:
        case Phase.ABSENT:
            # Later than, not at: a wish for the one that just ended would be taken for the one under way.
            if duty is not None and _ready(state, duty) and state.now > trainer.not_before:
                yield KeepTrainer(duty.run, duty.job, state.cuts.get(duty.run, 0))
        case Phase.OPENING | Phase.IDLE:
            if duty is not None and fits:
                yield KeepTrainer(duty.run, duty.job, state.cuts.get(duty.run, 0))
                if trainer.phase is Phase.IDLE and _ready(state, duty):
                    yield Evaluate(duty) if duty.kind is Kind.EVALUATE else Train(duty)
            elif duty is None and not state.paused and state.now - trainer.since < IDLE_SECONDS:
                yield from _keep(state)
        case Phase.TRAINING:
            yield from _keep(state)
            current = _current(state, Kind.TRAIN)
            if state.paused or current is None or trainer.since < halt_at(state, current) <= state.now:
                assert trainer.run is not None
                yield Halt(trainer.run, trainer.round)
        case Phase.HALTING:
            if state.now - trainer.since < min(max(PATIENCE[0], 3 * trainer.step_seconds), PATIENCE[1]):
                yield from _keep(state)
        case Phase.EVALUATING:
            if not state.paused and _current(state, Kind.EVALUATE) is not None:
                yield from _keep(state)
        case Phase.FAILED:
            return
        case _:
            assert_never(trainer.phase)


def _preparations(state: State) -> Iterator[Wish]:
    """Bytes that the present task needs and that are not here yet."""
    duty = task(state)
    if duty is None:
        return
    job = state.jobs.get(duty.job)
    if job is None:
        if duty.job in state.blobs:
            yield ReadJob(duty.job)
        elif state.linked:
            yield FetchBlob(duty.job)
        return
    missing = [digest for _, digest in sorted(job.files.items()) if digest not in state.blobs]
    if duty.model not in state.blobs:
        if duty.delta and duty.parent in state.blobs and duty.model not in state.useless:
            if duty.delta in state.blobs:
                yield MakeModel(duty.model, duty.parent, duty.delta, duty.job)
            else:
                missing.append(duty.delta)
        else:
            missing.append(duty.model)
    if state.linked:
        yield from (FetchBlob(digest) for digest in dict.fromkeys(missing))


def _garbage(state: State) -> Iterator[Wish]:
    """Only while duties say what is needed, and only once the present one has all it needs."""
    if not state.duties or any(duty.job not in state.jobs for duty in state.duties):
        return
    keep = set(state.models) | {kept.update.digest for kept in pending(state)}
    keep |= {digest for digest, job in state.jobs.items() if job.run == state.trainer.run}  # what it is at goes on
    for duty in state.duties:
        keep |= {duty.job, duty.model, *state.jobs[duty.job].files.values()}
        keep |= {digest for digest in (duty.parent, duty.delta) if digest}
    if not keep >= state.blobs:
        yield Collect(frozenset(keep))


def _keep(state: State) -> Iterator[Wish]:
    """The trainer that is open stays open."""
    run = state.trainer.run
    named = [duty.job for duty in state.duties if duty.run == run]
    job = named[0] if named else next((digest for digest, job in state.jobs.items() if job.run == run), None)
    if run is not None and job is not None:
        yield KeepTrainer(run, job, state.cuts.get(run, 0))


def _current(state: State, kind: Kind) -> Duty | None:
    """The duty the trainer is working on, if it is still asked."""
    trainer = state.trainer
    for duty in state.duties:
        if (duty.kind, duty.run, duty.round, duty.model) == (kind, trainer.run, trainer.round, trainer.model):
            return duty
    return None


def _ready(state: State, duty: Duty) -> bool:
    job = state.jobs.get(duty.job)
    return job is not None and duty.model in state.blobs and state.blobs >= set(job.files.values())
