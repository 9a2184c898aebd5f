"""A node as the schedules play it: its own logic and its own memory, with a shell that acts in virtual time.

Follows `node/main.py`, `link.py` and `performing.py` step by step. Its disk holds the memory (in SQLite), the blobs,
the trainer's files and the owner's wishes; a crash takes everything else.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, TypeVar, cast

from node import wire
from node.logic import report, telling
from node.logic.backoff import failures, wait_seconds
from node.logic.changes import apply
from node.logic.duties import plan
from node.logic.facts import (
    Availability,
    BlobsGone,
    BlobsHere,
    DataChanged,
    DeltaUseless,
    DutiesTold,
    Elapsed,
    Fact,
    Fetched,
    JobRead,
    LinkDown,
    LinkUp,
    OwnerPaused,
    OwnerResumed,
    Readiness,
    Update,
    Verdict,
    VerdictHeard,
)
from node.logic.state import State
from node.logic.wishes import (
    AskVerdict,
    Collect,
    Evaluate,
    FetchBlob,
    Halt,
    KeepTrainer,
    MakeModel,
    ReadJob,
    ReportAvailability,
    ReportEvaluation,
    Train,
    Upload,
    Wish,
)
from node.store import database
from node.store.memory import Memory
from node.wire import Introduction
from shared.errors import PotluckError, Refusal, Refused, TryLater
from shared.hands import Hands
from shared.ids import Digest, NodeId, RunId
from shared.rpc.v1 import node_pb2 as pb
from tests.faults.schedules.events import Events, Life, Signal, Steps
from tests.faults.schedules.host import Host, sum_of
from tests.faults.schedules.network import Network, Stream
from tests.faults.schedules.trainer import Trainer

T = TypeVar("T")
HEARTBEAT = 10.0  # seconds
DAMAGED = 5  # answers lost in a row before an upload starts anew


class Friend:
    def __init__(self, node: NodeId, host: Host, network: Network, draw: Random) -> None:
        self.node, self._host, self.network, self._draw = node, host, network, draw
        self.events: Events = network.events
        self._memory = Memory(_database())
        self.blobs: set[Digest] = set()
        self.finished: dict[tuple[RunId, int, Digest], Update] = {}
        self.pause: OwnerPaused | None = None
        self.edition = "1"
        self.clock_ahead = draw.choice((0.0, 0.0, -7.0, 40.0))
        self.has_base = draw.random() < 0.5
        self.trainer = Trainer(node, self, draw, self._hear)
        self.state = State()
        self.life: Life | None = None
        self.member = True  # neither removed nor gone for good
        self.stream: Stream | None = None

    # ---- the program ----

    def boot(self) -> None:
        if self.life is not None or not self.member:
            return
        self.life = Life(self.events)
        self.stream, self._linked, self._number = None, Signal(), 0
        self._said: Availability | None = None
        self._renewing, self._over = Signal(), Signal()
        self._farewell: list[Refused] = []
        self._hands: Hands[Wish] | None = None
        self.trainer.begin(self.life)
        self.state = self._memory.load(State())
        self._hear(Elapsed(self._clock()))
        self._hear(BlobsHere(frozenset(self.blobs)))
        if self.pause is not None:
            self._hear(self.pause)
        self._hear(DataChanged(("notes",), self.edition))
        self._hands = Hands(cast(Any, self.life), cast(Any, self._perform))
        self._hands.want(plan(self.state))
        self.life.create_task(self._look_around())
        self.life.create_task(self._keep_link())

    def crash(self) -> None:
        if self.life is not None:
            self.life.end()
            self.life = None
            if self.stream is not None:
                self.stream.break_off(at_once=self._draw.random() < 0.5)
            self.stream = None

    def stop(self) -> None:
        """Its owner ends it; it says goodbye, which may not be heard."""
        if self.life is not None and self.stream is not None:
            self.stream.to_host(wire.availability(Availability(Readiness.STOPPED, self._clock(), sentence="stopped")))
            stream, self.stream = self.stream, None
            self.events.after(3.0, stream.break_off)
        self.crash()

    def leave(self) -> None:
        """For good; it waits until the host has heard."""
        if self.life is not None and self.stream is not None:
            self.stream.to_host(pb.NodeMessage(leave=pb.Leave()))
            self.stream = None
            self.crash()
            self.member = False

    def set_pause(self, pause: OwnerPaused | None) -> None:
        self.pause = pause
        if self.life is not None:
            self._hear(pause or OwnerResumed())

    def change_data(self) -> None:
        self.edition += "1"
        if self.life is not None:
            self._hear(DataChanged(("notes",), self.edition))
            self._renewing.fire()

    def _hear(self, fact: Fact) -> None:
        """Save first, then act."""
        assert self.life is not None
        if not self.life.alive:
            return
        before = self.state
        self._memory.save(fact, before.now)
        self.state = apply(before, fact)
        telling.told(before, fact, self.state)
        if self._hands is not None:
            wishes = plan(self.state)
            assert not (self.state.paused and any(isinstance(wish, Train | Evaluate) for wish in wishes))
            self._hands.want(wishes)

    def _clock(self) -> float:
        return self.events.now + self.clock_ahead

    def _look_around(self) -> Steps[None]:
        while True:
            yield self._draw.uniform(2.0, 6.0)
            self._hear(Elapsed(self._clock()))

    # ---- the link ----

    def _keep_link(self) -> Steps[None]:
        attempt = 0
        while True:
            began, self._was_welcomed = self.events.now, False
            try:
                yield from self._hold()
            except Refused as refused:
                if refused.refusal is Refusal.REVOKED:
                    self.member = False
                    self.events.after(0.0, self.crash)
                    return
            except TryLater:
                pass
            attempt = failures(attempt, self.events.now - began, self._was_welcomed)
            yield wait_seconds(attempt, self._draw.random())

    def _hold(self) -> Steps[None]:
        """Always ends by raising."""
        stream = yield from self._open()
        try:
            while True:
                self._welcomed(stream)
                stream = yield from self._until_replaced(stream)
        finally:
            self.stream, self._linked = None, Signal()
            if self.life is not None and self.life.alive:
                self._hear(LinkDown())

    def _until_replaced(self, stream: Stream) -> Steps[Stream]:
        assert self.life is not None
        fresh: list[Stream] = []
        self._farewell, self._over = [], Signal()
        stream.closing.append(self._over.fire)
        if stream.closed:
            self._over.fire()
        under_way = (self._listen(stream), self._beat(stream), self._open_fresh(fresh))
        processes = [self.life.create_task(steps) for steps in under_way]
        try:
            yield self._over
        finally:
            for process in processes:
                process.cancel()
            stream.break_off(at_once=True)
        if self._farewell:
            raise self._farewell[0]
        if not fresh:
            raise TryLater("The connection broke.")
        return fresh[0]

    def _open_fresh(self, fresh: list[Stream]) -> Steps[None]:
        while not fresh:
            yield self._renewing
            self._renewing = Signal()
            try:
                fresh.append((yield from self._open()))
                self._over.fire()
            except TryLater:
                yield 5.0
                self._renewing.fire()
            except Refused as refused:
                self._removed(refused)
                return

    def _removed(self, refused: Refused) -> None:
        self._farewell.append(refused)
        self._over.fire()

    def _open(self) -> Steps[Stream]:
        """Dial, greet, and be welcomed."""
        yield self.network.delay()
        if self._host.life is None or self.network.lost(self.node):
            yield self._draw.uniform(0.1, 10.0)
            raise TryLater("No host answers.")
        stream = Stream(self.network, self.node, self._host)
        self._host.life.create_task(self._host.control(stream))
        able = report.availability(self.state)
        stream.to_host(wire.greeting(Introduction("1", self.node, "", (), able), 1, 0))
        self.events.after(20.0, stream.came_to_friend.fire)
        yield stream.came_to_friend
        if not stream.at_friend:
            stream.break_off(at_once=True)
            raise TryLater("The greeting was not answered.")
        first = stream.at_friend.pop(0)
        if isinstance(first, Refused):
            raise first
        self._introduced = able
        self._ahead = self._clock() - first.welcome.clock_ms / 1000
        return stream

    def _welcomed(self, stream: Stream) -> None:
        self.stream, self._said = stream, self._introduced
        self._was_welcomed = True
        self._linked.fire()
        self._number += 1
        self._hear(LinkUp("192.168.1.20:7443", self._number))

    def _listen(self, stream: Stream) -> Steps[None]:
        while True:
            while stream.at_friend:
                message = stream.at_friend.pop(0)
                if isinstance(message, Refused):
                    self._removed(message)
                    return
                self._hear(DutiesTold(wire.duties(message.duties, self._ahead)))
            stream.came_to_friend = Signal()
            if stream.closed:
                return
            yield stream.came_to_friend

    def _beat(self, stream: Stream) -> Steps[None]:
        while True:
            yield HEARTBEAT
            stream.to_host(wire.heartbeat(report.activity(self.state)))

    # ---- wishes ----

    def _perform(self, wish: Wish) -> Steps[None]:
        match wish:
            case FetchBlob(digest):
                yield from self._fetch(digest)
            case ReadJob(digest):
                yield self._draw.uniform(0.0, 1.0)
                job = self._host.jobs[digest]
                if self.has_base:
                    self.blobs |= set(job.files.values())
                self._hear(BlobsHere(frozenset(job.files.values()) & self.blobs))
                self._hear(JobRead(digest, job))
            case MakeModel(model, parent, delta):
                assert {parent, delta} <= self.blobs
                yield self._draw.uniform(0.1, 3.0)
                if sum_of(parent, delta) == model:
                    self.blobs.add(model)
                    self._hear(BlobsHere(frozenset({model})))
                else:
                    self._hear(DeltaUseless(model))
            case KeepTrainer():
                yield from self.trainer.keep(wish)
            case Train(duty) | Evaluate(duty):
                yield from self.trainer.tell(duty)
            case Halt():
                yield from self.trainer.halt()
            case Upload(update):
                yield from self._upload(update)
            case AskVerdict(run, round):
                yield from self._ask(run, round)
            case ReportAvailability(able):
                yield 0.0
                if self.stream is not None and self._said != able:
                    self._said = able
                    self.stream.to_host(wire.availability(able))
            case ReportEvaluation(run, round, metrics):
                yield 0.0
                if self.stream is not None:
                    self.stream.to_host(wire.evaluation(run, round, metrics))
            case Collect(keep):
                yield 0.0
                gone = self.state.blobs - keep
                self.blobs -= gone
                self._hear(BlobsGone(gone))

    def _fetch(self, digest: Digest) -> Steps[None]:
        def attempt(stream: Stream) -> Steps[None]:
            self._hear(Fetched(digest, 0.0))
            if digest not in self.blobs:
                yield from self.network.call(stream, self._host, lambda: self._host.calls.download(self.node, digest))
                self.blobs.add(digest)

        yield from self._insist(attempt)
        self._hear(BlobsHere(frozenset({digest})))

    def _upload(self, update: Update) -> Steps[None]:
        began = self.events.now

        def attempt(stream: Stream) -> Steps[tuple[Verdict, str]]:
            assert update.digest in self.blobs, "an update that was not sent is kept"
            header = wire.header(update)
            try:
                answer = yield from self.network.call(
                    stream, self._host, lambda: self._host.calls.upload(self.node, header)
                )
            except Refused as refused:
                if refused.refusal is not Refusal.UPDATE:
                    raise
                return Verdict.REFUSED, refused.sentence
            return wire.verdict(answer)

        verdict, sentence = yield from self._insist(attempt)
        self._hear(VerdictHeard(update.run, update.round, verdict, sentence, self.events.now - began))

    def _ask(self, run: RunId, round: int) -> Steps[None]:
        def attempt(stream: Stream) -> Steps[tuple[Verdict, str]]:
            answer = yield from self.network.call(
                stream, self._host, lambda: self._host.calls.verdict(self.node, run, round)
            )
            return wire.verdict(answer)

        verdict, sentence = yield from self._insist(attempt)
        self._hear(VerdictHeard(run, round, verdict, sentence))

    def _insist(self, attempt: Callable[[Stream], Steps[T]]) -> Steps[T]:
        for number in range(1, 1 << 62):
            while self.stream is None:
                yield self._linked
            try:
                return (yield from attempt(self.stream))
            except PotluckError:
                yield wait_seconds(number, self._draw.random())
        raise AssertionError("unreachable")


def _database() -> sqlite3.Connection:
    """What `database.connect` makes, but in memory: it outlives the agent, not the test."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.executescript(Path(database.__file__).with_name("schema.sql").read_text(encoding="utf-8"))
    return connection
