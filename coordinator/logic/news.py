"""What the host would like to hear while the coordinator runs: sentences about what changed between two states."""

from __future__ import annotations

from collections.abc import Iterator

from coordinator.logic.cluster import Cluster
from coordinator.logic.facts import Ability
from coordinator.logic.presence import Link, Presence
from coordinator.logic.round_state import Phase, Round, updates
from coordinator.logic.runs import Run, RunPhase
from shared.ids import NodeId
from shared.units import plural

MEASURED = (("train_loss", "train loss"), ("held_out_loss", "held-out loss"), ("bits_per_byte", "bits a byte"))


def news(before: Cluster, after: Cluster) -> list[str]:
    """In the order in which a person would tell it."""
    return [*_friends(before, after), *_runs(before, after)]


def _friends(before: Cluster, after: Cluster) -> Iterator[str]:
    for node, member in after.members.nodes.items():
        known = before.members.nodes.get(node)
        if known is None:
            yield f"{member.name} joined the group."
        elif member.revoked is not None and known.revoked is None:
            yield f"{member.name} was removed from the group."
        if (here := after.presences.get(node)) is not None:
            was = before.presences.get(node)
            if words := _came_or_went(was, here) or _changed_its_mind(was, here):
                yield f"{member.name} {words}"


def _came_or_went(before: Presence | None, after: Presence) -> str:
    was = before.link if before is not None else None
    if was is after.link:
        return ""
    match after.link:
        case Link.HERE:
            return "is here."
        case Link.LOST:
            return "is not heard any more; it may come back by itself."
        case Link.STOPPED:
            return "has stopped for now."
        case Link.LEFT:
            return "has left the group's work."


def _changed_its_mind(before: Presence | None, after: Presence) -> str:
    """What a PC that stayed says of itself now."""
    if before is None or before.availability.state is after.availability.state:
        return ""
    match after.availability.state:
        case Ability.READY:
            return "takes part again."
        case Ability.PAUSED:
            return "is paused by its owner."
        case Ability.NO_DATA:
            return "has nothing to train on."
        case Ability.BROKEN:
            return f"cannot train: {after.availability.sentence}"
        case Ability.STOPPED:
            return ""  # told when its line ends


def _runs(before: Cluster, after: Cluster) -> Iterator[str]:
    for name, run in after.runs.items():
        old = before.runs.get(name)
        if old is None:
            yield f"{name} was started: {plural(int(run.spec['rounds']), 'round')}."
        for round_ in run.history[len(old.history) if old is not None else 0 :]:
            yield _ended(run, round_)
        if (open_ := run.round) is not None and open_.phase is Phase.TRAINING and not _trained(old, open_.number):
            names = sorted(_name(after, node) for node in open_.members)
            yield f"{_round(run, open_)} has begun with {', '.join(names)}."
        if open_ is not None and open_.phase is Phase.EVALUATING and not _was(old, open_.number, Phase.EVALUATING):
            names = sorted(_name(after, node) for node in open_.evaluators)
            yield f"The new model of round {open_.number} of {run.run} is measured by {', '.join(names)}."
        if run.phase is not (old.phase if old is not None else RunPhase.PREPARING):
            yield from _phase(run)


def _trained(run: Run | None, number: int) -> bool:
    """Whether that round was training already."""
    return run is not None and run.round is not None and run.round.number == number and bool(run.round.members)


def _was(run: Run | None, number: int, phase: Phase) -> bool:
    return run is not None and run.round is not None and (run.round.number, run.round.phase) == (number, phase)


def _ended(run: Run, round_: Round) -> str:
    if round_.phase is Phase.ABANDONED:
        return f"{_round(run, round_)} was given up: {round_.sentence}."
    figures = [f"{words} {round_.metrics[name]:.3f}" for name, words in MEASURED if name in round_.metrics]
    merged = f"{plural(len(updates(round_)), 'update')} merged"
    return f"{_round(run, round_)} is done: {', '.join([merged, *figures])}."


def _phase(run: Run) -> Iterator[str]:
    match run.phase:
        case RunPhase.RUNNING:
            yield f"{run.run} is ready and waits for {plural(int(run.spec['quorum']), 'PC')}."
        case RunPhase.FINISHED:
            yield f"{run.run} is finished. Its model: {run.model_folder}"
        case RunPhase.STOPPED:
            yield f"{run.run} was stopped."
        case RunPhase.FAILED:
            yield f"{run.run} has failed: {run.sentence}"
        case RunPhase.PREPARING:
            return


def _round(run: Run, round_: Round) -> str:
    return f"Round {round_.number} of {run.run}"


def _name(cluster: Cluster, node: NodeId) -> str:
    return cluster.members.nodes[node].name
