"""What a node may want done. Plain values: the same wish is the same value."""

from __future__ import annotations

from dataclasses import dataclass

from node.logic.facts import Availability, Duty, Metrics, Update
from shared.ids import Digest, RunId


@dataclass(frozen=True, slots=True)
class FetchBlob:
    digest: Digest


@dataclass(frozen=True, slots=True)
class ReadJob:
    digest: Digest


@dataclass(frozen=True, slots=True)
class MakeModel:
    """parent + delta = model, one fp32 add, checked by digest."""

    model: Digest
    parent: Digest
    delta: Digest
    job: Digest


@dataclass(frozen=True, slots=True)
class KeepTrainer:
    """Have a trainer open for this job for as long as this is wished; when it no longer is, stop it."""

    run: RunId
    job: Digest
    cuts: int = 0  # how often this run's fit was made smaller, after it ran out of memory


@dataclass(frozen=True, slots=True)
class Train:
    duty: Duty


@dataclass(frozen=True, slots=True)
class Evaluate:
    duty: Duty


@dataclass(frozen=True, slots=True)
class Halt:
    run: RunId
    round: int


@dataclass(frozen=True, slots=True)
class Upload:
    update: Update


@dataclass(frozen=True, slots=True)
class AskVerdict:
    run: RunId
    round: int
    attempt: float  # when the last answer came: asking again is another wish


@dataclass(frozen=True, slots=True)
class ReportAvailability:
    availability: Availability
    connection: int


@dataclass(frozen=True, slots=True)
class ReportEvaluation:
    run: RunId
    round: int
    metrics: Metrics
    connection: int


@dataclass(frozen=True, slots=True)
class Collect:
    """Garbage collection: these blobs stay, the rest may go."""

    keep: frozenset[Digest]


Wish = (
    FetchBlob
    | ReadJob
    | MakeModel
    | KeepTrainer
    | Train
    | Evaluate
    | Halt
    | Upload
    | AskVerdict
    | ReportAvailability
    | ReportEvaluation
    | Collect
)
