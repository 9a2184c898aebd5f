"""Short words for telling a coordinator what happened."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from coordinator.logic import cluster, runs, verdicts
from coordinator.logic.cluster import Cluster, Fact
from coordinator.logic.facts import (
    Ability,
    Availability,
    Configured,
    Evaluated,
    Greeted,
    Merged,
    Prepared,
    RunStarted,
    Summarised,
    Uploaded,
)
from coordinator.logic.members import InviteMade, Joined
from coordinator.logic.round_state import Round, updates
from coordinator.logic.runs import Run
from coordinator.logic.verdicts import Answer, Verdict
from shared.ids import Digest, NodeId, RunId

ANA, BO, CEM, DEE = (NodeId(name) for name in ("ana", "bo", "cem", "dee"))
RUN = RunId("notes-k3f9qa")
SPEC: dict[str, Any] = {
    "rounds": 2, "quorum": 2, "evaluate": True, "steps": 16, "seconds": None, "deadline_seconds": 100.0
}  # fmt: skip
READY = Availability(Ability.READY, since=0.0)


def digest(*words: object) -> Digest:
    """The digest of something that these words stand for."""
    return Digest(hashlib.sha256(repr(words).encode()).hexdigest())


def tell(state: Cluster, *happened: Fact) -> Cluster:
    for fact in happened:
        state = cluster.apply(state, fact)
    return state


def joined(node: NodeId, at: float = 0.0) -> tuple[Fact, ...]:
    return InviteMade(at, f"i-{node}", node, "00", at + 1e9), Joined(at, f"i-{node}", node, node.title(), f"ff{node}")


def greeted(node: NodeId, at: float = 0.0, availability: Availability = READY, **more: Any) -> Greeted:
    return Greeted(at, node, availability, **more)


def paused(at: float, until: float | None = None) -> Availability:
    return Availability(Ability.PAUSED, since=at, until=until)


def group(*nodes: NodeId) -> Cluster:
    """These PCs have joined and are ready."""
    state = Cluster()
    for node in nodes:
        state = tell(state, *joined(node), greeted(node))
    return state


def started(at: float = 0.0, run: RunId = RUN, **changes: Any) -> tuple[Fact, ...]:
    prepared = Prepared(at, run, digest("job", run), digest("model", run, 0))
    return RunStarted(at, run, SPEC | changes, "/models"), prepared


def configured(*nodes: NodeId, at: float = 0.0, round: int = 1, run: RunId = RUN) -> Configured:
    return Configured(at, run, round, dict.fromkeys(nodes, '{"lr": 0.1}'))


def uploaded(node: NodeId, at: float = 1.0, round: int = 1, **more: Any) -> Uploaded:
    fact = Uploaded(at, RUN, round, node, digest("update", node, round), size=100, tokens=2048, steps=16)
    return replace(fact, **more)


def merged(round: int, *nodes: NodeId, at: float = 2.0, run: RunId = RUN) -> Merged:
    made = digest("model", run, round), digest("delta", run, round), digest("state", run, round)
    return Merged(at, run, round, nodes, *made, {"loss": 1.0}, "/runs/notes")


def evaluated(node: NodeId, at: float = 3.0, round: int = 1) -> Evaluated:
    return Evaluated(at, RUN, round, node, {"loss": 2.0})


def summarised(round: int, at: float = 4.0) -> Summarised:
    return Summarised(at, RUN, round, {"bits_per_byte": 1.5})


def training(*nodes: NodeId, **changes: Any) -> Cluster:
    """These PCs train in round 1."""
    return tell(group(*nodes), *started(**changes), configured(*nodes))


def the_run(state: Cluster, run: RunId = RUN) -> Run:
    return state.runs[run]


def the_round(state: Cluster, run: RunId = RUN) -> Round:
    open_round = state.runs[run].round
    assert open_round is not None
    return open_round


def senders(round: Round) -> list[NodeId]:
    return [update.node for update in updates(round)]


def verdict(state: Cluster, run: RunId, round: int, node: NodeId, digest: Digest | None = None) -> Answer:
    """What the door would say of the node's update."""
    found = runs.record(state.runs[run], round) if run in state.runs else None
    return verdicts.verdict(found, node, digest) if found is not None else Answer(Verdict.NOTHING, "")
