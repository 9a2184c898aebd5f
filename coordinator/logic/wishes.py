"""What should be under way now. Wishes are values: equal wishes are the same work, and each may be performed twice."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shared.ids import Digest, NodeId, RunId


@dataclass(frozen=True, slots=True)
class Update:
    """One node's contribution to a round, as it was received."""

    node: NodeId
    digest: Digest
    size: int  # bytes
    tokens: int
    steps: int
    share: float  # of the steps asked for
    metrics: tuple[tuple[str, float], ...] = ()  # sorted by name, all finite


@dataclass(frozen=True, slots=True)
class Prepare:
    """Make the job and the first model of this run -> Prepared."""

    run: RunId


@dataclass(frozen=True, slots=True)
class Configure:
    """Let the strategy choose among these ready nodes -> Configured."""

    run: RunId
    round: int
    nodes: tuple[NodeId, ...]  # sorted


@dataclass(frozen=True, slots=True)
class Train:
    """This node should train (its duties say how) -> Uploaded."""

    run: RunId
    round: int
    node: NodeId


@dataclass(frozen=True, slots=True)
class Merge:
    """Merge exactly these -> Merged, with `nodes` naming them."""

    run: RunId
    round: int
    updates: tuple[Update, ...]  # sorted by node id


@dataclass(frozen=True, slots=True)
class Evaluate:
    """This node should measure the new model (its duties say how) -> Evaluated."""

    run: RunId
    round: int
    node: NodeId


@dataclass(frozen=True, slots=True)
class Summarise:
    """Let the strategy join the nodes' measurements -> Summarised."""

    run: RunId
    round: int


@dataclass(frozen=True, slots=True)
class Wake:
    """Record `Elapsed` once this time has come (and not before: its `at` is at least this)."""

    at: float


Wish = Prepare | Configure | Train | Merge | Evaluate | Summarise | Wake


class DutyKind(StrEnum):
    TRAIN = "train"
    EVALUATE = "evaluate"


@dataclass(frozen=True, slots=True)
class Duty:
    """What one node should be doing: the fields of the wire's Duty."""

    kind: DutyKind
    run: RunId
    round: int
    rounds: int
    done: int  # rounds committed before this one: what the learning rate's progress counts from
    job: Digest
    model: Digest  # to start from
    parent: Digest | None
    delta: Digest | None  # parent + delta = model
    config: str  # JSON object of scalars; "{}" for an evaluation
    deadline: float  # UTC seconds
