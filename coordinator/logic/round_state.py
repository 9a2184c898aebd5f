"""What a round is: its phases and the edges between them, its members and where they stand, and what both amount to.

How a round goes on is told in `rounds.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from coordinator.logic.facts import Metrics
from coordinator.logic.wishes import Update
from shared.ids import Digest, NodeId


class Phase(StrEnum):
    RECRUITING = "recruiting"  # waiting for a quorum of ready nodes; has no deadline
    TRAINING = "training"  # the chosen nodes train and upload
    MERGING = "merging"  # the strategy joins the updates
    EVALUATING = "evaluating"  # the new model stands; nodes measure it
    COMMITTED = "committed"
    ABANDONED = "abandoned"  # too few updates; the model stays as it was


EDGES: dict[Phase, frozenset[Phase]] = {
    Phase.RECRUITING: frozenset({Phase.TRAINING, Phase.ABANDONED}),
    Phase.TRAINING: frozenset({Phase.MERGING, Phase.ABANDONED}),
    Phase.MERGING: frozenset({Phase.EVALUATING, Phase.COMMITTED, Phase.ABANDONED}),
    Phase.EVALUATING: frozenset({Phase.COMMITTED}),
    Phase.COMMITTED: frozenset(),
    Phase.ABANDONED: frozenset(),
}


class Standing(StrEnum):
    """Where a member stands in its round."""

    ASKED = "asked"  # trains; is waited for
    LOST = "lost"  # silent past its lease; may come back
    PAUSED = "paused"  # by its owner; may come back, may send what it has
    UNABLE = "unable"  # no data, or broken; may come back
    LEFT = "left"  # said goodbye
    UPLOADED = "uploaded"  # its update is held
    REFUSED = "refused"  # its update broke the rules; it may send a better one while training lasts
    LATE = "late"  # its update came after training had closed
    REVOKED = "revoked"  # expelled before the merge; its update is not used


ABSENT = frozenset({Standing.LOST, Standing.PAUSED, Standing.UNABLE})  # may come back
UNANSWERED = ABSENT | {Standing.ASKED, Standing.LEFT}


@dataclass(frozen=True, slots=True)
class Member:
    node: NodeId
    config: str  # JSON object of scalars, from the strategy; dropped once the round has ended
    standing: Standing
    since: float  # UTC seconds
    sentence: str = ""
    update: Update | None = None
    refused: tuple[Digest, ...] = ()  # updates that were refused or came late, the newest last


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """An open round, or the record of an ended one."""

    number: int
    quorum: int
    opened: float  # UTC seconds, as all times here; 0.0: not yet
    evaluate: bool = True
    base: Digest | None = None  # the model it starts from
    here: frozenset[NodeId] = frozenset()  # nodes that could work now; empty once ended
    phase: Phase = Phase.RECRUITING
    members: dict[NodeId, Member] = field(default_factory=dict)
    length: float = 0.0  # seconds from `started` to the first deadline
    started: float = 0.0  # training began
    away: float = 0.0  # seconds of training during which the coordinator was not running
    deadline: float = 0.0
    closed: float = 0.0  # training ended
    evaluation_deadline: float = 0.0
    ended: float = 0.0
    model: Digest | None = None  # what came out
    delta: Digest | None = None
    state: Digest | None = None
    folder: str = ""
    metrics: Metrics = field(default_factory=dict)
    evaluators: frozenset[NodeId] = frozenset()
    evaluations: dict[NodeId, Metrics] = field(default_factory=dict)
    summarising: bool = False  # evaluating is over
    sentence: str = ""  # why it was abandoned


def updates(round: Round) -> tuple[Update, ...]:
    """The updates that are held, by node id."""
    held = (member.update for _, member in sorted(round.members.items()))
    return tuple(update for update in held if update is not None)


def waiting(round: Round) -> tuple[NodeId, ...]:
    """Members that train and have not answered yet."""
    return tuple(sorted(node for node, member in round.members.items() if member.standing is Standing.ASKED))


def unmeasured(round: Round) -> tuple[NodeId, ...]:
    """Nodes that should measure the new model, are here, and have not answered yet."""
    return tuple(sorted((round.evaluators & round.here) - round.evaluations.keys()))


def duration(round: Round) -> float:
    """Seconds that training took, without the time the coordinator was not running."""
    return max(0.0, round.closed - round.started - round.away)
