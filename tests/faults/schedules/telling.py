"""One random schedule of facts for the coordinator's state machine: drawn from a seed, held to every promise.

The moves of `tests/coordinator/test_promises.py` are played here with runs of several sizes, beside messages from
strangers and for rounds that are not, and with restarts: a snapshot of any age and the journal behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random

from coordinator.logic import cluster
from coordinator.logic.cluster import Cluster, Fact
from coordinator.logic.facts import (
    CoordinatorStarted,
    Elapsed,
    Evaluated,
    Greeted,
    Merged,
    Prepared,
    RunStarted,
    UpdateRefused,
    Uploaded,
)
from coordinator.logic.members import InviteFailed, Joined, Revoked
from coordinator.logic.round_state import updates
from coordinator.store import facts
from shared.ids import NodeId, RunId
from tests.coordinator.stories import READY, SPEC, digest
from tests.coordinator.test_promises import (
    MOVES,
    NODES,
    RUNS,
    Step,
    Story,
    a_repeated_fact_changes_nothing,
    a_round_commits_exactly_once,
    an_acknowledged_update_is_in_one_committed_round_or_refused_with_a_reason,
    happening,
    no_revoked_node_appears_after_its_revocation,
    nothing_merges_below_quorum,
    rounds_of,
    what_has_ended_wants_nothing,
)


def a_model_is_made_of_exactly_the_updates_that_count(step: Step) -> None:
    for name, run in step.after.runs.items():
        if name in step.before.runs and run.committed > step.before.runs[name].committed:
            newest = [round for round in rounds_of(run) if round.model is not None][-1]
            assert isinstance(step.fact, Merged)
            assert step.fact.nodes == tuple(update.node for update in updates(newest))


def time_never_goes_back(step: Step) -> None:
    assert step.after.now >= step.before.now


PROMISES = (
    nothing_merges_below_quorum,
    a_round_commits_exactly_once,
    a_repeated_fact_changes_nothing,
    an_acknowledged_update_is_in_one_committed_round_or_refused_with_a_reason,
    no_revoked_node_appears_after_its_revocation,
    what_has_ended_wants_nothing,
    a_model_is_made_of_exactly_the_updates_that_count,
    time_never_goes_back,
)
STRANGER = NodeId("eve")
STRANGE = ("foreign upload", "foreign refusal", "foreign evaluation", "foreign merge", "stranger", "used invite")
KINDS = (*MOVES, *MOVES, *STRANGE, "reload", "reload", "snapshot", "snapshot")

Saved = tuple[str, str, int]  # a fact as the journal keeps it


@dataclass
class Book:
    """What the coordinator's disk holds: every fact, and a snapshot of what the first `behind` of them add up to."""

    rows: list[Saved] = field(default_factory=list)
    snapshot: str = ""
    behind: int = 0

    def keep(self, state: Cluster) -> None:
        self.snapshot, self.behind = facts.dump_state(state), len(self.rows)

    def loaded(self) -> Cluster:
        state = facts.load_state(self.snapshot)
        for row in self.rows[self.behind :]:
            state = cluster.apply(state, facts.load(*row))
        return state


def told(seed: int) -> Iterator[Step]:
    """The schedule, step by step; every promise has been held after each."""
    draw = Random(seed)
    story, book = Story(), Book()
    book.keep(story.state)
    for fact in _beginning(draw):
        book.rows.append(facts.dump(fact))
        story.state = cluster.apply(story.state, fact)
    for _ in range(draw.randint(8, 26)):
        kind = draw.choice(KINDS)
        if kind == "snapshot":
            book.keep(story.state)
        if kind == "reload":
            restored = book.loaded()
            assert restored == story.state, "a snapshot and the journal behind it are the whole state"
            story.state = restored
        story.wished = list(dict.fromkeys((*story.wished, *cluster.plan(story.state))))
        for fact in _happens(draw, story, kind):
            before, story.state = story.state, cluster.apply(story.state, fact)
            book.rows.append(facts.dump(fact))
            assert facts.load(*book.rows[-1]) == fact, "the journal tells the same"
            _remember(story, before, fact)
            step = Step(story, before, fact, story.state)
            for promise in PROMISES:
                promise(step)
            yield step
    assert book.loaded() == story.state


def _beginning(draw: Random) -> tuple[Fact, ...]:
    """A run of a random size is about to ask for nodes."""
    spec = SPEC | {
        "rounds": draw.randint(1, 4),
        "quorum": draw.randint(2, 3),
        "evaluate": draw.choice((True, False, "last")),
        "deadline_seconds": draw.choice((100.0, None)),
    }
    return RunStarted(0.0, RUNS[0], spec, ""), Prepared(0.0, RUNS[0], digest("job"), digest("model"), None)


def _happens(draw: Random, story: Story, kind: str) -> Iterator[Fact]:
    node, number, passed = draw.choice(NODES), draw.randint(0, 15), draw.choice((0.0, 1.0, 30.0))
    if kind in STRANGE:
        yield _strange(draw, story, kind, node)
    elif kind == "reload":
        yield CoordinatorStarted(story.state.now + 10.0 * passed)
    elif kind != "snapshot":
        yield from happening(story, (kind, node, number, passed))


def _strange(draw: Random, story: Story, kind: str, node: NodeId) -> Fact:
    """What no honest part of the group would say now."""
    at = story.state.now - draw.choice((0.0, 5.0))  # a clock that goes back, too
    run = draw.choice((*RUNS, RunId("nobody-cccccc")))
    round, who = draw.choice((0, 1, 2, 3, 99)), draw.choice((node, STRANGER))
    match kind:
        case "foreign upload":
            return Uploaded(at, run, round, who, digest("foreign", round, who), 10, 10, 1)
        case "foreign refusal":
            return UpdateRefused(at, run, round, who, digest("foreign", round, who), "another model")
        case "foreign evaluation":
            return Evaluated(at, run, round, who, {"loss": float("inf"), "bits": 1.0})
        case "foreign merge":
            return Merged(at, run, round, (who, node), digest("foreign model"), None, None)
        case "stranger":
            return draw.choice((Greeted(at, STRANGER, READY), Revoked(at, STRANGER), InviteFailed(at, f"i-{node}", 1)))
        case _:
            return Joined(at, f"i-{node}", STRANGER, "Eve", "ee")  # every invite was used at the start


def _remember(story: Story, before: Cluster, fact: Fact) -> None:
    story.told.append(fact)
    if story.state != cluster.apply(before, Elapsed(max(before.now, fact.at))):
        story.heeded.append(replace(fact, at=story.state.now))
    if isinstance(fact, Revoked):
        story.revoked.add(fact.node)
