"""What the schedules found, each by itself."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from threading import Event

from coordinator import guard, ledger
from coordinator.doors.node import NodeDoor
from coordinator.doors.transfers import Transfers
from coordinator.heartbeats import Heartbeats
from coordinator.logic.facts import Elapsed, UpdateRefused
from coordinator.logic.verdicts import Verdict
from coordinator.store.journal import Row
from coordinator.store.memory import MemoryStore
from node.home import Settings
from node.logic.facts import Fact, TrainerGone
from node.logic.wishes import KeepTrainer
from node.trainer import Trainer
from shared.blobs import Blobs
from shared.identity import Peer
from shared.log import Log
from shared.rpc.protocol import PROTOCOL
from shared.rpc.v1 import node_pb2 as pb
from tests.coordinator.stories import (
    ANA,
    BO,
    CEM,
    RUN,
    configured,
    digest,
    greeted,
    joined,
    senders,
    started,
    tell,
    the_round,
    training,
    uploaded,
)
from tests.faults.schedules.host import a_job


def test_a_verdict_is_told_once_it_is_safe(tmp_path: Path) -> None:
    """A node was told that a round was given up; a crash took that back, and the round went on with its update."""

    async def story() -> None:
        book = ledger.load(MemoryStore(), clock=lambda: 0.0)
        writing = asyncio.ensure_future(book.run())
        await book.record(*joined(ANA), *joined(BO), greeted(ANA), greeted(BO), *started(), configured(ANA, BO))
        doors = Transfers(book, Blobs(tmp_path), Heartbeats())
        book.record(Elapsed(100.0))  # the deadline, and not safe yet
        answer = await doors.verdict(ANA, RUN, 1)
        assert answer.verdict is Verdict.ABANDONED
        assert book.durable is book.state
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)

    asyncio.run(story())


def test_a_refusal_that_is_told_again_takes_no_update_out_of_a_merge() -> None:
    """The very bytes that were refused had been taken after all, and the old refusal then counted as their loss."""
    refused = UpdateRefused(1.0, RUN, 1, ANA, uploaded(ANA).digest, "NaN")
    state = tell(training(ANA, BO, CEM), refused, uploaded(ANA), uploaded(BO), uploaded(CEM))
    assert senders(the_round(state)) == [BO, CEM]
    assert tell(state, refused) == state


class HeldStore(MemoryStore):
    """Its disk takes as long as it is held."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = Event()
        self.goes_on.set()

    def append(self, rows: Sequence[Row]) -> None:
        assert self.goes_on.wait(30)
        super().append(rows)


def test_a_duty_is_told_once_it_is_safe(tmp_path: Path) -> None:
    async def greeting() -> AsyncIterator[pb.NodeMessage]:
        able = pb.Availability(state=pb.Availability.STATE_READY, since_ms=1)
        yield pb.NodeMessage(greeting=pb.Greeting(protocol=PROTOCOL, availability=able))
        await asyncio.Event().wait()

    async def story() -> None:
        store, beats = HeldStore(), Heartbeats()
        book = ledger.load(store, clock=lambda: 0.0)
        writing = asyncio.ensure_future(book.run())
        await book.record(*joined(ANA), *joined(BO), greeted(BO), *started())
        door = NodeDoor(book, Transfers(book, Blobs(tmp_path), beats), beats, Log(io.StringIO()), "saturday", ())
        guard._peer.set(Peer("node", ANA, b"", 1e12))
        words = door.Control(greeting(), None)  # type: ignore[arg-type]
        assert (await anext(words)).HasField("welcome")
        assert not (await anext(words)).duties.duties
        store.goes_on.clear()
        safe = book.record(configured(ANA, BO))
        told = asyncio.ensure_future(anext(words))
        for _ in range(20):
            door.tell()
            await asyncio.sleep(0)
        assert not told.done()
        store.goes_on.set()
        await safe
        door.tell()
        assert [duty.round for duty in (await told).duties.duties] == [1]
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)

    asyncio.run(story())


def test_a_trainer_that_dies_as_the_owner_pauses_is_known_to_be_gone(tmp_path: Path) -> None:
    """The agent forgot to say so when it was to stop the trainer while clearing up after its death."""

    async def story() -> None:
        heard: list[Fact] = []
        settings = Settings(ranks=2, trainer="tests.faults.schedules.stubborn_trainer")
        trainer = Trainer(tmp_path, settings, Blobs(tmp_path / "blobs"), heard.append)
        keeping = asyncio.ensure_future(trainer.keep(KeepTrainer(RUN, digest("job")), a_job(RUN, {})))
        work = tmp_path / "runs" / RUN / "work"
        async with asyncio.timeout(30):
            while not (work / "asked-to-end").exists():
                await asyncio.sleep(0.01)
        keeping.cancel()
        (work / "may-end").touch()
        await asyncio.gather(keeping, return_exceptions=True)
        assert isinstance(heard[-1], TrainerGone)

    asyncio.run(story())
