"""What each fact changes. Pure: `apply(state, fact) -> state`; a fact told twice changes nothing the second time."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from node.logic.facts import (
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
    LinkDown,
    LinkUp,
    NothingFits,
    OwnerPaused,
    OwnerResumed,
    Progressed,
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
    UpdateWritten,
    Verdict,
    VerdictHeard,
)
from node.logic.state import CUTS, Kept, Pause, Phase, State, Trainer


def apply(state: State, fact: Fact) -> State:
    """The state after `fact`."""
    match fact:
        case Elapsed(now):
            return replace(state, now=max(state.now, now))
        case LinkUp(address, number):
            return replace(state, address=address, connection=number)
        case LinkDown():
            return replace(state, address="")
        case DutiesTold(duties):
            return _told(state, duties)
        case OwnerPaused(since, until):
            return replace(state, pause=Pause(since, until))
        case OwnerResumed():
            fresh = replace(state.trainer, failures=0, not_before=0.0)
            return replace(state, pause=None, trainer=fresh, unfit={})
        case DataChanged(names, edition, foreign):
            return replace(
                state,
                data=names,
                edition=edition,
                foreign=foreign,
                trainer=replace(state.trainer, failures=0, not_before=0.0),
            )
        case BlobsHere(digests):
            state = replace(state, blobs=state.blobs | digests)
            done = state.fetching is not None and state.fetching.digest in digests
            return replace(state, fetching=None, cramped="") if done else state
        case BlobsGone(digests):
            known = {digest: job for digest, job in state.jobs.items() if digest not in digests}
            return replace(state, blobs=state.blobs - digests, jobs=known)
        case Fetched():
            return replace(state, fetching=fact, cramped="" if fact.share else state.cramped)
        case RoomWanted(sentence):
            return replace(state, cramped=sentence)
        case JobRead(digest, job):
            return replace(state, jobs={**state.jobs, digest: job})
        case Unusable(digest, sentence):
            return replace(state, unusable={**state.unusable, digest: sentence})
        case DeltaUseless(model):
            return replace(state, useless=state.useless | {model})
        case NothingFits(run, sentence):
            return replace(state, unfit={**state.unfit, run: sentence})
        case TrainerFailed() | TrainerGone() if _starved(state, fact):
            return _cut(state, fact)
        case UpdateWritten(update):
            key = (update.run, update.round)
            old = state.updates.get(key)
            kept = old if old is not None and old.update.digest == update.digest else Kept(update)
            state = replace(state, updates={**state.updates, key: kept}, blobs=state.blobs | {update.digest})
            return replace(state, trainer=_succeeded(state))
        case Evaluated(run, round_, metrics):
            state = replace(state, evaluations={**state.evaluations, (run, round_): metrics})
            return replace(state, trainer=_succeeded(state))
        case VerdictHeard():
            return _heard(state, fact)
        case _:
            return replace(state, trainer=_trainer(state, fact))


def meaning(heard: VerdictHeard) -> tuple[Verdict, str]:
    """What a verdict means for us: we ask only about closed rounds, so nothing received is too late."""
    if heard.verdict is Verdict.NOTHING:
        return Verdict.LATE, heard.sentence or "The round had closed before this update could be sent."
    return heard.verdict, heard.sentence


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
    verdict, sentence = meaning(fact)
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
    fact: TrainerStarted
    | FitSought
    | FitChosen
    | TrainerOpened
    | TrainerTold
    | Progressed
    | TrainerHalted
    | TrainerNoted
    | TrainerWarm
    | TrainerFailed
    | TrainerGone,
) -> Trainer:
    trainer, now = state.trainer, state.now
    match fact:
        case TrainerStarted(run):
            opening = replace(trainer, phase=Phase.OPENING, since=now, run=run, edition=state.edition)
            opening = replace(opening, round=0, model=None, progress=None, heat=None, note="")
            return replace(opening, seeking=False, fit="")
        case FitSought():
            return replace(trainer, seeking=trainer.phase is Phase.OPENING)
        case FitChosen(sentence):
            return replace(trainer, seeking=False, fit=sentence)
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
        case TrainerNoted(sentence):
            return replace(trainer, note=sentence)
        case TrainerWarm(pace):
            return replace(trainer, heat=None if pace == "full" else fact)
        case TrainerFailed(sentence):
            return _failed(replace(trainer, phase=Phase.FAILED, since=now), now, sentence)
        case TrainerGone(sentence):
            gone = replace(trainer, phase=Phase.ABSENT, since=now, round=0, model=None, progress=None, heat=None)
            gone = replace(gone, seeking=False)
            worked = trainer.progress is not None
            return _failed(gone, now, sentence, worked) if sentence and trainer.phase is not Phase.FAILED else gone
        case _:
            assert_never(fact)


def _starved(state: State, fact: TrainerFailed | TrainerGone) -> bool:
    """Whether the trainer ran out of memory, and its fit may still be made smaller.

    Killed once it starts again as it was: the owner may have done it. Twice in a row it was the system.
    """
    trainer, run = state.trainer, state.trainer.run
    if run is None or state.cuts.get(run, 0) >= CUTS:
        return False
    if isinstance(fact, TrainerFailed):
        return fact.memory and trainer.phase is not Phase.FAILED
    return fact.killed and trainer.failures > 0 and trainer.phase is not Phase.FAILED


def _cut(state: State, fact: TrainerFailed | TrainerGone) -> State:
    """Start again at once with a smaller fit; that is no failure."""
    run = state.trainer.run
    assert run is not None
    phase = Phase.FAILED if isinstance(fact, TrainerFailed) else Phase.ABSENT
    trainer = replace(
        state.trainer, phase=phase, since=state.now, round=0, model=None, progress=None, heat=None, seeking=False,
        failures=0, complaint=fact.sentence,
    )  # fmt: skip
    return replace(state, trainer=trainer, cuts={**state.cuts, run: state.cuts.get(run, 0) + 1})


def _failed(trainer: Trainer, now: float, sentence: str, worked: bool = False) -> Trainer:
    """One that was training well and died is started anew at once; one that dies again must wait."""
    wait = 0.0 if worked and not trainer.failures else 2.0 ** (trainer.failures + 1)
    return replace(trainer, failures=trainer.failures + 1, not_before=now + wait, complaint=sentence)
