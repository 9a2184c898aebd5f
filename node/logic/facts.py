"""What can happen on a node, and the values it is told in. Plain values, all of them hashable."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shared.ids import Digest, RunId
from shared.job import Job

Metrics = tuple[tuple[str, float], ...]  # sorted by name


class Kind(StrEnum):
    TRAIN = "train"
    EVALUATE = "evaluate"


class Verdict(StrEnum):
    """What became of an update, in the coordinator's words."""

    NOTHING = "nothing"  # nothing was received
    ACCEPTED = "accepted"  # held safely; counts when the round closes
    COUNTED = "counted"
    LATE = "late"
    REFUSED = "refused"
    ABANDONED = "abandoned"


class Readiness(StrEnum):
    READY = "ready"
    PAUSED = "paused"
    NO_DATA = "no-data"
    BROKEN = "broken"
    STOPPED = "stopped"  # said last, when the agent ends


@dataclass(frozen=True, slots=True)
class Availability:
    readiness: Readiness
    since: float = 0.0  # UTC seconds; 0: not told
    until: float = 0.0  # 0: until the owner says so
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Duty:
    """One thing the coordinator asks of this node; it stays asked until the coordinator says otherwise."""

    kind: Kind
    run: RunId
    round: int
    rounds: int
    job: Digest
    model: Digest
    parent: Digest | None = None
    delta: Digest | None = None
    config: str = "{}"  # JSON object of scalars
    deadline: float = 0.0  # UTC seconds on this PC's clock; 0: none
    done: int = 0  # rounds committed before this one


@dataclass(frozen=True, slots=True)
class Update:
    """What this node trained in one round; the bytes are the blob `digest`."""

    run: RunId
    round: int
    model: Digest  # what it was trained from
    digest: Digest
    size: int  # bytes
    tokens: int
    steps: int
    share: float  # of the steps asked for
    metrics: Metrics = ()


@dataclass(frozen=True, slots=True)
class Elapsed:
    now: float  # UTC seconds


@dataclass(frozen=True, slots=True)
class LinkUp:
    address: str
    number: int  # of the connection: what was said over an earlier one may be lost


@dataclass(frozen=True, slots=True)
class LinkDown:
    pass


@dataclass(frozen=True, slots=True)
class DutiesTold:
    """Replaces all earlier duties."""

    duties: tuple[Duty, ...]


@dataclass(frozen=True, slots=True)
class OwnerPaused:
    since: float
    until: float | None = None  # None: until the owner says so


@dataclass(frozen=True, slots=True)
class OwnerResumed:
    pass


@dataclass(frozen=True, slots=True)
class DataChanged:
    names: tuple[str, ...]
    edition: str = ""  # another one: the same names hold other text
    foreign: tuple[str, ...] = ()  # names of what was held out for another group: nobody trains on it


@dataclass(frozen=True, slots=True)
class BlobsHere:
    digests: frozenset[Digest]


@dataclass(frozen=True, slots=True)
class BlobsGone:
    digests: frozenset[Digest]


@dataclass(frozen=True, slots=True)
class Fetched:
    """Progress of a download."""

    digest: Digest
    share: float


@dataclass(frozen=True, slots=True)
class RoomWanted:
    """A download waits for room on this PC's disk; an empty sentence: it no longer does."""

    sentence: str


@dataclass(frozen=True, slots=True)
class JobRead:
    digest: Digest
    job: Job


@dataclass(frozen=True, slots=True)
class Unusable:
    """What the host gives under this digest is no job we can read, or not of the size it must have."""

    digest: Digest
    sentence: str


@dataclass(frozen=True, slots=True)
class DeltaUseless:
    """Parent plus delta did not give the model that was named: it must be fetched whole."""

    model: Digest


@dataclass(frozen=True, slots=True)
class TrainerStarted:
    run: RunId


@dataclass(frozen=True, slots=True)
class FitSought:
    """What fits this PC is being found out: steps are tried, which may take minutes the first time."""


@dataclass(frozen=True, slots=True)
class FitChosen:
    sentence: str  # which, and why, in words


@dataclass(frozen=True, slots=True)
class NothingFits:
    """This PC is too small for the run; the sentence names the nearest that would fit."""

    run: RunId
    sentence: str


@dataclass(frozen=True, slots=True)
class TrainerOpened:
    engine: str
    dtype: str
    step_seconds: float


@dataclass(frozen=True, slots=True)
class TrainerTold:
    """The trainer was given something to do ("train", "evaluate", "halt")."""

    what: str
    round: int
    model: Digest


@dataclass(frozen=True, slots=True)
class Progressed:
    round: int
    step: int
    steps: int
    share: float
    loss: float
    tokens_per_second: float
    gradient: str = ""  # "vanishing" or "exploding", when it is
    metrics: Metrics = ()  # gradient_norm, learning_rate, skipped, memory_bytes; celsius and watts where there are such


@dataclass(frozen=True, slots=True)
class UpdateWritten:
    update: Update


@dataclass(frozen=True, slots=True)
class TrainerHalted:
    """It stopped before a single step was done."""

    round: int


@dataclass(frozen=True, slots=True)
class Evaluated:
    run: RunId
    round: int
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class TrainerNoted:
    """Something the owner should hear, which stops nothing: a damaged checkpoint, a skipped step."""

    sentence: str


@dataclass(frozen=True, slots=True)
class TrainerWarm:
    """The heat guard changed its pace ("full", "slow", "paused"), or still holds it."""

    pace: str
    celsius: float
    limit: float


@dataclass(frozen=True, slots=True)
class TrainerFailed:
    """The trainer lives but could not do what it was told. `memory`: because there was too little."""

    sentence: str
    memory: bool = False


@dataclass(frozen=True, slots=True)
class TrainerGone:
    """The trainer's processes have ended and their memory is free. No sentence: we asked for it.

    `killed`: by somebody else, most often a system without memory.
    """

    sentence: str = ""
    killed: bool = False


@dataclass(frozen=True, slots=True)
class VerdictHeard:
    run: RunId
    round: int
    verdict: Verdict
    sentence: str
    seconds: float = 0.0  # how long the upload took, when it answers one


Fact = (
    Elapsed
    | LinkUp
    | LinkDown
    | DutiesTold
    | OwnerPaused
    | OwnerResumed
    | DataChanged
    | BlobsHere
    | BlobsGone
    | Fetched
    | RoomWanted
    | JobRead
    | Unusable
    | DeltaUseless
    | TrainerStarted
    | FitSought
    | FitChosen
    | NothingFits
    | TrainerOpened
    | TrainerTold
    | Progressed
    | UpdateWritten
    | TrainerHalted
    | TrainerNoted
    | TrainerWarm
    | Evaluated
    | TrainerFailed
    | TrainerGone
    | VerdictHeard
)
