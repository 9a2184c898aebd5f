"""The whole truth of a coordinator: members, who is there, runs. Facts go in (`apply`), wishes come out (`plan`).

Pure: no clock, no disk, no network, no chance. The order of runs is the order in which they were started; they take
turns: one run at a time has the nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import assert_never

from coordinator.logic import members, presence, runs
from coordinator.logic.facts import (
    AvailabilityChanged,
    Configured,
    CoordinatorStarted,
    Elapsed,
    Evaluated,
    Extended,
    Greeted,
    Left,
    Lost,
    Merged,
    NodeFact,
    Prepared,
    RoundFact,
    RunFact,
    RunFailed,
    RunStarted,
    RunStopped,
    Summarised,
    UpdateRefused,
    Uploaded,
)
from coordinator.logic.members import InviteFailed, InviteMade, InviteWithdrawn, Joined, MemberFact, Members, Revoked
from coordinator.logic.presence import Link, Presence
from coordinator.logic.round_state import Phase, Standing, unmeasured, updates
from coordinator.logic.runs import Ready, Run, RunPhase
from coordinator.logic.wishes import Configure, Duty, DutyKind, Wake, Wish
from shared.ids import Digest, NodeId, RunId

Fact = CoordinatorStarted | Elapsed | MemberFact | NodeFact | RunFact | RoundFact

KEPT_ROUNDS = 2  # committed rounds whose files are kept: a node that lags behind still finds what it misses


@dataclass(frozen=True, slots=True)
class Cluster:
    now: float = 0.0  # UTC seconds of the newest fact
    members: Members = field(default_factory=Members)
    presences: dict[NodeId, Presence] = field(default_factory=dict)  # of members that ever greeted and are not revoked
    runs: dict[RunId, Run] = field(default_factory=dict)


def apply(cluster: Cluster, fact: Fact) -> Cluster:
    """Fold one fact in. Late and repeated facts change nothing; time never goes back."""
    if fact.at < cluster.now:
        fact = replace(fact, at=cluster.now)
    if isinstance(fact, CoordinatorStarted):
        since = fact.at - cluster.now
        away = since if fact.away is None else min(since, fact.away)
        cluster = _each_run(cluster, lambda run: runs.postpone(run, away))
    if isinstance(fact, Extended):
        cluster = _tell(cluster, fact)  # before time passes: it is recorded when the old deadline has come
    cluster = replace(cluster, now=fact.at)
    cluster = _each_run(cluster, lambda run: runs.elapse(run, fact.at, ready(cluster, run.run)))
    match fact:
        case CoordinatorStarted() | Elapsed() | Extended():
            return cluster
        case InviteMade() | InviteFailed() | InviteWithdrawn() | Joined():
            return replace(cluster, members=members.apply(cluster.members, fact))
        case Revoked():
            return _revoke(cluster, fact)
        case Greeted() | AvailabilityChanged() | Lost() | Left():
            return _meet(cluster, fact)
        case RunStarted():
            new = {} if fact.run in cluster.runs else {fact.run: runs.started(fact)}
            return replace(cluster, runs={**cluster.runs, **new})
        case Configured():
            return _configure(cluster, fact)
        case Prepared() | RunStopped() | RunFailed() | Uploaded() | UpdateRefused() | Merged():
            return _tell(cluster, fact)
        case Evaluated() | Summarised():
            return _tell(cluster, fact)
        case _:
            assert_never(fact)


def plan(cluster: Cluster) -> tuple[Wish, ...]:
    """Everything that should be under way now: runs in order of their start, then one `Wake` for the next deadline."""
    turn = has_turn(cluster)
    wishes = [wish for run in in_order(cluster) for wish in runs.plan(run)]
    wakes = [wish.at for wish in wishes if isinstance(wish, Wake)]
    work = [
        wish for wish in wishes if not isinstance(wish, Wake) and not (isinstance(wish, Configure) and wish.run != turn)
    ]
    return (*work, *([Wake(min(wakes))] if wakes else []))


def duties(cluster: Cluster, node: NodeId) -> tuple[Duty, ...]:
    """What this node should be doing. A paused node keeps its duty, so that it can send what it has."""
    here = cluster.presences.get(node)
    if here is None or here.link is not Link.HERE:
        return ()
    return tuple(duty for run in in_order(cluster) if (duty := _duty(run, node)) is not None)


def keep(cluster: Cluster) -> set[Digest]:
    """Blobs that must stay: all but the job's own files, which the shell adds."""
    return {digest for run in cluster.runs.values() for digest in _blobs(run) if digest is not None}


def ready(cluster: Cluster, run: RunId) -> Ready:
    """Nodes that could work now, and how many seconds a step of this run takes there (0.0: not known)."""
    present = (who for _, who in sorted(cluster.presences.items()) if presence.ready(who))
    return {who.node: who.step_seconds.get(run, 0.0) for who in present}


def in_order(cluster: Cluster) -> list[Run]:
    """Runs by the time they were started."""
    return sorted(cluster.runs.values(), key=lambda run: (run.started, run.run))


def has_turn(cluster: Cluster) -> RunId | None:
    """The run that may ask for nodes: the one with a round under way, else the oldest that runs."""
    running = [run for run in in_order(cluster) if run.phase is RunPhase.RUNNING]
    busy = [run for run in running if run.round is not None and run.round.phase is not Phase.RECRUITING]
    return next((run.run for run in (*busy, *running)), None)


def is_member(cluster: Cluster, node: NodeId) -> bool:
    """Joined, and not revoked."""
    return members.is_member(cluster.members, node)


def _meet(cluster: Cluster, fact: NodeFact) -> Cluster:
    """A node came, went, or changed its mind."""
    after = presence.apply(cluster.presences.get(fact.node), fact) if is_member(cluster, fact.node) else None
    if after is None:
        return cluster
    cluster = replace(cluster, presences={**cluster.presences, fact.node: after})
    return _notice(cluster, fact.node, presence.standing(after), _reason(cluster, fact.node))


def _configure(cluster: Cluster, fact: Configured) -> Cluster:
    """Nobody who was revoked since the strategy chose; those who went since are not waited for."""
    who = {node: config for node, config in fact.who.items() if is_member(cluster, node)}
    if who != fact.who and len(who) < _quorum(cluster, fact.run):
        return cluster  # the wish is for other nodes by now, and brings another choice
    cluster = _tell(cluster, replace(fact, who=who))
    for node in sorted(who.keys() & cluster.presences.keys()):
        cluster = _notice(cluster, node, presence.standing(cluster.presences[node]), _reason(cluster, node))
    return cluster


def _revoke(cluster: Cluster, fact: Revoked) -> Cluster:
    present = {node: who for node, who in cluster.presences.items() if node != fact.node}
    cluster = replace(cluster, members=members.apply(cluster.members, fact), presences=present)
    return _notice(cluster, fact.node, Standing.REVOKED, "")


def _notice(cluster: Cluster, node: NodeId, standing: Standing, sentence: str) -> Cluster:
    return _each_run(
        cluster, lambda run: runs.notice(run, node, standing, cluster.now, sentence, ready(cluster, run.run))
    )


def _reason(cluster: Cluster, node: NodeId) -> str:
    who = cluster.presences[node]
    if who.link is Link.STOPPED:
        return "by its owner"
    return who.availability.sentence if who.link is Link.HERE else ""


def _tell(cluster: Cluster, fact: Prepared | RunStopped | RunFailed | RoundFact) -> Cluster:
    """Hand the fact to its run."""
    run = cluster.runs.get(fact.run)
    if run is None:
        return cluster
    return replace(cluster, runs={**cluster.runs, fact.run: runs.apply(run, fact, ready(cluster, fact.run))})


def _each_run(cluster: Cluster, change: Callable[[Run], Run]) -> Cluster:
    return replace(cluster, runs={name: change(run) for name, run in cluster.runs.items()})


def _quorum(cluster: Cluster, run: RunId) -> int:
    found = cluster.runs.get(run)
    return found.round.quorum if found is not None and found.round is not None else 0


def _duty(run: Run, node: NodeId) -> Duty | None:
    round = run.round
    if run.phase is not RunPhase.RUNNING or round is None:
        return None
    assert run.job is not None
    assert run.model is not None
    duty = Duty(
        kind=DutyKind.TRAIN,
        run=run.run,
        round=round.number,
        rounds=int(run.spec["rounds"]),
        done=run.committed,
        job=run.job,
        model=run.model,
        parent=run.parent if run.delta is not None else None,
        delta=run.delta,
        config="{}",
        deadline=round.deadline,
    )
    member = round.members.get(node)
    if round.phase is Phase.TRAINING and member and member.standing in (Standing.ASKED, Standing.PAUSED):
        return replace(duty, config=member.config)
    if round.phase is Phase.EVALUATING and not round.summarising and node in unmeasured(round):
        return replace(duty, kind=DutyKind.EVALUATE, deadline=round.evaluation_deadline)
    return None


def _blobs(run: Run) -> Iterable[Digest | None]:
    yield from (run.job, run.model, run.parent, run.delta, run.state)
    committed = [round for round in run.history if round.phase is Phase.COMMITTED]
    for record in committed[-KEPT_ROUNDS:]:
        yield from (record.base, record.model, record.delta)
    if run.round is not None:
        yield from (run.round.base, run.round.model, run.round.delta, run.round.state)
        yield from (update.digest for update in updates(run.round))
