"""Save first, act second: facts are folded at once, written by one thread in groups, acted upon once they are safe.

    record(fact) ──► state ──► queue ──► writer thread: one transaction for all that waits ──► durable ──► changes()
                                                                                         └──► whoever awaits record()

`state` is for answering and deciding; wishes are performed for `durable` only, as `changes()` yields it. A restart
folds the newest snapshot and the facts behind it, and is then exactly where the last durable fact left it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from coordinator.logic import cluster
from coordinator.logic.cluster import Cluster, Fact
from coordinator.logic.facts import CoordinatorStarted
from coordinator.store import facts, journal
from coordinator.store.journal import Row, Store

Clock = Callable[[], float]  # seconds: UTC, or since whenever
STEP = 5.0  # seconds the wall clock may run ahead of ours before we follow it


@dataclass(frozen=True, slots=True)
class _Folded:
    """A fact that is folded and not yet safe."""

    row: Row
    state: Cluster  # after it
    safe: asyncio.Future[None]


@dataclass(frozen=True, slots=True)
class _Safe:
    """Await it to know that a fact is on the disk. Giving up the wait harms nobody else's."""

    future: asyncio.Future[None]

    def __await__(self) -> Generator[Any, None, None]:
        return asyncio.shield(self.future).__await__()


class Ledger:
    """The one place where the coordinator's state changes. Used from one event loop; only the writer is a thread."""

    def __init__(
        self, store: Store, state: Cluster, seq: int = 0, clock: Clock = time.time, elapsed: Clock = time.monotonic
    ) -> None:
        """`state` is what the first `seq` facts in `store` add up to. `clock` is the wall's, which may be set at any
        time; `elapsed` is one that nobody sets. Make it inside the event loop."""
        self._store = store
        self._state = self._durable = state
        self._seq = seq
        self._clock, self._elapsed = clock, elapsed
        self._told, self._then = max(state.now, clock()), elapsed()  # the newest time that anybody was told, and when
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[_Folded | None] = SimpleQueue()
        self._newest: asyncio.Future[None] = self._loop.create_future()  # done once all that was recorded is safe
        self._newest.set_result(None)
        self._broken: asyncio.Future[None] = self._loop.create_future()
        self._changed = asyncio.Event()
        self._version = 0  # of `durable`

    @property
    def state(self) -> Cluster:
        """Everything recorded, safe or not."""
        return self._state

    @property
    def durable(self) -> Cluster:
        """What would survive a power cut: wishes are performed for this one."""
        return self._durable

    def now(self) -> float:
        """UTC seconds that never go back, and go on as fast as time does whatever becomes of the wall clock."""
        then, self._then = self._then, self._elapsed()
        self._told = max(self._told + self._then - then, self._state.now)
        return self._told

    def follow_the_wall(self) -> float:
        """To be called now and then: when the wall clock is ahead of ours, this PC slept or its clock was set. What is
        due moves by as much, so that no deadline passes for it. Returns the seconds we were behind; mostly 0.0.

        A wall clock that was set back is not followed: ours goes on from where it was.
        """
        now = self.now()
        ahead = self._clock() - now
        if ahead < STEP:
            return 0.0
        self.record(CoordinatorStarted(now + ahead, ahead))
        self._told = now + ahead
        return ahead

    def record(self, *happened: Fact) -> Awaitable[None]:
        """Fold these facts at once; await the result to know that they (and all before them) are safe.

        A fact that changes nothing is not written, but its answer still waits for what it repeats. When the disk fails
        the wait raises OwnerMustAct, and nothing more is recorded.
        """
        for fact in happened:
            if not self._broken.done():
                self._fold(fact)
        return _Safe(self._broken if self._broken.done() else self._newest)

    async def run(self) -> None:
        """Write what is recorded until cancelled (what waits is then finished), or raise what the disk said.

        Belongs in the main TaskGroup, so that a disk that fails stops the process in order.
        """
        writer = Thread(target=self._write, name="journal", daemon=True)
        writer.start()
        try:
            await asyncio.shield(self._broken)
        finally:
            self._queue.put(None)
            writer.join()  # a moment: at most one transaction and one snapshot

    async def changes(self) -> AsyncIterator[Cluster]:
        """The durable state now, and after every group of facts that became safe. Slow listeners skip some."""
        seen = -1
        while True:
            while self._version == seen:
                await self._changed.wait()
            seen = self._version
            yield self._durable

    def _fold(self, fact: Fact) -> None:
        if fact.at < self._state.now:
            fact = replace(fact, at=self._state.now)
        after = cluster.apply(self._state, fact)
        if replace(after, now=self._state.now) == self._state:
            return
        self._seq += 1
        self._state = after
        kind, text, version = facts.dump(fact)
        row = journal.row(self._seq, getattr(fact, "run", ""), float(fact.at), kind, text, version)
        self._newest = self._loop.create_future()
        self._queue.put(_Folded(row, after, self._newest))

    def _write(self) -> None:
        """The writer thread: everything that waits goes into one transaction."""
        rounds_kept = -1
        group: list[_Folded] = []
        try:
            while group := self._take():
                self._store.append([folded.row for folded in group])
                self._loop.call_soon_threadsafe(self._now_safe, group)
                state = group[-1].state
                rounds_ended = sum(len(run.history) for run in state.runs.values())
                if rounds_kept not in (-1, rounds_ended):
                    self._store.keep_snapshot(journal.snapshot(group[-1].row.seq, facts.dump_state(state)))
                rounds_kept = rounds_ended
        except BaseException as error:  # noqa: BLE001  the edge of a thread: handed to `run`, which raises it
            self._loop.call_soon_threadsafe(self._break, error, group)

    def _take(self) -> list[_Folded]:
        """All that waits, at least one; empty when it is time to end."""
        group: list[_Folded] = []
        folded = self._queue.get()
        while folded is not None:
            group.append(folded)
            try:
                folded = self._queue.get_nowait()
            except Empty:
                return group
        if group:
            self._queue.put(None)
        return group

    def _now_safe(self, group: list[_Folded]) -> None:
        self._durable = group[-1].state
        self._version += 1
        for folded in group:
            folded.safe.set_result(None)
        self._changed.set()
        self._changed = asyncio.Event()

    def _break(self, error: BaseException, group: list[_Folded]) -> None:
        """Tell everybody who waits. The state in memory is now ahead of the disk for good: the process must end."""
        waiting = [folded.safe for folded in group]
        while not self._queue.empty():
            folded = self._queue.get()
            if folded is not None:
                waiting.append(folded.safe)
        for future in (*waiting, self._broken):
            if not future.done():
                future.set_exception(error)
                future.exception()  # seen: who does not wait is not warned about it


def load(store: Store, clock: Clock = time.time, elapsed: Clock = time.monotonic) -> Ledger:
    """The ledger as its journal tells it. Call it inside the event loop.

    Checks every row of the journal and raises OwnerMustAct naming a damaged one. A snapshot that is damaged, or that an
    older potluck wrote, is passed over. After a restart, open deadlines move by the time we were away.
    """
    state, seq = _newest_snapshot(store)
    last = 0
    for row in store.rows():
        last = row.seq
        if row.seq > seq:
            state = cluster.apply(state, facts.load(row.kind, row.json, row.version))
    if last < seq:  # a snapshot of facts that are not here
        state = Cluster()
        for row in store.rows():
            state = cluster.apply(state, facts.load(row.kind, row.json, row.version))
    ledger = Ledger(store, state, last, clock, elapsed)
    if last:
        ledger.record(CoordinatorStarted(ledger.now()))
    return ledger


def _newest_snapshot(store: Store) -> tuple[Cluster, int]:
    """The state to fold on, and the number of facts inside; the very beginning when there is no good snapshot."""
    kept = store.snapshot()
    if kept is not None and journal.intact(kept):
        try:
            return facts.load_state(kept.json), kept.seq
        except ValueError:
            pass
    return Cluster(), 0
