"""What became of a node's update: answerable at any time, from the record of its round."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from coordinator.logic.round_state import EDGES, Phase, Round, Standing
from shared.ids import Digest, NodeId


class Verdict(StrEnum):
    NOTHING = "nothing"  # nothing was received (yet): sending it is worth while
    ACCEPTED = "accepted"  # held safely; will count when the round closes
    COUNTED = "counted"  # in the committed round
    LATE = "late"
    REFUSED = "refused"
    ABANDONED = "abandoned"  # the round was given up; nobody's update counted


@dataclass(frozen=True, slots=True)
class Answer:
    verdict: Verdict
    sentence: str
    digest: Digest | None = None  # the update it speaks of


def verdict(round: Round, node: NodeId, digest: Digest | None = None) -> Answer:
    """What became of the node's update in that round; of that very update when `digest` is given."""
    number, member = round.number, round.members.get(node)
    if round.phase is Phase.RECRUITING:
        return Answer(Verdict.NOTHING, f"Round {number} has not started yet.")
    if member is None:
        return Answer(Verdict.REFUSED, f"This PC was not asked to train in round {number}, so its update is not used.")
    held = member.update
    newest = digest or (member.refused[-1] if member.refused else None)
    if held is not None and digest is not None and held.digest != digest:
        return Answer(Verdict.REFUSED, f"Another update of this PC was already held for round {number}.", digest)
    if member.standing is Standing.REVOKED:
        return Answer(Verdict.REFUSED, member.sentence, newest)
    if round.phase is Phase.ABANDONED:
        sentence = f"Round {number} was given up: {round.sentence}."
        return Answer(Verdict.ABANDONED, sentence, held.digest if held else None)
    if held is not None:
        return _held(round, held.digest)
    if member.standing is Standing.REFUSED and (digest is None or digest in member.refused):
        return Answer(Verdict.REFUSED, member.sentence, newest)
    if round.phase is Phase.TRAINING:
        return Answer(Verdict.NOTHING, f"No update of this PC has come for round {number} yet.")
    return Answer(Verdict.LATE, f"Round {number} had closed before an update of this PC came.", newest)


def _held(round: Round, digest: Digest) -> Answer:
    if round.model is not None:
        return Answer(Verdict.COUNTED, f"It is part of the model of round {round.number}.", digest)
    assert EDGES[round.phase], "an ended round either has a model or was abandoned"
    return Answer(Verdict.ACCEPTED, f"It is held and will count when round {round.number} closes.", digest)
