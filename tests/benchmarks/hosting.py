"""A real coordinator with a run of a chosen size, and friends whose control streams are held from here, in one process.

The doors, the certificates and the node's side of every call are the product's own; only nobody trains, because what is
measured is what happens between a finished update and the host's disk.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from node import membership
from node.blobs_link import BlobsLink
from node.connection import Connection, connect
from node.link import Link
from node.logic.facts import Availability, DutiesTold, Duty, Fact, Readiness, Update
from node.logic.report import Activity, Doing
from node.sent import Sent
from node.store.database import connect as open_database
from node.wire import Introduction
from shared.blobs import Blobs
from shared.codec.layout import Origin
from shared.job import Job, parse
from shared.log import Log
from shared.rpc.protocol import VERSION
from tests.benchmarks import models
from tests.cluster.group import Group

PATIENCE = 600.0  # seconds until the model is made and the round is open


@dataclass(slots=True)
class Member:
    """A friend who is here, and is told what to do."""

    name: str
    home: Path
    sent: Sent
    blobs: Blobs
    duties: tuple[Duty, ...] = ()
    told: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, fact: Fact) -> None:
        if isinstance(fact, DutiesTold):
            self.duties = fact.duties
            self.told.set()

    async def duty(self) -> Duty:
        """The duty of the present round, as soon as there is one."""
        async with asyncio.timeout(PATIENCE):
            while not self.duties:
                self.told.clear()
                await self.told.wait()
        return self.duties[0]

    async def connection(self) -> Connection:
        """A second connection, for blobs."""
        return await connect(self.home)

    @property
    def door(self) -> BlobsLink:
        return BlobsLink(self.blobs, self.sent)

    def update(self, duty: Duty, job: Job, seed: int) -> Update:
        """Something to upload, finished on this PC's disk."""
        path = self.blobs.root / "update"
        made_by = Origin(membership.load(self.home).node, duty.run, duty.round)
        digest = self.blobs.adopt(path, models.write_update(path, job, seed, made_by))
        size = self.blobs.size(digest)
        return Update(duty.run, duty.round, duty.model, digest, size, tokens=100, steps=1, share=1.0)


def prepare(potluck: Group, names: list[str], megabytes: float, codec: str) -> str:
    """A coordinator that is up, with these friends joined, and a run of a model of that size (fp32); the run's name."""
    potluck.up()
    for name in names:
        potluck.join(name)
    model = models.config(potluck.folder / "model", megabytes)
    return potluck.start(name="large", model=model, quorum=len(names), codec=codec, rounds=9, deadline="60 min")


def job_of(potluck: Group, duty: Duty) -> Job:
    return parse(potluck.blobs("host").read(duty.job))


@asynccontextmanager
async def present(potluck: Group, names: list[str]) -> AsyncIterator[list[Member]]:
    """These friends are here until the end of the block: connected, ready, and silent."""
    members = [_member(potluck.friends[name].home / "node", name) for name in names]
    async with asyncio.TaskGroup() as tasks:
        kept = [tasks.create_task(_link(member).keep()) for member in members]
        try:
            yield members
        finally:
            for task in kept:
                task.cancel()


def _member(home: Path, name: str) -> Member:
    return Member(name, home, Sent(open_database(home / "state.db")), Blobs(home / "blobs"))


def _link(member: Member) -> Link:
    introduce: Callable[[], Introduction] = lambda: Introduction(  # noqa: E731
        VERSION, member.name, "a benchmark", (), Availability(Readiness.READY)
    )
    quiet = Log(io.StringIO())
    return Link(
        lambda: connect(member.home), introduce, lambda: Activity(Doing.TRAINING), member.hear, member.sent, quiet
    )
