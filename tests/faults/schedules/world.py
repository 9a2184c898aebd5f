"""One evening under faults: the real logic of a coordinator and of two to five nodes, in virtual time.

    some minutes of trouble (crashes, cuts, pauses, lost answers ...) -> calm, and one more run -> all have its model

The promises are held for every fact that reaches the coordinator's disk and for every verdict that is told, and at the
end: what is possible was finished.
"""

from __future__ import annotations

from random import Random

from coordinator.logic import cluster as logic
from coordinator.logic import runs, verdicts
from coordinator.logic.cluster import Cluster, Fact
from coordinator.logic.facts import RunStarted, RunStopped
from coordinator.logic.members import Revoked
from coordinator.logic.runs import RUN_EDGES, RunPhase
from node.logic.facts import OwnerPaused, Verdict
from shared.ids import NodeId, RunId
from tests.coordinator.stories import joined
from tests.coordinator.test_promises import NODES, Step, Story
from tests.faults.schedules.events import Events
from tests.faults.schedules.friend import Friend
from tests.faults.schedules.host import Host
from tests.faults.schedules.network import Network
from tests.faults.schedules.telling import PROMISES

EVERYBODY = (*NODES, NodeId("fay"))
LAST = RunId("calm-zzzzzz")  # the run that is started when all is well
PATIENCE = 8000.0  # seconds of calm in which everything is finished


class World:
    def __init__(self, seed: int) -> None:
        self.draw = Random(seed)
        self.events = Events()
        self.network = Network(self.events, Random(seed + 1))
        self.story = Story(state=Cluster())
        self.host = Host(self.events, self.network, Random(seed + 2), self._saved)
        nodes = EVERYBODY[: self.draw.randint(2, 5)]
        self.friends = [Friend(node, self.host, self.network, Random(f"{seed} {node}")) for node in nodes]
        self._epilogue = False  # one more run was started
        self.happened: set[str] = set()  # of the troubles
        self.saved = 0  # facts

    def play(self) -> None:
        self._begin()
        self.events.until(lambda: False, latest=self.events.now + self.draw.uniform(200.0, 700.0))
        self._calm_down()
        self.events.until(self._all_done, latest=self.events.now + PATIENCE)
        self._finished()
        self.events.until(lambda: False, latest=self.events.now + 90.0)
        self._everybody_knows()

    def _saved(self, before: Cluster, fact: Fact, after: Cluster) -> None:
        """A fact reached the disk: hold the coordinator to its promises."""
        story = self.story
        self.saved += 1
        story.state = after
        if self.saved % 4 == 0:
            story.heeded = [*story.heeded[-1:], fact]
        if isinstance(fact, Revoked):
            story.revoked.add(fact.node)
        step = Step(story, before, fact, after)
        for promise in PROMISES:
            promise(step)

    # ---- an evening ----

    def _begin(self) -> None:
        self.host.boot()
        for friend in self.friends:
            self.host.record(*joined(friend.node, self.events.now))
            friend.trainer.trouble = self.draw.choice((0.0, 0.0, 0.03))
            self.events.after(self.draw.uniform(0.0, 60.0), friend.boot)
        for name in ("notes-aaaaaa", "poems-bbbbbb")[: self.draw.randint(1, 2)]:
            self._start_later(RunId(name))
        self._trouble_later()

    def _start_later(self, run: RunId) -> None:
        """The host's owner types until the coordinator answers."""
        spec = {
            "rounds": self.draw.randint(1, 4),
            "quorum": self.draw.randint(2, min(3, len(self.friends))),
            "evaluate": self.draw.choice((True, "last", False)),
            "steps": 4,
            "seconds": None,
            "deadline_seconds": self.draw.choice((60.0, 150.0, None)),
        }

        def start() -> None:
            if self.host.life is None:
                self.events.after(5.0, start)
            elif run not in self.host.on_disk.runs:
                self.host.record(RunStarted(self.host.now(), run, spec, ""))
                self.events.after(5.0, start)

        self.events.after(self.draw.uniform(0.0, 120.0), start)

    def _trouble_later(self) -> None:
        def trouble() -> None:
            if self.network.faulty:
                self._trouble()
                self._trouble_later()

        self.events.after(self.draw.expovariate(1 / 15.0), trouble)

    def _trouble(self) -> None:
        draw, friend, after = self.draw, self.draw.choice(self.friends), self.events.after
        until = draw.choice((None, self.events.now + draw.uniform(5.0, 90.0)))
        trouble = draw.choices(TROUBLES, WEIGHTS)[0]
        self.happened.add(trouble)
        match trouble:
            case "host crashes" if self.host.life is not None:
                self.host.crash()
                after(draw.uniform(0.5, 60.0), lambda: self.host.boot() if self.host.life is None else None)
            case "node crashes":
                friend.crash()
                after(draw.uniform(0.5, 90.0), friend.boot)
            case "node is stopped":
                friend.stop()
                after(draw.uniform(0.5, 120.0), friend.boot)
            case "cut":
                self.network.away.add(friend.node)
                after(draw.uniform(1.0, 120.0), lambda: self.network.away.discard(friend.node))
            case "reset" if friend.stream is not None:
                friend.stream.break_off()
            case "pause":
                friend.set_pause(OwnerPaused(self.events.now, until))
                after(draw.uniform(1.0, 120.0), lambda: friend.set_pause(None))
            case "other text":
                friend.change_data()
            case "clock jumps" if self.host.life is not None:
                self.host.set_clock_ahead(draw.uniform(5.0, 4000.0))
            case "bad update":
                self.host.bad |= {update.digest for update in friend.finished.values()} - self.host.blobs
            case "revoke" if self.host.life is not None:
                self.host.life.create_task(self.host.revoke(friend.node))
            case "leave":
                friend.leave()
            case "stop run" if self.host.life is not None and self.host.state.runs:
                self.host.record(RunStopped(self.host.now(), draw.choice(sorted(self.host.state.runs))))
            case _:
                pass

    def _calm_down(self) -> None:
        """No more faults; whoever may be here is here and willing."""
        self.network.faulty = False
        self.network.away.clear()
        if self.host.life is None:
            self.host.boot()
        for friend in self.friends:
            friend.trainer.trouble = 0.0
            friend.boot()
            friend.set_pause(None)
        self.events.after(300.0, self._give_up_what_cannot_be)
        members = self._members()
        self._epilogue = len(members) >= 2
        if self._epilogue:
            spec = {
                "rounds": 2, "quorum": len(members), "evaluate": True, "steps": 4, "seconds": None,
                "deadline_seconds": None,
            }  # fmt: skip
            self.host.record(RunStarted(self.host.now(), LAST, spec, ""))

    def _give_up_what_cannot_be(self) -> None:
        """The host stops runs that ask for more nodes than are left."""
        for run in self.host.state.runs.values():
            if RUN_EDGES[run.phase] and run.spec["quorum"] > len(self._members()):
                self.host.record(RunStopped(self.host.now(), run.run))

    def _members(self) -> list[Friend]:
        return [friend for friend in self.friends if friend.member and logic.is_member(self.host.on_disk, friend.node)]

    # ---- the end ----

    def _all_done(self) -> bool:
        known = self.host.durable.runs
        return not any(RUN_EDGES[run.phase] for run in known.values()) and (LAST in known or not self._epilogue)

    def _finished(self) -> None:
        """Once faults stop, every run with enough nodes finishes."""
        for run in self.host.on_disk.runs.values():
            round = run.round and (run.round.number, run.round.phase, run.round.members, run.round.here)
            assert not RUN_EDGES[run.phase], f"{run.run} still goes on with round {round}"
        if (last := self.host.on_disk.runs.get(LAST)) is not None:
            assert last.phase is RunPhase.FINISHED, (last.phase, last.sentence)

    def _everybody_knows(self) -> None:
        """All nodes hold the committed model, and what each was told of its updates is what the host's books say."""
        last = self.host.on_disk.runs.get(LAST)
        for friend in self._members():
            assert last is None or last.model in friend.blobs, f"{friend.node} lacks the model"
        for friend in self.friends:
            for (name, number), kept in friend.state.updates.items():
                record = runs.record(self.host.on_disk.runs[name], number)
                assert record is not None
                counted = verdicts.verdict(record, friend.node, kept.update.digest).verdict is verdicts.Verdict.COUNTED
                settled = kept.verdict not in (None, Verdict.ACCEPTED)
                assert settled or not friend.member, (friend.node, name, number, kept)
                assert not settled or counted == (kept.verdict is Verdict.COUNTED), (friend.node, name, number, kept)


TROUBLES, WEIGHTS = zip(
    ("host crashes", 4), ("node crashes", 4), ("node is stopped", 2), ("cut", 5), ("reset", 4), ("pause", 5),
    ("other text", 2), ("clock jumps", 0.5), ("bad update", 1), ("revoke", 0.4), ("leave", 0.3), ("stop run", 0.3),
    strict=True,
)  # fmt: skip
