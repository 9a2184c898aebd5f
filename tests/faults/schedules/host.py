"""The coordinator as the schedules play it: its own logic, with a shell that performs wishes in virtual time.

Follows `coordinator/main.py`, `ledger.py`, `work.py` and the doors step by step. What is saved is the `Book` and the
blobs; a crash takes everything else, and may come between any two steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any, cast

from coordinator.doors import convert
from coordinator.heartbeats import LEASE
from coordinator.logic import cluster as logic
from coordinator.logic import runs
from coordinator.logic.cluster import Cluster, Fact, plan
from coordinator.logic.deadlines import extension
from coordinator.logic.facts import (
    Ability,
    AvailabilityChanged,
    CoordinatorStarted,
    Elapsed,
    Evaluated,
    Extended,
    Greeted,
    Left,
    Lost,
)
from coordinator.logic.members import Revoked
from coordinator.logic.presence import Link
from coordinator.logic.wishes import Configure, Evaluate, Merge, Prepare, Summarise, Train, Wake, Wish
from coordinator.store import facts
from coordinator.work import fact, request
from shared.hands import Hands
from shared.ids import Digest, NodeId, RunId
from shared.job import Job, TensorSpec
from shared.rpc.v1 import node_pb2 as pb
from tests.coordinator.stories import digest
from tests.faults.schedules.calls import Calls, removed
from tests.faults.schedules.events import Events, Life, Signal, Steps
from tests.faults.schedules.network import Network, Stream
from tests.faults.schedules.telling import Book

Saved = Callable[[Cluster, Fact, Cluster], None]
LOOK = 5.0  # seconds between looks for silent nodes
STEPS = 4  # of a round


class Host:
    def __init__(self, events: Events, network: Network, draw: Random, saved: Saved) -> None:
        self.events, self.network, self.draw, self._saved = events, network, draw, saved
        self.book, self.on_disk = Book(), Cluster()  # what the book adds up to
        self.book.keep(Cluster())
        self.blobs: set[Digest] = set()
        self.jobs: dict[Digest, Job] = {}  # what the blobs of jobs say
        self.bad: set[Digest] = set()  # updates that hold a NaN
        self.ahead = 0.0  # seconds by which its clock was set ahead
        self.life: Life | None = None

    # ---- the program ----

    def boot(self) -> None:
        assert self.life is None
        self.life = Life(self.events)
        self.state = self.durable = self.book.loaded()
        assert self.state == self.on_disk, "a snapshot and the journal behind it are the whole state"
        self._snapshot_due = -1
        self._queue: list[tuple[Fact, Cluster, Signal]] = []
        self._writing = False
        self._newest = Signal()
        self._newest.fire()
        self.streams: dict[NodeId, Stream] = {}
        self._told: dict[NodeId, list[pb.Duty]] = {}
        self._heard: dict[NodeId, float] = {}
        self._live: dict[NodeId, pb.Heartbeat] = {}
        self.calls = Calls(self)
        self._asking = 0
        self._free: dict[RunId, float] = {}  # when a run's child has answered everything
        self._hands: Hands[Wish] = Hands(cast(Any, self.life), cast(Any, self._perform))
        self.record(CoordinatorStarted(self.now()))
        self.life.create_task(self._notice_silence())
        self._act()

    def crash(self) -> None:
        assert self.life is not None
        self.life.end()
        self.life = None

    def now(self) -> float:
        return max(self.events.now + self.ahead, self.state.now)

    # ---- the ledger ----

    def record(self, *happened: Fact) -> Signal:
        for one in happened:
            self._fold(one)
        return self._newest

    def _fold(self, told: Fact) -> None:
        assert self.life is not None
        told = facts.load(*facts.dump(told))
        after = logic.apply(self.state, told)
        if replace(after, now=self.state.now) == self.state:
            return
        self.state, self._newest = after, Signal()
        self._queue.append((told, after, self._newest))
        if not self._writing:
            self._writing = True
            self.life.after(self.draw.uniform(0.0, 0.05), self._write)

    def _write(self) -> None:
        assert self.life is not None
        group, self._queue = self._queue, []
        for told, after, _ in group:
            before, self.on_disk = self.on_disk, after
            self.book.rows.append(facts.dump(told))
            self._saved(before, told, after)
        ended = sum(len(run.history) for run in self.on_disk.runs.values())
        if self._snapshot_due not in (-1, ended):
            self.book.keep(self.on_disk)
        self._snapshot_due = ended
        self.life.after(self.draw.uniform(0.0, 0.05), lambda: self._safe(group))

    def _safe(self, group: list[tuple[Fact, Cluster, Signal]]) -> None:
        assert self.life is not None
        self.durable = group[-1][1]
        self._writing = bool(self._queue)
        if self._queue:
            self.life.after(0.0, self._write)
        for _, _, signal in group:
            signal.fire()
        self._act()

    def _act(self) -> None:
        self._hands.want(wish for wish in plan(self.durable) if not isinstance(wish, Train | Evaluate))
        for stream in list(self.streams.values()):
            self._tell(stream)

    # ---- wishes ----

    def _perform(self, wish: Wish) -> Steps[None]:
        match wish:
            case Wake():
                yield from self._wake(wish)
            case Prepare() | Configure() | Merge() | Summarise():
                yield from self._federate(wish)
            case Train() | Evaluate():
                raise AssertionError("told to nodes")

    def _wake(self, wish: Wake) -> Steps[None]:
        while (left := wish.at - self.now()) > 0:
            yield min(left, 60.0)
        at, extended = self.now(), []
        for run in self.state.runs.values():
            if run.round is not None and run.round.deadline <= at:
                shares = {node: self._share(node, run.run, run.round.number) for node in run.round.members}
                if (later := extension(run.round, at, shares)) is not None:
                    extended.append(Extended(at, run.run, run.round.number, later))
        yield self.record(*extended, *([] if extended else [Elapsed(max(at, wish.at))]))

    def _federate(self, wish: Prepare | Configure | Merge | Summarise) -> Steps[None]:
        """A child that dies is asked again; dying once too often would end the run, so here it never does."""
        run = self.state.runs[wish.run]
        self._asking += 1
        try:
            words = request(run, wish)
            while self.network.faulty and self.draw.random() < 0.1:
                yield 2.0
            begins = max(self.events.now, self._free.get(run.run, 0.0))
            self._free[run.run] = begins + self.draw.uniform(0.1, 5.0)
            yield self._free[run.run] - self.events.now
            answer = self._answer(run, words)
            yield self.draw.uniform(0.0, 0.5)
            yield self.record(fact(self.now(), wish, answer))
        finally:
            self._asking -= 1
        if isinstance(wish, Merge):
            self._sweep()

    def _answer(self, run: runs.Run, words: dict[str, Any]) -> dict[str, Any]:
        """The same question gives the same digests."""
        match words["op"]:
            case "prepare":
                job = digest("job", run.run)
                self.jobs[job] = a_job(run.run, {"model.safetensors": digest("base")})
                made = {"job": job, "model": digest("model", run.run)}
                self.blobs |= {*made.values(), *self.jobs[job].files.values()}
                return made
            case "configure":
                least = min(len(words["nodes"]), int(run.spec["quorum"]))
                chosen = self.draw.sample(words["nodes"], self.draw.randint(least, len(words["nodes"])))
                return {"who": {node: {"lr": 0.1} for node in sorted(chosen)}}
            case "merge":
                updates = [Digest(update["digest"]) for update in words["updates"]]
                assert self.blobs.issuperset(updates), "an update that counts is still on the disk"
                assert not self.bad.intersection(updates), "no NaN gets into a model"
                delta = digest("delta", words["model"], *updates)
                model = sum_of(words["model"], delta) if int(delta, 16) % 5 else digest("another", delta)
                self.blobs |= {delta, model}
                return {"model": model, "delta": delta}
            case _:
                return {"metrics": {"loss": 1.0}}

    def _sweep(self) -> None:
        if not self._asking:
            files = {file for run in self.state.runs.values() if run.job for file in self.jobs[run.job].files.values()}
            self.blobs &= logic.keep(self.state) | files | set(self.calls.incoming)

    # ---- silence ----

    def hear_from(self, node: NodeId, beat: pb.Heartbeat | None = None) -> None:
        self._heard[node] = self.events.now
        if beat is not None:
            self._live[node] = beat

    def forget(self, node: NodeId) -> None:
        self._heard.pop(node, None)
        self._live.pop(node, None)

    def _notice_silence(self) -> Steps[None]:
        while True:
            for node, presence in self.state.presences.items():
                since = self._heard.setdefault(node, self.events.now)
                if presence.link is Link.HERE and self.events.now - since > LEASE:
                    self.forget(node)
                    yield self.record(Lost(self.now(), node))
                    break
            else:
                yield LOOK

    def _share(self, node: NodeId, run: RunId, round: int) -> float:
        beat = self._live.get(node)
        if beat is None or (beat.run, beat.round) != (run, round):
            return 0.0
        return beat.share if beat.activity == pb.Heartbeat.ACTIVITY_TRAINING else 1.0

    # ---- the host's own wishes ----

    def revoke(self, node: NodeId) -> Steps[None]:
        yield self.record(Revoked(self.now(), node))
        if (stream := self.streams.pop(node, None)) is not None:
            stream.to_friend(removed())

    def set_clock_ahead(self, seconds: float) -> None:
        now = self.now()
        self.ahead += seconds
        self.record(CoordinatorStarted(now + seconds, seconds))

    # ---- the control stream ----

    def control(self, stream: Stream) -> Steps[None]:
        """Greet, then hear one thing after another, each answered once it is safe, until the stream ends."""
        node = stream.node
        while not stream.at_host:
            if stream.dead:
                return
            yield stream.came_to_host
        greeting = stream.at_host.pop(0).greeting
        if not logic.is_member(self.state, node):
            stream.to_friend(removed())
            return
        self.hear_from(node)
        said = convert.availability(greeting.availability, self.now())
        yield self.record(Greeted(self.now(), node, said))
        if not logic.is_member(self.state, node):
            stream.to_friend(removed())
            return
        stream.to_friend(pb.CoordinatorMessage(welcome=pb.Welcome(clock_ms=convert.milliseconds(self.now()))))
        if (older := self.streams.get(node)) is not None:
            older.break_off()
        self.streams[node] = stream
        self._told.pop(node, None)
        self._tell(stream)
        while self.streams.get(node) is stream and not stream.dead:
            if not stream.at_host:
                stream.came_to_host = Signal()
                yield stream.came_to_host
            elif not (yield from self._understand(node, stream.at_host.pop(0))):
                break
        if self.streams.get(node) is stream:
            del self.streams[node]
        stream.break_off()

    def _understand(self, node: NodeId, message: pb.NodeMessage) -> Steps[bool]:
        """Whether the node will say more."""
        at = self.now()
        match message.WhichOneof("message"):
            case "heartbeat":
                self.hear_from(node, message.heartbeat)
                return True
            case "availability":
                changed = AvailabilityChanged(at, node, convert.availability(message.availability, at))
                yield self.record(changed)
                if changed.availability.state is Ability.STOPPED:
                    self.forget(node)
                    return False
            case "evaluation":
                told = message.evaluation
                yield self.record(Evaluated(at, RunId(told.run), int(told.round), node, convert.metrics(told.metrics)))
            case _:
                yield self.record(Left(at, node))
                self.forget(node)
                return False
        self.hear_from(node)
        return True

    def _tell(self, stream: Stream) -> None:
        node = stream.node
        wanted = [convert.duty(duty) for duty in logic.duties(self.durable, node)]
        if self._told.get(node) == wanted:
            return
        self._told[node] = wanted
        stream.to_friend(pb.CoordinatorMessage(duties=pb.Duties(duties=wanted)))


def sum_of(parent: str, delta: str) -> Digest:
    return digest("sum", parent, delta)


def a_job(run: RunId, files: dict[str, Digest]) -> Job:
    return Job(
        run=run, name="notes", rounds=3, base="tiny", files=files, lora=None,
        lora_alpha=0, tensors=(TensorSpec("w", (4,)),), sequence=8, batch=8, steps=STEPS, seconds=None, lr=0.1,
        schedule="constant", warmup=0.0, betas=(0.9, 0.95), weight_decay=0.0, clip=1.0, update="difference",
        codec="fp32",
    )  # fmt: skip
