"""What the schedules found, each by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

from coordinator import ledger
from coordinator.doors.transfers import Transfers
from coordinator.heartbeats import Heartbeats
from coordinator.logic.facts import Elapsed
from coordinator.logic.verdicts import Verdict
from coordinator.store.memory import MemoryStore
from shared.blobs import Blobs
from tests.coordinator.stories import ANA, BO, RUN, configured, greeted, joined, started


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
