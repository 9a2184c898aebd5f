"""Save first, act second; and a writer that is killed at any instant has lost nothing that it acknowledged."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from coordinator import ledger
from coordinator.ledger import Ledger
from coordinator.logic import cluster
from coordinator.logic.cluster import Fact
from coordinator.logic.facts import CoordinatorStarted, Elapsed
from coordinator.logic.round_state import Phase
from coordinator.store import facts
from coordinator.store.journal import Row, Snapshot, Store, snapshot
from coordinator.store.memory import MemoryStore
from coordinator.store.sqlite import SqliteStore
from shared.errors import OwnerMustAct
from shared.ids import NodeId
from tests.coordinator.stories import (
    ANA,
    BO,
    RUN,
    configured,
    evaluated,
    greeted,
    joined,
    merged,
    started,
    summarised,
    the_round,
    the_run,
    uploaded,
    verdict,
)

BEGIN: tuple[Fact, ...] = (*joined(ANA), greeted(ANA), *joined(BO), greeted(BO), *started(), configured(ANA, BO))
ROUND: tuple[Fact, ...] = (
    uploaded(ANA), uploaded(BO), merged(1, ANA, BO), evaluated(ANA), evaluated(BO), summarised(1)
)  # fmt: skip


def clock(at: float = 0.0) -> Callable[[], float]:
    return lambda: at


@asynccontextmanager
async def running(store: Store, at: float = 0.0) -> AsyncIterator[Ledger]:
    """A ledger at work, its clock standing still."""
    made = ledger.load(store, clock(at), clock())
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(made.run())
        await asyncio.sleep(0)  # let it begin: what is cancelled before its first line never runs
        yield made
        writing.cancel()


class Gate(MemoryStore):
    """A store whose writes wait until it is opened, and then perhaps fail."""

    def __init__(self, trouble: OwnerMustAct | None = None) -> None:
        super().__init__()
        self.open = threading.Event()
        self.trouble = trouble
        self.groups: list[int] = []

    def append(self, rows: Sequence[Row]) -> None:
        assert self.open.wait(20)
        if self.trouble is not None:
            raise self.trouble
        self.groups.append(len(rows))
        super().append(rows)


def kinds(store: Store) -> list[str]:
    return [row.kind for row in store.rows()]


async def settled(waits: Awaitable[None]) -> str:
    """How waiting for a record ended."""
    try:
        await waits
    except OwnerMustAct as error:
        return error.sentence
    return "safe"


def test_a_fact_is_answered_from_at_once_and_acted_upon_once_it_is_safe() -> None:
    async def story() -> None:
        store = Gate()
        async with running(store) as books:
            safe = books.record(*BEGIN)
            assert the_round(books.state).phase is Phase.TRAINING
            assert books.durable == cluster.Cluster()
            store.open.set()
            await safe
            assert books.durable == books.state
            assert kinds(store)[-1] == "Configured"

    asyncio.run(story())


def test_facts_that_come_together_are_written_together() -> None:
    async def story() -> None:
        store = Gate()
        async with running(store) as books:
            await asyncio.gather(_opened(store), *(books.record(fact) for fact in BEGIN))
        assert len(store.groups) <= 2
        assert sum(store.groups) == len(BEGIN)

    async def _opened(store: Gate) -> None:
        store.open.set()

    asyncio.run(story())


def test_a_repeated_fact_is_not_written_but_its_answer_waits_for_the_first() -> None:
    async def story() -> None:
        store = Gate()
        async with running(store) as books:
            books.record(*BEGIN, uploaded(ANA))
            repeated = asyncio.ensure_future(settled(books.record(uploaded(ANA))))
            await asyncio.sleep(0)
            assert not repeated.done()
            store.open.set()
            assert await repeated == "safe"
            assert kinds(store).count("Uploaded") == 1

    asyncio.run(story())


def test_one_listener_that_gives_up_waiting_harms_no_other() -> None:
    async def story() -> None:
        store = Gate()
        async with running(store) as books:
            safe = books.record(*BEGIN)
            impatient, patient = asyncio.ensure_future(settled(safe)), asyncio.ensure_future(settled(safe))
            await asyncio.sleep(0)
            impatient.cancel()
            store.open.set()
            assert await patient == "safe"

    asyncio.run(story())


def test_changes_tell_only_what_is_safe() -> None:
    async def story() -> None:
        store = MemoryStore()
        async with running(store) as books:
            changes = books.changes()
            assert await anext(changes) == cluster.Cluster()
            books.record(*BEGIN)
            while (told := await anext(changes)) != books.state:
                pass
            assert told == _replayed(store)

    asyncio.run(story())


def test_a_restart_goes_on_where_it_was() -> None:
    async def story() -> None:
        store = MemoryStore()
        async with running(store) as books:
            await books.record(*BEGIN, *ROUND, configured(ANA, BO, round=2, at=5.0), uploaded(BO, round=2, at=6.0))
            before = books.state
        async with running(store, at=1006.0) as books:
            assert kinds(store)[-1] in ("Uploaded", "CoordinatorStarted")
            assert books.state == cluster.apply(before, CoordinatorStarted(1006.0))
            assert the_round(books.state).deadline == 1105.0
            assert verdict(books.state, RUN, 2, BO).verdict == "accepted"

    asyncio.run(story())


def test_an_ended_round_leaves_a_snapshot_and_a_restart_uses_it() -> None:
    async def story() -> None:
        store = MemoryStore()
        async with running(store) as books:
            await books.record(*BEGIN)
            await books.record(*ROUND)
            await books.record(configured(ANA, BO, round=2))
            before = books.state
        kept = store.snapshot()
        assert kept is not None
        assert kept.seq == len(BEGIN) + len(ROUND)
        assert the_run(facts.load_state(kept.json)).committed == 1
        async with running(store) as books:
            assert books.state == before

    asyncio.run(story())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda kept: Snapshot(kept.seq, kept.json.replace('"committed":1', '"committed":2'), kept.digest),
        lambda kept: snapshot(kept.seq, kept.json.replace('"committed":', '"comitted":')),
        lambda kept: snapshot(kept.seq + 99, kept.json.replace('"committed":1', '"committed":2')),
    ],
    ids=["damaged", "of another version", "ahead of the journal"],
)
def test_a_snapshot_that_cannot_be_trusted_is_passed_over(spoil: Callable[[Snapshot], Snapshot]) -> None:
    async def story() -> None:
        store = MemoryStore()
        async with running(store) as books:
            await books.record(*BEGIN)
            await books.record(*ROUND)
            before = books.state
        kept = store.snapshot()
        assert kept is not None
        store.keep_snapshot(spoil(kept))
        async with running(store) as books:
            assert books.state == before

    asyncio.run(story())


class Day:
    """A wall clock that somebody sets, and time, which goes on."""

    def __init__(self, wall: float) -> None:
        self.wall, self.gone = wall, 0.0

    def load(self, store: Store) -> Ledger:
        return ledger.load(store, lambda: self.wall, lambda: self.gone)

    def goes_on(self, seconds: float) -> None:
        self.wall, self.gone = self.wall + seconds, self.gone + seconds


def test_a_clock_that_was_ahead_and_is_set_back_holds_no_deadline_up() -> None:
    async def story() -> None:
        day = Day(wall=86_400.0)
        books = day.load(MemoryStore())
        books.record(*BEGIN[:-1], configured(ANA, BO, at=books.now()))
        due = the_round(books.state).deadline
        day.wall = 0.0
        day.goes_on(due - books.now() - 1)
        assert books.follow_the_wall() == 0.0
        assert books.now() == due - 1
        day.goes_on(1)
        assert books.now() == due

    asyncio.run(story())


def test_nor_does_it_after_a_restart() -> None:
    async def story() -> None:
        store, day = MemoryStore(), Day(wall=86_400.0)
        books = day.load(store)
        books.record(*BEGIN[:-1], configured(ANA, BO, at=books.now()))
        due = the_round(books.state).deadline
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(books.run())
            await books.record()
            writing.cancel()
        day.wall = 0.0
        again = day.load(store)
        assert the_round(again.state).deadline == due
        day.goes_on(due - 86_400.0)
        assert again.now() == due

    asyncio.run(story())


def test_a_clock_that_jumps_ahead_lets_no_deadline_pass() -> None:
    """The same when the host's PC slept: its wall clock then is ahead of the one that counts seconds."""

    async def story() -> None:
        day = Day(wall=0.0)
        books = day.load(MemoryStore())
        books.record(*BEGIN)
        left = the_round(books.state).deadline - books.now()
        day.goes_on(10)
        day.wall += 3 * 86_400.0
        assert books.now() == 10.0
        assert books.follow_the_wall() == 3 * 86_400.0
        assert books.now() == day.wall
        assert the_round(books.state).phase is Phase.TRAINING
        assert the_round(books.state).deadline - books.now() == left - 10
        assert books.follow_the_wall() == 0.0

    asyncio.run(story())


def test_time_in_the_journal_never_goes_back() -> None:
    async def story() -> None:
        store, day = MemoryStore(), Day(wall=100.0)
        books = day.load(store)
        assert books.now() == 100.0
        day.wall = 50.0
        assert books.now() == 100.0
        books.record(*BEGIN, uploaded(ANA, at=70.0), Elapsed(60.0), uploaded(BO, at=30.0))
        assert books.state.now == 70.0
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(books.run())
            await books.record()
            writing.cancel()
        times = [row.at for row in store.rows()]
        assert times == sorted(times)

    asyncio.run(story())


def test_a_full_disk_stops_the_coordinator_in_words() -> None:
    async def story() -> None:
        store = Gate(OwnerMustAct("The disk is full."))
        books = ledger.load(store, clock())
        early = asyncio.ensure_future(settled(books.record(*BEGIN)))
        queued = asyncio.ensure_future(settled(books.record(uploaded(ANA))))
        store.open.set()
        with pytest.raises(OwnerMustAct, match="The disk is full"):
            await books.run()
        assert [await early, await queued] == ["The disk is full."] * 2
        assert await settled(books.record(uploaded(BO))) == "The disk is full."
        assert books.durable == cluster.Cluster()
        assert kinds(store) == []

    asyncio.run(story())


def test_what_waits_is_written_before_an_orderly_end() -> None:
    async def story() -> None:
        store = MemoryStore()
        async with running(store) as books:
            books.record(*BEGIN)
        assert len(kinds(store)) == len(BEGIN)

    asyncio.run(story())


def test_a_writer_killed_at_any_instant_keeps_all_it_acknowledged(tmp_path: Path) -> None:
    """A real process acknowledges facts on its standard output as they become safe, until it is killed."""
    for acknowledgements in (1, 40, 150):
        file = tmp_path / str(acknowledgements) / "state.db"
        writer = subprocess.Popen(
            [sys.executable, "-m", "tests.coordinator.test_ledger", str(file)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        try:
            acknowledged = [writer.stdout.readline().strip() for _ in range(acknowledgements)]
        finally:
            os.kill(writer.pid, signal.SIGKILL)
        acknowledged += writer.stdout.read().split("\n")[:-1]  # what was said before it died counts too
        writer.stdout.close()
        writer.wait()
        store = SqliteStore(file)
        kept = _replayed(store)
        store.close()
        assert set(acknowledged) <= kept.members.nodes.keys()
        assert len(acknowledged) >= acknowledgements


def _replayed(store: Store) -> cluster.Cluster:
    state = cluster.Cluster()
    for row in store.rows():
        state = cluster.apply(state, facts.load(row.kind, row.json, row.version))
    return state


async def acknowledge_without_end(file: Path) -> None:
    """Let four friends at a time join, for ever, and say so each time it is safe."""

    async def join(books: Ledger, friend: int) -> None:
        node = NodeId(f"friend-{friend}")
        await books.record(*joined(node))
        print(node, flush=True)

    async with running(SqliteStore(file)) as books:
        for first in range(0, 100_000, 4):
            async with asyncio.TaskGroup() as tasks:
                for friend in range(first, first + 4):
                    tasks.create_task(join(books, friend))


if __name__ == "__main__":
    asyncio.run(acknowledge_without_end(Path(sys.argv[1])))
