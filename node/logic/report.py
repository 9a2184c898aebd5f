"""What a node says of itself: whether it may be counted on, what it is doing, and the same in a sentence. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from node.logic.facts import Availability, Kind, Readiness, TrainerWarm
from node.logic.state import Pause, Phase, State, pending, task, trouble
from shared.units import duration_words

ADD = "potluck node data add FOLDER --name NAME"
BRIEF = 120.0  # seconds: a shorter pause would begin and end in the same minute


class Doing(StrEnum):
    IDLE = "idle"
    DOWNLOADING = "downloading"
    PREPARING = "preparing"
    TRAINING = "training"
    UPLOADING = "uploading"
    EVALUATING = "evaluating"


@dataclass(frozen=True, slots=True)
class Activity:
    doing: Doing
    run: str = ""
    round: int = 0
    share: float = 0.0
    step: int = 0
    loss: float = 0.0
    tokens_per_second: float = 0.0


def availability(state: State) -> Availability:
    """May the coordinator count on this node, and if not, why?"""
    if state.paused:
        assert state.pause is not None
        return Availability(
            Readiness.PAUSED, state.pause.since, state.pause.until or 0.0, pause_words(state.pause, "owner")
        )
    if state.broken:
        return Availability(
            Readiness.BROKEN,
            state.trainer.since,
            sentence=f"The trainer failed {state.trainer.failures} times in a row: {state.trainer.complaint}"
            " `potluck node doctor` looks closer; `potluck node resume` tries again.",
        )
    for duty in state.duties:
        if why := trouble(state, duty):
            return Availability(Readiness.BROKEN, sentence=why)
    if not state.data:
        why = "Its text was added for another group." if state.foreign else f"No data yet: `{ADD}`."
        return Availability(Readiness.NO_DATA, sentence=why)
    return Availability(Readiness.READY)


def for_another_group(name: str) -> str:
    """To the owner, of text that was held out by another group's key."""
    return (
        f"{name} was added for another group, which tests on other texts, so nothing trains on it. "
        f"Read its folder again: {ADD.replace('NAME', name)} --replace"
    )


def activity(state: State) -> Activity:
    """What goes into a heartbeat."""
    trainer, duty = state.trainer, task(state)
    run = trainer.run or ""
    match trainer.phase:
        case Phase.TRAINING | Phase.HALTING:
            at = trainer.progress
            if at is None:
                return Activity(Doing.TRAINING, run, trainer.round)
            return Activity(Doing.TRAINING, run, trainer.round, at.share, at.step, at.loss, at.tokens_per_second)
        case Phase.EVALUATING:
            return Activity(Doing.EVALUATING, run, trainer.round)
        case _:
            pass
    if state.linked and (waiting := pending(state)):
        return Activity(Doing.UPLOADING, waiting[0].update.run, waiting[0].update.round)
    if duty is None:
        return Activity(Doing.IDLE)
    if state.fetching is not None and state.linked:
        return Activity(Doing.DOWNLOADING, duty.run, duty.round, state.fetching.share)
    return Activity(Doing.PREPARING, duty.run, duty.round)


def sentence(state: State) -> str:
    """What this node is doing, for its owner."""
    able, now = availability(state), activity(state)
    if able.readiness is not Readiness.READY:
        waiting = len(pending(state))
        why = f"{pause_words(state.pause, 'you').capitalize()}." if state.pause and state.paused else able.sentence
        return why + (f" {waiting} finished update waits to be sent." if waiting and not state.linked else "")
    match now.doing:
        case Doing.TRAINING:
            halting = " (finishing the step)" if state.trainer.phase is Phase.HALTING else ""
            words = f"Training round {now.round} of {now.run}: {now.share:.0%}{halting}."
            return f"{warm(state.trainer.heat)} {words}" if state.trainer.heat is not None else words
        case Doing.EVALUATING:
            return f"Measuring the model of round {now.round} on your held-out text."
        case Doing.UPLOADING:
            return f"Sending the update of round {now.round}."
        case Doing.DOWNLOADING if state.cramped:
            return f"Waiting for room on the disk: {state.cramped}"
        case Doing.DOWNLOADING:
            return f"Fetching what round {now.round} needs: {now.share:.0%}."
        case Doing.PREPARING if state.trainer.seeking:
            return f"Finding out what fits this PC for {now.run}."
        case Doing.PREPARING:
            return f"Getting ready for round {now.round} of {now.run}."
        case Doing.IDLE:
            waits = any(duty.kind is Kind.TRAIN for duty in state.duties)
            return "Done with this round; waiting for the others." if waits else "Waiting for work."


def pause_words(pause: Pause, whom: str) -> str:
    """`whom`: "you" for the owner, "owner" for the host. A pause of a minute or so is told by its length."""
    since = datetime.fromtimestamp(pause.since).strftime("%H:%M")
    until = ""
    if pause.until is not None:
        brief = pause.until - pause.since < BRIEF
        length = duration_words(pause.until - pause.since)
        until = f" for {length}" if brief else datetime.fromtimestamp(pause.until).strftime(" until %H:%M")
    return f"paused by {whom} since {since}{until}"


def warm(heat: TrainerWarm) -> str:
    """What the heat guard does, and why."""
    where = f"{heat.celsius:.0f} °C, the limit is {heat.limit:.0f} °C"
    match heat.pace:
        case "paused":
            return f"Paused by heat ({where}); it goes on by itself when it is cooler."
        case "slow":
            return f"Slowed down by heat ({where})."
        case _:
            return "Cool again; at full speed."
