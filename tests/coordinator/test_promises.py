"""No history, however odd, breaks a promise. Moves drive the group on, get in its way, repeat and come too late."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coordinator.logic import cluster, rounds
from coordinator.logic.cluster import Cluster, Fact
from coordinator.logic.facts import (
    Ability,
    Availability,
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
    Prepared,
    RunFailed,
    RunStarted,
    RunStopped,
    Summarised,
    UpdateRefused,
    Uploaded,
)
from coordinator.logic.members import Revoked
from coordinator.logic.round_state import EDGES, Phase, Round, updates
from coordinator.logic.runs import RUN_EDGES, Run
from coordinator.logic.verdicts import Verdict
from coordinator.logic.wishes import (
    Configure,
    Evaluate,
    Merge,
    Prepare,
    Summarise,
    Train,
    Wake,
    Wish,
)
from coordinator.store import facts
from shared.ids import Digest, NodeId, RunId
from tests.coordinator.stories import ANA, BO, CEM, DEE, SPEC, digest, group, joined, verdict

pytestmark = pytest.mark.slow  # a thousand histories for each promise

NODES = (ANA, BO, CEM, DEE)
RUNS = (RunId("notes-aaaaaa"), RunId("poems-bbbbbb"))
ABILITIES = (Ability.READY, Ability.PAUSED, Ability.READY, Ability.NO_DATA, Ability.STOPPED)
MOVES = (
    *("wish",) * 8, *("stale",) * 2, "repeat", "greet", "greet", "change", "lost", "left", "revoke", "join", "elapse",
    "configure", "upload", "upload", "refuse", "merge", "evaluate", "extend", "restart", "stop", "fail", "start",
)  # fmt: skip

Move = tuple[str, NodeId, int, float]
passing = st.sampled_from((0.0, 1.0, 30.0))  # seconds
a_move = st.tuples(st.sampled_from(MOVES), st.sampled_from(NODES), st.integers(0, 15), passing)
histories = st.lists(a_move, min_size=16, max_size=90)
thorough = settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck), database=None)


@dataclass
class Story:
    """What was told, and what must be remembered to hold the coordinator to it."""

    state: Cluster = field(default_factory=lambda: group(*NODES))
    told: list[Fact] = field(default_factory=list)
    wished: list[Wish] = field(default_factory=list)
    heeded: list[Fact] = field(default_factory=list)  # facts that themselves changed something when they came
    acknowledged: dict[tuple[RunId, int, NodeId, Digest], Verdict] = field(default_factory=dict)
    revoked: set[NodeId] = field(default_factory=set)


@dataclass(frozen=True)
class Step:
    story: Story  # so far
    before: Cluster
    fact: Fact
    after: Cluster


def begun() -> Story:
    """A story whose first run is about to ask for nodes."""
    story = Story()
    for fact in (RunStarted(0.0, RUNS[0], SPEC, ""), Prepared(0.0, RUNS[0], digest("job"), digest("model"), None)):
        story.state = cluster.apply(story.state, fact)
    return story


def played(moves: list[Move]) -> Iterator[Step]:
    """The history, step by step."""
    story = begun()
    for move in moves:
        story.wished = list(dict.fromkeys((*story.wished, *cluster.plan(story.state))))
        for fact in happening(story, move):
            before = story.state
            after = story.state = cluster.apply(before, fact)
            story.told.append(fact)
            if after != cluster.apply(before, Elapsed(fact.at)):
                story.heeded.append(fact)
            if isinstance(fact, Revoked):
                story.revoked.add(fact.node)
            yield Step(story, before, fact, after)


def happening(story: Story, move: Move) -> Iterator[Fact]:
    """The facts that a move stands for, given where the story is."""
    kind, node, number, passed = move
    state, at = story.state, story.state.now + passed
    run = RUNS[number % 2] if number > 11 else RUNS[0]
    open_round = state.runs[run].round if run in state.runs else None
    round = open_round.number if open_round is not None and number != 7 else 1
    name = digest("update", node, number % 3)
    match kind:
        case "wish":
            wishes = cluster.plan(state)
            yield from [done(wishes[number % len(wishes)], at, number)] if wishes else []
        case "stale":
            yield from [done(story.wished[number % len(story.wished)], at, number)] if story.wished else []
        case "repeat":
            yield from [replace(story.told[-number % len(story.told)], at=at)] if story.told else []
        case "greet":
            yield Greeted(at, node, Availability(ABILITIES[number % 4], at), step_seconds={run: float(number)})
        case "change":
            yield AvailabilityChanged(at, node, Availability(ABILITIES[number % 4], at, sentence=f"reason {number}"))
        case "lost":
            yield Lost(at, node)
        case "left":
            yield Left(at, node)
        case "revoke":
            yield from [Revoked(at, node)] if number < 8 else []
        case "join":
            yield from joined(node, at)
        case "elapse":
            yield Elapsed(at + 10.0 * number)
        case "configure":
            yield Configured(at, run, round, {other: "{}" for place, other in enumerate(NODES) if number & 1 << place})
        case "upload":
            yield Uploaded(at, run, round, node, name, 10, 10 * number, number, share=number / 15)
        case "refuse":
            yield UpdateRefused(at, run, round, node, name, "NaN")
        case "merge":
            yield Merged(at, run, round, tuple(NODES[: number % 5]), digest("stray", number), None, None)
        case "evaluate":
            yield Evaluated(at, run, round, node, {"loss": float(number)})
        case "extend":
            yield Extended(at, run, round, at + 20.0 * number)
        case "restart":
            yield CoordinatorStarted(at + 100.0 * number)
        case "stop":
            yield from [RunStopped(at, run)] if number == 1 else []
        case "fail":
            yield from [RunFailed(at, run, "the disk is full")] if number == 1 else []
        case "start":
            yield RunStarted(at, RUNS[1], SPEC | {"evaluate": number % 2 == 0}, "")


def done(wish: Wish, at: float, number: int) -> Fact:
    """What happens when somebody does as wished."""
    match wish:
        case Prepare(run):
            return Prepared(at, run, digest("job", run), digest("model", run, 0))
        case Configure(run, round, nodes):
            return Configured(at, run, round, dict.fromkeys(nodes, "{}"))
        case Train(run, round, node):
            return Uploaded(at, run, round, node, digest("good", run, round, node), 10, 100, 16)
        case Merge(run, round, updates):
            nodes = tuple(update.node for update in updates)
            return Merged(at, run, round, nodes, digest("merge", run, round, nodes), digest("delta", run, round), None)
        case Evaluate(run, round, node):
            return Evaluated(at, run, round, node, {"loss": 1.0})
        case Summarise(run, round):
            return Summarised(at, run, round, {"loss": float(number)})
        case Wake(until):
            return Elapsed(max(at, until))


def rounds_of(run: Run) -> list[Round]:
    return [*run.history, *([run.round] if run.round is not None else [])]


def every_round(state: Cluster) -> list[tuple[Run, Round]]:
    return [(run, round) for run in state.runs.values() for round in rounds_of(run)]


@given(histories)
@thorough
def test_no_history_breaks_a_promise(moves: list[Move]) -> None:
    for step in played(moves):
        nothing_merges_below_quorum(step)
        a_round_commits_exactly_once(step)
        a_repeated_fact_changes_nothing(step)
        an_acknowledged_update_is_in_one_committed_round_or_refused_with_a_reason(step)
        no_revoked_node_appears_after_its_revocation(step)
        what_has_ended_wants_nothing(step)


def nothing_merges_below_quorum(step: Step) -> None:
    for _, round in every_round(step.after):
        if round.phase in (Phase.MERGING, Phase.EVALUATING, Phase.COMMITTED):
            assert len(updates(round)) >= round.quorum
    for wish in cluster.plan(step.after):
        if isinstance(wish, Merge):
            assert len({update.node for update in wish.updates}) >= SPEC["quorum"]
            assert list(wish.updates) == sorted(wish.updates, key=lambda update: update.node)


def a_round_commits_exactly_once(step: Step) -> None:
    for name, run in step.before.runs.items():
        now = step.after.runs[name]
        assert now.history[: len(run.history)] == run.history, "what has ended stays as it was"
        assert now.committed - run.committed in ((0, 1) if isinstance(step.fact, Merged) else (0,))
        assert (now.model == run.model) == (now.committed == run.committed) or run.job is None
    for run in step.after.runs.values():
        attempts = rounds_of(run)
        stand = [round for round in attempts if round.model]
        assert len(stand) == run.committed <= run.spec["rounds"]
        assert not stand or stand[-1].model == run.model
        assert [round.number for round in attempts] == list(range(1, len(attempts) + 1))


def a_repeated_fact_changes_nothing(step: Step) -> None:
    after = step.after
    assert cluster.apply(after, step.fact) == after
    for earlier in step.story.heeded[-4:]:
        if not isinstance(earlier, Greeted | AvailabilityChanged | Lost | Left | Elapsed | CoordinatorStarted):
            assert cluster.apply(after, replace(earlier, at=after.now)) == after


def an_acknowledged_update_is_in_one_committed_round_or_refused_with_a_reason(step: Step) -> None:
    final, acknowledged = {Verdict.COUNTED, Verdict.REFUSED, Verdict.ABANDONED}, step.story.acknowledged
    counted = [
        (run.run, round.number, update.node, update.digest)
        for run, round in every_round(step.after)
        if round.model is not None
        for update in updates(round)
    ]
    assert len(counted) == len(set(counted))
    for update, known in acknowledged.items():
        answer = verdict(step.after, *update)
        assert answer.verdict in final | {Verdict.ACCEPTED}
        assert answer.sentence
        assert known not in final or answer.verdict is known, "a final verdict stays"
        assert (update in counted) == (answer.verdict is Verdict.COUNTED)
        acknowledged[update] = answer.verdict
    if isinstance(fact := step.fact, Uploaded):
        update = (fact.run, fact.round, fact.node, fact.digest)
        if verdict(step.after, *update).verdict is Verdict.ACCEPTED:
            acknowledged[update] = Verdict.ACCEPTED


def no_revoked_node_appears_after_its_revocation(step: Step) -> None:
    for node in step.story.revoked:
        assert node not in step.after.presences
        assert cluster.duties(step.after, node) == ()
        assert repr(node) not in repr(cluster.plan(step.after))
        for name, run in step.before.runs.items():
            now = step.after.runs[name]
            if now.committed > run.committed:
                newest = [round for round in rounds_of(now) if round.model][-1]
                assert isinstance(step.fact, Merged)
                assert node not in step.fact.nodes, "that merge was under way before the revocation"
                assert node not in {update.node for update in updates(newest)}


def what_has_ended_wants_nothing(step: Step) -> None:
    after = step.after
    over = {run.run for run in after.runs.values() if not RUN_EDGES[run.phase]}
    assert not [wish for wish in cluster.plan(after) if not isinstance(wish, Wake) and wish.run in over]
    assert not [duty for node in NODES for duty in cluster.duties(after, node) if duty.run in over]
    for run, round in every_round(after):
        if not EDGES[round.phase]:
            assert round != run.round
            assert rounds.plan(run.run, round) == []


@given(histories)
@thorough
def test_what_is_under_way_ends_by_itself(moves: list[Move]) -> None:
    """Doing what is wished for, and only that, ends every round: what is left lacks people, not a push."""
    state = begun().state
    for step in played(moves):
        state = step.after
    for _ in range(100):  # two runs of two rounds need about 50
        if not (wishes := cluster.plan(state)):
            break
        state = cluster.apply(state, done(wishes[0], state.now, 0))
    assert cluster.plan(state) == ()
    assert all(run.round is None or run.round.phase is Phase.RECRUITING for run in state.runs.values())


@given(histories)
@thorough
def test_replaying_the_journal_gives_the_same_state_and_the_same_plan(moves: list[Move]) -> None:
    state = again = begun().state
    for step in played(moves):
        state = step.after
        again = cluster.apply(again, facts.load(*facts.dump(step.fact)))
    assert again == state
    restored = facts.load_state(facts.dump_state(again))
    assert restored == state
    shuffled = replace(
        restored,
        presences=dict(reversed(restored.presences.items())),
        runs={name: _reversed(run) for name, run in reversed(restored.runs.items())},
    )
    assert cluster.plan(shuffled) == cluster.plan(restored) == cluster.plan(state)
    assert all(cluster.duties(restored, node) == cluster.duties(state, node) for node in NODES)


def _reversed(run: Run) -> Run:
    if run.round is None:
        return run
    return replace(run, round=replace(run.round, members=dict(reversed(run.round.members.items()))))


def test_the_histories_go_deep() -> None:
    """The promises would be cheap if no round ever came to its end here."""
    seen: set[str] = set()

    @given(histories)
    @settings(thorough, max_examples=300, derandomize=True)
    def explore(moves: list[Move]) -> None:
        for step in played(moves):
            seen.update(run.phase for run in step.after.runs.values())
            for _, round in every_round(step.after):
                seen.update((round.phase, *(member.standing for member in round.members.values())))

    explore()
    assert seen >= {*Phase, "uploaded", "refused", "lost", "paused", "left", "late", "unable", "revoked", "finished"}
