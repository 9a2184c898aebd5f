"""What a node should be doing now. Pure: facts and state in, wishes out.

    apply(state, fact) -> state        plan(state) -> wishes

The trainer's phases (a trainer is wished for only while there is work it may do):

    absent -> opening -> idle -> training -> halting -> idle
       ^         |        |  \\-> evaluating -> idle
       \\-gone----+--------+--- failed (waits, then opens again; given up after three in a row)

Every wish may be performed twice. What was finished is kept with its digest and sent again; what was not is trained
again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import assert_never

from node.logic.facts import (
    AskVerdict,
    BlobsGone,
    BlobsHere,
    Collect,
    DataChanged,
    DeltaUseless,
    DutiesTold,
    Duty,
    Elapsed,
    Evaluate,
    Evaluated,
    Fact,
    FetchBlob,
    Fetched,
    Halt,
    JobRead,
    JobUnreadable,
    KeepTrainer,
    Kind,
    LinkDown,
    LinkUp,
    MakeModel,
    Metrics,
    OwnerPaused,
    OwnerResumed,
    Progressed,
    ReadJob,
    ReportEvaluation,
    Train,
    TrainerFailed,
    TrainerGone,
    TrainerHalted,
    TrainerOpened,
    TrainerStarted,
    TrainerTold,
    Update,
    UpdateWritten,
    Upload,
    Verdict,
    VerdictHeard,
    Wish,
)
from shared.ids import Digest, RunId
from shared.job import Job

IDLE_SECONDS = 300.0  # a trainer without work gives its memory back after this
VERDICT_SECONDS = 15.0  # between two questions about the same update
FAILURES = 3  # in a row, then the owner must look
PATIENCE = (10.0, 60.0)  # seconds a halting trainer gets: three steps, but within these


class Phase(StrEnum):
    ABSENT = "absent"
    OPENING = "opening"
    IDLE = "idle"
    TRAINING = "training"
    EVALUATING = "evaluating"
    HALTING = "halting"
    FAILED = "failed"  # alive, but to be stopped and opened anew


@dataclass(frozen=True, slots=True)
class Trainer:
    phase: Phase = Phase.ABSENT
    since: float = 0.0
    run: RunId | None = None
    round: int = 0
    model: Digest | None = None
    progress: Progressed | None = None
    engine: str = ""
    step_seconds: float = 0.0
    failures: int = 0  # in a row
    not_before: float = 0.0
    complaint: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    since: float
    until: float | None


@dataclass(frozen=True, slots=True)
class Kept:
    """An update of ours and what became of it."""

    update: Update
    verdict: Verdict | None = None  # None: not acknowledged yet
    sentence: str = ""
    heard_at: float = 0.0


@dataclass(frozen=True, slots=True)
class State:
    now: float = 0.0  # UTC seconds, never going back
    address: str = ""  # of the coordinator that answered; empty: not linked
    pause: Pause | None = None
    data: tuple[str, ...] = ()
    duties: tuple[Duty, ...] = ()
    jobs: Mapping[Digest, Job] = field(default_factory=dict)
    unreadable: Mapping[Digest, str] = field(default_factory=dict)
    blobs: frozenset[Digest] = frozenset()
    fetching: Fetched | None = None
    useless: frozenset[Digest] = frozenset()  # models whose delta did not work
    models: tuple[Digest, ...] = ()  # the last two, newest last: parents of the next delta
    trainer: Trainer = Trainer()
    updates: Mapping[tuple[RunId, int], Kept] = field(default_factory=dict)
    evaluations: Mapping[tuple[RunId, int], Metrics] = field(default_factory=dict)
    upload_seconds: float = 0.0  # of the last upload

    @property
    def linked(self) -> bool:
        return bool(self.address)

    @property
    def paused(self) -> bool:
        return self.pause is not None and (self.pause.until is None or self.now < self.pause.until)

    @property
    def broken(self) -> bool:
        return self.trainer.failures >= FAILURES


def apply(state: State, fact: Fact) -> State:
    """The state after `fact`."""
    match fact:
        case Elapsed(now):
            return replace(state, now=max(state.now, now))
        case LinkUp(address):
            return replace(state, address=address)
        case LinkDown():
            return replace(state, address="")
        case DutiesTold(duties):
            return _told(state, duties)
        case OwnerPaused(since, until):
            return replace(state, pause=Pause(since, until))
        case OwnerResumed():
            return replace(state, pause=None, trainer=replace(state.trainer, failures=0, not_before=0.0))
        case DataChanged(names):
            return replace(state, data=names, trainer=replace(state.trainer, failures=0, not_before=0.0))
        case BlobsHere(digests):
            done = state.fetching is not None and state.fetching.digest in digests
            return replace(state, blobs=state.blobs | digests, fetching=None if done else state.fetching)
        case BlobsGone(digests):
            return replace(state, blobs=state.blobs - digests)
        case Fetched():
            return replace(state, fetching=fact)
        case JobRead(digest, job):
            return replace(state, jobs={**state.jobs, digest: job})
        case JobUnreadable(digest, sentence):
            return replace(state, unreadable={**state.unreadable, digest: sentence})
        case DeltaUseless(model):
            return replace(state, useless=state.useless | {model})
        case UpdateWritten(update):
            key = (update.run, update.round)
            old = state.updates.get(key)
            kept = old if old is not None and old.update.digest == update.digest else Kept(update)
            state = replace(state, updates={**state.updates, key: kept})
            return replace(state, trainer=_succeeded(state))
        case Evaluated(run, round_, metrics):
            state = replace(state, evaluations={**state.evaluations, (run, round_): metrics})
            return replace(state, trainer=_succeeded(state))
        case VerdictHeard():
            return _heard(state, fact)
        case _:
            return replace(state, trainer=_trainer(state, fact))


def plan(state: State) -> list[Wish]:
    """Everything that should be under way now, most urgent first."""
    return [*_letters(state), *_trainer_work(state), *_preparations(state), *_garbage(state)]


def halt_at(state: State, duty: Duty) -> float:
    """When to stop training for `duty` so that the update still arrives in time (UTC seconds)."""
    if not duty.deadline:
        return float("inf")
    margin = max(3.0, 1.5 * state.upload_seconds)
    return duty.deadline - min(margin, max(0.0, duty.deadline - state.trainer.since) / 2)


def task(state: State) -> Duty | None:
    """The duty to work on now: an evaluation first (it is short), then the oldest training that is not done."""
    if state.paused or state.broken or not state.data:
        return None
    waiting = [duty for duty in state.duties if not _done(state, duty) and duty.job not in state.unreadable]
    return min(waiting, key=lambda duty: (duty.kind is not Kind.EVALUATE, duty.round), default=None)


def pending(state: State) -> list[Kept]:
    """Updates written but not acknowledged, oldest first."""
    return [kept for _, kept in sorted(state.updates.items(), key=lambda item: item[0][1]) if kept.verdict is None]


# ---- apply ----------------------------------------------------------------------------------------------------------


def _told(state: State, duties: tuple[Duty, ...]) -> State:
    models = list(state.models)
    for duty in sorted(duties, key=lambda duty: duty.round):
        if duty.model not in models:
            models.append(duty.model)
    return replace(state, duties=duties, models=tuple(models[-2:]))


def _heard(state: State, fact: VerdictHeard) -> State:
    kept = state.updates.get((fact.run, fact.round))
    if kept is None:
        return state
    verdict, sentence = fact.verdict, fact.sentence
    if verdict is Verdict.NOTHING:
        verdict, sentence = Verdict.LATE, sentence or "The round had closed before this update could be sent."
    kept = replace(kept, verdict=verdict, sentence=sentence, heard_at=state.now)
    updates = {**state.updates, (fact.run, fact.round): kept}
    return replace(state, updates=updates, upload_seconds=fact.seconds or state.upload_seconds)


def _succeeded(state: State) -> Trainer:
    trainer = replace(state.trainer, failures=0, complaint="")
    if trainer.phase in (Phase.TRAINING, Phase.EVALUATING, Phase.HALTING):
        trainer = replace(trainer, phase=Phase.IDLE, since=state.now, progress=None)
    return trainer


def _trainer(
    state: State,
    fact: TrainerStarted | TrainerOpened | TrainerTold | Progressed | TrainerHalted | TrainerFailed | TrainerGone,
) -> Trainer:
    trainer, now = state.trainer, state.now
    match fact:
        case TrainerStarted(run):
            return replace(trainer, phase=Phase.OPENING, since=now, run=run, round=0, model=None, progress=None)
        case TrainerOpened() if trainer.phase is not Phase.OPENING:
            return trainer
        case TrainerOpened(engine, dtype, step_seconds):
            return replace(trainer, phase=Phase.IDLE, since=now, engine=f"{engine}, {dtype}", step_seconds=step_seconds)
        case TrainerTold("halt", round_, _):
            halting = trainer.phase is Phase.TRAINING and trainer.round == round_
            return replace(trainer, phase=Phase.HALTING, since=now) if halting else trainer
        case TrainerTold(_, _, _) if trainer.phase is not Phase.IDLE:
            return trainer
        case TrainerTold(what, round_, model):
            phase = Phase.TRAINING if what == "train" else Phase.EVALUATING
            return replace(trainer, phase=phase, since=now, round=round_, model=model, progress=None)
        case Progressed():
            return replace(trainer, progress=fact) if fact.round == trainer.round else trainer
        case TrainerHalted(round_):
            halted = trainer.phase in (Phase.TRAINING, Phase.HALTING) and trainer.round == round_
            return replace(trainer, phase=Phase.IDLE, since=now, progress=None) if halted else trainer
        case TrainerFailed(sentence):
            return _failed(replace(trainer, phase=Phase.FAILED, since=now), now, sentence)
        case TrainerGone(sentence):
            gone = replace(trainer, phase=Phase.ABSENT, since=now, round=0, model=None, progress=None)
            return _failed(gone, now, sentence) if sentence and trainer.phase is not Phase.FAILED else gone
        case _:
            assert_never(fact)


def _failed(trainer: Trainer, now: float, sentence: str) -> Trainer:
    failures = trainer.failures + 1
    return replace(trainer, failures=failures, not_before=now + 2.0**failures, complaint=sentence)


# ---- plan -----------------------------------------------------------------------------------------------------------


def _letters(state: State) -> Iterator[Wish]:
    """What is to be said to the coordinator. Also while paused: what was done counts."""
    if not state.linked:
        return
    sending = next((kept.update for kept in pending(state) if not _closed(state, kept.update)), None)
    if sending is not None:
        yield Upload(sending)
    for kept in state.updates.values():
        unsure = kept.verdict is Verdict.ACCEPTED or (kept.verdict is None and _closed(state, kept.update))
        if unsure and not _asked(state, kept.update) and state.now - kept.heard_at >= VERDICT_SECONDS:
            yield AskVerdict(kept.update.run, kept.update.round, kept.heard_at)
    for duty in state.duties:
        metrics = state.evaluations.get((duty.run, duty.round))
        if duty.kind is Kind.EVALUATE and metrics is not None:
            yield ReportEvaluation(duty.run, duty.round, metrics)


def _trainer_work(state: State) -> Iterator[Wish]:
    trainer, duty = state.trainer, task(state)
    fits = duty is not None and duty.run == trainer.run
    match trainer.phase:
        case Phase.ABSENT:
            if duty is not None and _ready(state, duty) and state.now >= trainer.not_before:
                yield KeepTrainer(duty.run, duty.job)
        case Phase.OPENING:
            if duty is not None and fits:
                yield KeepTrainer(duty.run, duty.job)
        case Phase.IDLE:
            if duty is not None and fits:
                yield KeepTrainer(duty.run, duty.job)
                if _ready(state, duty):
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
        yield KeepTrainer(run, job)


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


def _done(state: State, duty: Duty) -> bool:
    if duty.kind is Kind.EVALUATE:
        return (duty.run, duty.round) in state.evaluations
    kept = state.updates.get((duty.run, duty.round))
    return kept is not None and kept.update.model == duty.model


def _asked(state: State, update: Update) -> bool:
    """Whether the coordinator still names this round as one to train in."""
    return any((duty.kind, duty.run, duty.round) == (Kind.TRAIN, update.run, update.round) for duty in state.duties)


def _closed(state: State, update: Update) -> bool:
    """Whether a duty shows that the update's round is over: a later round, or an evaluation of what came out."""
    return any(
        duty.run == update.run
        and (duty.round > update.round or (duty.round == update.round and duty.kind is Kind.EVALUATE))
        for duty in state.duties
    )
