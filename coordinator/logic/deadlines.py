"""How long a round's training may last: from the run file, from a probe's estimate, then from what was observed.

A deadline only matters when a node hangs; lost, paused and departed nodes are not waited for anyway. So it is generous.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from coordinator.logic.facts import Spec
from coordinator.logic.round_state import Phase, Round, duration, waiting
from shared.ids import NodeId

UNKNOWN_SECONDS = 600.0  # a round's estimate when nobody has measured a step yet
FIRST_FLOOR_SECONDS = 600.0  # the first round fetches the model and starts the trainers
FLOOR_SECONDS = 60.0
OBSERVED = 20  # the newest committed rounds that count
DOUBLINGS = 4  # at most, after abandoned rounds in a row
CLEAR_SHARE = 0.05  # of a node's steps: below that its pace says little
MARGIN = 1.2  # on what a node's pace promises


def deadline(spec: Spec, history: Sequence[Round], step_seconds: Iterable[float]) -> float:
    """Seconds from the start of training to the first deadline of the next round.

    `step_seconds` are the members' own measurements. Each abandoned round since the last commit doubles the time, so
    that nodes that became slower are not cut off for ever.
    """
    if spec.get("deadline_seconds"):
        return float(spec["deadline_seconds"])
    observed = [duration(round) for round in history if round.phase is Phase.COMMITTED][-OBSERVED:]
    if observed:
        middle = median(observed)
        deviation = median(abs(seconds - middle) for seconds in observed)
        seconds = max(FLOOR_SECONDS, 1.5 * middle, middle + 4 * deviation)
    else:
        seconds = max(FIRST_FLOOR_SECONDS, 2 * estimate(spec, step_seconds))
    return float(seconds * 2 ** min(DOUBLINGS, abandoned_in_a_row(history)))


def estimate(spec: Spec, step_seconds: Iterable[float]) -> float:
    """Seconds a round should take, by the run file and the slowest member's measured step."""
    if spec.get("seconds"):
        return float(spec["seconds"])
    slowest = max((seconds for seconds in step_seconds if seconds > 0), default=0.0)
    return float(spec["steps"]) * slowest if slowest and spec.get("steps") else UNKNOWN_SECONDS


def extension(round: Round, now: float, shares: Mapping[NodeId, float]) -> float | None:
    """A later deadline when a node that is still waited for is clearly progressing, or None.

    `shares` are 0..1 of this round's steps, as reported in heartbeats. In all a round never lasts more than twice its
    first length.
    """
    if round.phase is not Phase.TRAINING:
        return None
    elapsed = now - round.started - round.away
    promised = [
        round.started + round.away + MARGIN * elapsed / shares[node]
        for node in waiting(round)
        if CLEAR_SHARE <= shares.get(node, 0.0) <= 1.0
    ]
    latest = round.started + round.away + 2 * round.length
    later = min(latest, max(promised, default=0.0))
    return later if later > round.deadline + 1.0 else None


def abandoned_in_a_row(history: Sequence[Round]) -> int:
    """Rounds given up since the last commit."""
    count = 0
    for round in reversed(history):
        if round.phase is not Phase.ABANDONED:
            break
        count += 1
    return count
