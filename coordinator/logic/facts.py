"""What can happen to nodes, runs and rounds. Every fact carries `at`: UTC seconds, which never go back in the journal.

The facts about invites and membership live beside their rules in `members.py`; `cluster.Fact` is the union of all.
Dictionaries inside facts are never changed once the fact is made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from shared.ids import Digest, NodeId, RunId

Spec = dict[str, Any]  # a checked run file as plain JSON types
Metrics = dict[str, float]


class Ability(StrEnum):
    """What a node says about itself."""

    READY = "ready"
    PAUSED = "paused"  # by its owner
    NO_DATA = "no-data"  # nothing to train on yet
    BROKEN = "broken"  # cannot train; the sentence says why
    STOPPED = "stopped"  # its program was ended by its owner


@dataclass(frozen=True, slots=True)
class Availability:
    state: Ability
    since: float  # UTC seconds
    until: float | None = None  # None: until the owner says so
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class DataCount:
    """Counts only, and only what the owner agreed to share."""

    name: str
    documents: int
    bytes: int
    tokens: int


# The coordinator itself


@dataclass(frozen=True, slots=True)
class CoordinatorStarted:
    """After a (re)start, and after a sleep: open deadlines move by the time we were away. Nodes keep their standing
    until a lease ends."""

    at: float
    away: float | None = None  # seconds; None: since the newest fact


@dataclass(frozen=True, slots=True)
class Elapsed:
    """Time passed. (Every other fact says so too.)"""

    at: float


# Nodes


@dataclass(frozen=True, slots=True)
class Greeted:
    """A node opened its control stream."""

    at: float
    node: NodeId
    availability: Availability
    hardware: str = ""
    data: tuple[DataCount, ...] = ()
    step_seconds: dict[str, float] = field(default_factory=dict)  # run -> seconds a local step


@dataclass(frozen=True, slots=True)
class AvailabilityChanged:
    at: float
    node: NodeId
    availability: Availability


@dataclass(frozen=True, slots=True)
class Lost:
    """Nothing was heard from the node for longer than its lease."""

    at: float
    node: NodeId


@dataclass(frozen=True, slots=True)
class Left:
    """The node said goodbye."""

    at: float
    node: NodeId


# Runs


@dataclass(frozen=True, slots=True)
class RunStarted:
    at: float
    run: RunId
    spec: Spec
    folder: str  # where relative model paths start


@dataclass(frozen=True, slots=True)
class Prepared:
    at: float
    run: RunId
    job: Digest
    model: Digest  # the trainable tensors to start from
    state: Digest | None = None  # the strategy's


@dataclass(frozen=True, slots=True)
class RunStopped:
    """The host ended it."""

    at: float
    run: RunId


@dataclass(frozen=True, slots=True)
class RunFailed:
    at: float
    run: RunId
    sentence: str


# Rounds


@dataclass(frozen=True, slots=True)
class Configured:
    """The strategy chose these nodes and told each what to do (a JSON object of scalars)."""

    at: float
    run: RunId
    round: int
    who: dict[NodeId, str]


@dataclass(frozen=True, slots=True)
class Uploaded:
    """An update that keeps to the run's specification is on our disk."""

    at: float
    run: RunId
    round: int
    node: NodeId
    digest: Digest
    size: int  # bytes
    tokens: int
    steps: int
    share: float = 1.0  # of the steps asked for
    metrics: Metrics = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UpdateRefused:
    """An update broke the specification (or held NaN)."""

    at: float
    run: RunId
    round: int
    node: NodeId
    digest: Digest
    sentence: str


@dataclass(frozen=True, slots=True)
class Extended:
    """Somebody is clearly progressing: the round may last until `deadline`."""

    at: float
    run: RunId
    round: int
    deadline: float  # UTC seconds


@dataclass(frozen=True, slots=True)
class Merged:
    """`nodes` are those whose updates are inside: exactly the ones the wish `Merge` named, or the fact is ignored."""

    at: float
    run: RunId
    round: int
    nodes: tuple[NodeId, ...]
    model: Digest
    delta: Digest | None  # None: nodes fetch the model whole
    state: Digest | None
    metrics: Metrics = field(default_factory=dict)
    folder: str = ""  # the Hugging Face folder on the coordinator's PC


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A node measured the merged model on its own held-out text."""

    at: float
    run: RunId
    round: int
    node: NodeId
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class Summarised:
    """The strategy joined the nodes' measurements into one."""

    at: float
    run: RunId
    round: int
    metrics: Metrics


NodeFact = Greeted | AvailabilityChanged | Lost | Left
RunFact = RunStarted | Prepared | RunStopped | RunFailed
RoundFact = Configured | Uploaded | UpdateRefused | Extended | Merged | Evaluated | Summarised
