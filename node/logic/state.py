"""What a node knows, and the small questions one asks of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from node.logic.facts import Duty, Fetched, Kind, Metrics, Progressed, TrainerWarm, Update, Verdict
from shared.ids import Digest, RunId
from shared.job import Job

FAILURES = 3  # in a row, then the owner must look
CUTS = 3  # of a run's fit, after it ran out of memory; from then on it is an ordinary failure


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
    edition: str = ""  # of the data it was opened with
    seeking: bool = False  # what fits this PC is being found out
    fit: str = ""  # in words
    engine: str = ""
    step_seconds: float = 0.0
    failures: int = 0  # in a row
    not_before: float = 0.0
    complaint: str = ""
    heat: TrainerWarm | None = None  # while the guard slows it down or holds it
    note: str = ""  # the last thing it wanted the owner to hear


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
    connection: int = 0  # its number
    pause: Pause | None = None
    data: tuple[str, ...] = ()
    edition: str = ""  # of the data
    foreign: tuple[str, ...] = ()  # text that was held out for another group
    duties: tuple[Duty, ...] = ()
    jobs: Mapping[Digest, Job] = field(default_factory=dict)
    unusable: Mapping[Digest, str] = field(default_factory=dict)  # of what the host gives, and why
    blobs: frozenset[Digest] = frozenset()
    fetching: Fetched | None = None
    cramped: str = ""  # the disk is too full for what is fetched, in words; it is tried again by itself
    useless: frozenset[Digest] = frozenset()  # models whose delta did not work
    models: tuple[Digest, ...] = ()  # the last two, newest last: parents of the next delta
    trainer: Trainer = Trainer()
    cuts: Mapping[RunId, int] = field(default_factory=dict)  # how often a run's fit was made smaller
    unfit: Mapping[RunId, str] = field(default_factory=dict)  # runs that are too large for this PC, in words
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


def task(state: State) -> Duty | None:
    """The duty to work on now: an evaluation first (it is short), then the oldest training that is not done."""
    if state.paused or state.broken or not state.data:
        return None
    waiting = [duty for duty in state.duties if not done(state, duty) and not trouble(state, duty)]
    return min(waiting, key=lambda duty: (duty.kind is not Kind.EVALUATE, duty.round), default=None)


def trouble(state: State, duty: Duty) -> str:
    """Why nothing can come of this duty, in words: what it needs from the host is no good, or more
    than this PC has memory for. Empty when all is well."""
    if duty.run in state.unfit:
        return state.unfit[duty.run]
    job = state.jobs.get(duty.job)
    needed = [duty.job, duty.model, *(job.files.values() if job is not None else ())]
    return next((state.unusable[digest] for digest in needed if digest in state.unusable), "")


def pending(state: State) -> list[Kept]:
    """Updates written but not acknowledged, oldest first."""
    return [kept for _, kept in sorted(state.updates.items(), key=lambda item: item[0][1]) if kept.verdict is None]


def done(state: State, duty: Duty) -> bool:
    """Whether this duty's work is done (it stays a duty until the coordinator says otherwise)."""
    if duty.kind is Kind.EVALUATE:
        return (duty.run, duty.round) in state.evaluations
    kept = state.updates.get((duty.run, duty.round))
    return kept is not None and kept.update.model == duty.model


def lost(state: State, run: RunId) -> tuple[int, ...]:
    """The rounds of which we know that our update did not count: what we read in them is to be read again."""
    gone = (Verdict.LATE, Verdict.REFUSED, Verdict.ABANDONED)
    return tuple(sorted(round_ for (of, round_), kept in state.updates.items() if of == run and kept.verdict in gone))


def asked(state: State, update: Update) -> bool:
    """Whether the coordinator still names this round as one to train in."""
    return any((duty.kind, duty.run, duty.round) == (Kind.TRAIN, update.run, update.round) for duty in state.duties)


def closed(state: State, update: Update) -> bool:
    """Whether a duty shows that the update's round is over: a later round, or an evaluation of what came out."""
    return any(
        duty.run == update.run
        and (duty.round > update.round or (duty.round == update.round and duty.kind is Kind.EVALUATE))
        for duty in state.duties
    )
