"""Rows for people: who stands where and why, in words. Pure; `shares` are what heartbeats said of training, 0 to 1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import assert_never

from coordinator.logic.cluster import Cluster, duties, has_turn
from coordinator.logic.facts import Ability, DataCount, Metrics
from coordinator.logic.presence import Link, Presence
from coordinator.logic.round_state import Member, Phase, Round, Standing, updates
from coordinator.logic.rounds import measured
from coordinator.logic.runs import Run, RunPhase
from coordinator.logic.wishes import DutyKind
from shared.ids import NodeId, RunId
from shared.units import plural

Share = Callable[[NodeId], float]
When = Callable[[float], str]  # UTC seconds -> a short time for whoever reads it


@dataclass(frozen=True, slots=True)
class NodeRow:
    node: NodeId
    name: str
    state: str
    sentence: str
    hardware: str = ""
    data: tuple[DataCount, ...] = ()


@dataclass(frozen=True, slots=True)
class MemberRow:
    node: NodeId
    name: str
    state: str
    sentence: str
    share: float
    tokens: int = 0
    bytes: int = 0
    metrics: Metrics = field(default_factory=dict)


def nodes(cluster: Cluster, when: When) -> list[NodeRow]:
    """Every PC that ever joined, in the order of joining."""
    return [_node(cluster, node, when) for node in cluster.members.nodes]


def members(cluster: Cluster, round: Round, share: Share, when: When) -> list[MemberRow]:
    """Who takes part in a round; before it trains, who could."""
    named = cluster.members.nodes
    evaluators = [node for node in sorted(round.evaluators) if node not in round.members]
    rows = [
        _member(named[node].name, member, round, share(node), when) for node, member in sorted(round.members.items())
    ]
    extra = [
        MemberRow(
            node,
            named[node].name,
            "measured" if node in round.evaluations else "measuring",
            "came after training had begun",
            0.0,
            metrics=measured({}, round.evaluations.get(node)),
        )
        for node in evaluators
    ]
    return sorted([*rows, *extra], key=lambda row: row.name)


def round_sentence(cluster: Cluster, run: Run, round: Round, when: When) -> str:
    """What the round waits for, or how it ended."""
    match round.phase:
        case Phase.RECRUITING if has_turn(cluster) not in (None, run.run):
            return f"waiting for its turn after {_turn(cluster)}"
        case Phase.RECRUITING:
            return f"waiting for {plural(round.quorum, 'PC')}; {len(round.here)} could start now"
        case Phase.TRAINING:
            held = len(updates(round))
            return (
                f"{held} of {plural(len(round.members), 'update')} here; closes by {when(round.deadline)} at the latest"
            )
        case Phase.MERGING:
            return f"merging {plural(len(updates(round)), 'update')}"
        case Phase.EVALUATING:
            return (
                f"the new model stands; measured by {len(round.evaluations)} of {plural(len(round.evaluators), 'PC')}"
            )
        case Phase.COMMITTED:
            return f"{plural(len(updates(round)), 'update')} merged"
        case Phase.ABANDONED:
            return f"given up: {round.sentence}; the model is as it was"
        case _:
            assert_never(round.phase)


def run_sentence(run: Run) -> str:
    match run.phase:
        case RunPhase.PREPARING:
            return "the first model is being made"
        case RunPhase.RUNNING:
            return f"{run.committed} of {plural(run.spec['rounds'], 'round')} done"
        case RunPhase.FINISHED:
            return f"all done: {plural(run.committed, 'round')}"
        case RunPhase.STOPPED:
            return f"by the host after {run.committed} of {plural(run.spec['rounds'], 'round')}"
        case RunPhase.FAILED:
            return run.sentence
        case _:
            assert_never(run.phase)


def _node(cluster: Cluster, node: NodeId, when: When) -> NodeRow:
    member, presence = cluster.members.nodes[node], cluster.presences.get(node)
    if member.revoked is not None:
        return NodeRow(node, member.name, "revoked", f"by the host since {when(member.revoked)}")
    if presence is None:
        return NodeRow(node, member.name, "joined", "has not started `potluck node run` yet")
    state, sentence = _standing(presence, when)
    if state == "ready" and (duty := next(iter(duties(cluster, node)), None)) is not None:
        state = "training" if duty.kind is DutyKind.TRAIN else "measuring"
        sentence = f"round {duty.round} of {duty.run}"
    return NodeRow(node, member.name, state, _joined(sentence, _sent(cluster, node)), presence.hardware, presence.data)


def _turn(cluster: Cluster) -> str:
    """The round that has the PCs now, and whom it keeps busy."""
    run = cluster.runs[has_turn(cluster) or RunId("")]
    if run.round is None:
        return run.run
    busy = sorted(member.name for node, member in cluster.members.nodes.items() if duties(cluster, node))
    doing = f"{run.round.phase}: {', '.join(busy)}" if busy else run.round.phase
    return f"round {run.round.number} of {run.run} ({doing})"


def _sent(cluster: Cluster, node: NodeId) -> str:
    """What a node that stopped early has sent of the round that is open."""
    open_rounds = (run.round for run in cluster.runs.values() if run.round is not None)
    updates = (round.members[node].update for round in open_rounds if node in round.members)
    return next((f"{_percent(u.share)} of this round sent" for u in updates if u is not None and u.share < 1), "")


def _standing(presence: Presence, when: When) -> tuple[str, str]:
    match presence.link:
        case Link.LOST:
            return "lost", f"not heard since about {when(presence.since)}"
        case Link.STOPPED:
            return "stopped", f"by its owner since {when(presence.since)}"
        case Link.LEFT:
            return "left", f"said goodbye, gone since {when(presence.since)}"
        case Link.HERE:
            said = presence.availability
            match said.state:
                case Ability.READY:
                    return "ready", ""
                case Ability.PAUSED:
                    until = f", until {when(said.until)}" if said.until else ""
                    return "paused", f"by its owner since {when(said.since)}{until}"
                case Ability.NO_DATA:
                    return "no data", said.sentence or "has nothing to train on yet"
                case Ability.BROKEN | Ability.STOPPED:
                    return "broken", said.sentence
                case _:
                    assert_never(said.state)
        case _:
            assert_never(presence.link)


def _member(name: str, member: Member, round: Round, share: float, when: When) -> MemberRow:
    update = member.update
    metrics = measured(dict(update.metrics if update else ()), round.evaluations.get(member.node))
    done = update.share if update else share
    state, sentence = _work(member, round, done, when)
    tokens, size = (update.tokens, update.size) if update else (0, 0)
    return MemberRow(member.node, name, state, sentence, done, tokens, size, metrics)


def _work(member: Member, round: Round, share: float, when: When) -> tuple[str, str]:
    """A word for the column, and the reason."""
    match member.standing:
        case Standing.ASKED:
            missed = "" if share else "sent nothing before the round closed"
            return ("training", "") if round.phase is Phase.TRAINING else ("missed", missed)
        case Standing.UPLOADED:
            part = f"{_percent(share)} of this round sent" if share < 1 else ""
            return ("counted" if round.model is not None else "uploaded"), part
        case Standing.LOST if member.sentence:
            return "stopped", f"{member.sentence} since {when(member.since)}"
        case Standing.LOST:
            return "lost", f"not heard since {when(member.since)}"
        case Standing.PAUSED:
            return "paused", f"by its owner since {when(member.since)}"
        case Standing.UNABLE:
            return "unable", member.sentence
        case Standing.LEFT:
            return "left", f"said goodbye, gone since {when(member.since)}"
        case Standing.REFUSED:
            return "refused", member.sentence
        case Standing.LATE:
            return "late", f"its update came after the round had closed ({when(member.since)})"
        case Standing.REVOKED:
            return "revoked", member.sentence
        case _:
            assert_never(member.standing)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)
