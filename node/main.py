"""The agent, top to bottom. READ FIRST.

A friend's PC is polite to its owner and outlives its host's absences. It holds one home folder, keeps one connection to
the host, and does what the host asks as long as the owner agrees:

    facts (the host's duties, the owner's wishes, the trainer's words, the clock)
      -> saved -> applied to the state -> planned into wishes (node/logic) -> kept under way (node/performing)

Nothing heavy is imported here: training, model arithmetic and data preparation are child processes. Killed at any
moment, the agent loads what it saved, plans again, and carries on.
"""

from __future__ import annotations

import asyncio
import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from node import hosts_clock, membership, probe, renewal, status
from node.blobs_link import BlobsLink
from node.connection import Connection, connect
from node.home import data_counts, settings
from node.link import Link
from node.logic import report, telling
from node.logic.backoff import wait_seconds
from node.logic.changes import apply
from node.logic.duties import plan
from node.logic.facts import BlobsHere, Elapsed, Fact
from node.logic.state import State
from node.logic.wishes import Wish
from node.performing import Means, Performing
from node.sent import Sent
from node.steady import Steady
from node.store.database import connect as open_database
from node.store.memory import Memory
from node.trainer import Trainer
from node.watching import Watching
from node.wire import Introduction
from shared.blobs import Blobs
from shared.clock import difference_words
from shared.disk import HomeLock
from shared.errors import PotluckError, Refusal, Refused
from shared.hands import Hands
from shared.log import Log
from shared.rpc.dial import dialable
from shared.rpc.protocol import VERSION

LOOK_SECONDS = 1.0  # between two looks at everything
HEED_SECONDS = 0.1  # between two looks at the owner's wishes: one `stat`

Show = Callable[[status.Words], None]


async def run(home: Path, log: Log, show: Show = lambda words: None) -> str:
    """Be the agent of `home` until stopped (SIGINT, SIGTERM) or removed from the group: then returns the host's words.

    `show` is given the picture of status.json whenever it changes.
    """
    with HomeLock(home):
        agent = Agent(home, log, show)
        async with asyncio.TaskGroup() as tasks:
            agent.begin(Hands(tasks, agent.performing.perform))
            duties = [
                tasks.create_task(agent.look_around(), name="look around"),
                tasks.create_task(agent.keep_certificate(), name="keep certificate"),
            ]
            stopped = tasks.create_task(_stop_signal(), name="stop signal")
            removed = tasks.create_task(agent.link.keep(), name="link")
            await asyncio.wait([stopped, removed], return_when=asyncio.FIRST_COMPLETED)
            if not removed.done():
                log.tell("stopping ...")
            agent.end()
            heard = await agent.link.say_goodbye()
            for task in (*duties, stopped, removed):
                task.cancel()
        words = removed.result() if removed.done() and not removed.cancelled() else ""
        agent.tell_owner(words)
        if not words:
            log.tell("stopped; the host knows" if heard else "stopped; the host could not be told, but will notice")
        return words


class Agent:
    """One home, its state, and the means to act."""

    def __init__(self, home: Path, log: Log, show: Show) -> None:
        self.home, self.log, self.show = home, log, show
        self.settings = settings(home)
        self.membership = membership.load(home)
        self.hardware = probe.hardware(home)
        database = open_database(home / "state.db")
        self.memory, self.sent = Memory(database), Sent(database)
        self.blobs = Blobs(home / "blobs")
        self.watching = Watching(home, log)
        self.hands: Hands[Wish] | None = None
        self.state = self.memory.load(State())
        self.steady = Steady()
        self.link = Link(
            self.dial, self.introduction, self.activity, self.hear, self.sent, log, self.learn_addresses, self.steady,
            doubt=lambda: hosts_clock.doubt(home, self.note_sent),
        )  # fmt: skip
        self.trainer = Trainer(home, self.settings, self.blobs, self.hear)
        means = Means(home, self.blobs, BlobsLink(self.blobs, self.sent), self.link, self.trainer, self.sent, log)
        self.performing = Performing(means, lambda: self.state, self.hear)
        self._renewing = asyncio.Lock()
        self._shown: status.Words = {}

    # ---- facts go in, wishes come out ----

    def hear(self, fact: Fact) -> None:
        """Save first, then act."""
        before = self.state
        self.memory.save(fact, before.now)
        self.state = apply(before, fact)
        if words := telling.told(before, fact, self.state):
            self.log.tell(words)
        if (line := status.told(fact)) is not None:
            self.log.info(line[0], **line[1])
        if self.hands is not None:
            self.hands.want(plan(self.state))

    def begin(self, hands: Hands[Wish]) -> None:
        """Find out how things stand, and start to act."""
        self.hear(Elapsed(self.steady.now()))
        self.hear(BlobsHere(frozenset(self.blobs.all())))
        for fact in self.watching.changes():
            self.hear(fact)
        self.hands = hands
        self.hands.want(plan(self.state))

    def end(self) -> None:
        """Wish for nothing more: the trainer is asked to stop, and whatever else was under way is dropped."""
        assert self.hands is not None
        self.hands.want([])
        self.hands = None

    # ---- the clock and the owner ----

    async def look_around(self) -> None:
        """Once a second: the time, the owner's wishes, the owner's data; and tell the owner how it goes."""
        introduced = self.introduction().data
        while True:
            self.look_at_the_clock()
            self.hear(Elapsed(self.steady.now()))
            for fact in self.watching.changes():
                self.hear(fact)
            if self.introduction().data != introduced:
                introduced = self.introduction().data
                self.link.renew()  # the host hears the new counts in a new greeting
            self.tell_owner()
            await self.heed_owner(LOOK_SECONDS)

    async def heed_owner(self, seconds: float) -> None:
        """For so long: whoever pauses wants the card back now, not within a second."""
        for _ in range(round(seconds / HEED_SECONDS)):
            await asyncio.sleep(HEED_SECONDS)
            for fact in self.watching.owner():
                self.hear(fact)

    def look_at_the_clock(self) -> None:
        """A clock that was set hurries nobody: what has a deadline goes on by the time that really passed."""
        if jumped := self.steady.jumped():
            self.log.warn("clock", why=f"This PC's clock was set: it is {difference_words(jumped)} what it was.")

    def tell_owner(self, removed: str = "") -> None:
        """`removed`: the words of a host that removed this PC from the group."""
        words = status.picture(self.state, self.membership.name, self.link.trouble)
        words |= {"removed": removed} if removed else {}
        if words != self._shown:
            self._shown = words
            status.write(self.home, words)
            self.show(words)

    # ---- the host ----

    async def dial(self) -> Connection:
        """A connection with a certificate that is valid now: one that ended meanwhile is renewed first."""
        try:
            return await connect(self.home)
        except Refused as refused:
            if refused.refusal is not Refusal.CERTIFICATE_EXPIRED:
                raise
        await self.renew_certificate()
        return await connect(self.home)

    def introduction(self) -> Introduction:
        shared = data_counts(self.home, self.watching.wishes.share)
        able = report.availability(self.state)
        return Introduction(VERSION, self.membership.name, self.hardware, shared, able)

    def activity(self) -> report.Activity:
        return report.activity(self.state)

    def learn_addresses(self, addresses: tuple[str, ...]) -> None:
        """The host may have moved: keep every address it says it can be reached at."""
        known = membership.load(self.home)
        addresses = dialable(addresses)
        if addresses and known.addresses != addresses:
            membership.save(self.home, replace(known, addresses=addresses))

    async def keep_certificate(self) -> None:
        """Renew at two thirds of the certificate's life, then make a fresh connection before the old one is closed."""
        jitter, attempt = random.random(), 0  # noqa: S311
        while True:
            if time.time() >= renewal.due(self.home, jitter):
                try:
                    await self.renew_certificate()
                    attempt = 0
                    self.link.renew()
                except PotluckError:  # the link says what is wrong, once
                    attempt += 1
            await asyncio.sleep(max(LOOK_SECONDS, wait_seconds(attempt, random.random()) if attempt else 0))  # noqa: S311

    async def renew_certificate(self) -> None:
        async with self._renewing:
            if time.time() < renewal.due(self.home, 1.0):
                return  # somebody did it while we waited
            await renewal.renew(self.home, self.note_sent)
            self.log.info("certificate-renewed")

    def note_sent(self, what: str, size: int) -> None:
        self.sent.note(what, size)


async def _stop_signal() -> None:
    """Wait for Ctrl-C or a service manager's stop."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    if threading.current_thread() is not threading.main_thread():
        await stop.wait()
    old = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in old:
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
    try:
        await stop.wait()
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
