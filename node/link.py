"""The control stream: found again for ever, quietly; what comes over it becomes facts.

    dial -> greet -> welcomed -> heartbeats ... until it breaks -> wait (jittered, at most a minute) -> dial ...

After a renewal the next stream stands before the old one ends. What is wrong is said once, and once when it is well
again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import NoReturn

import grpc.aio

from node import wire
from node.connection import UNARY_SECONDS, Connection
from node.logic.backoff import failures, wait_seconds
from node.logic.facts import Availability, DutiesTold, Fact, LinkDown, LinkUp, Metrics, Readiness
from node.logic.report import Activity
from node.sent import Sent
from node.session import Session, greet
from node.steady import Steady
from shared import clock
from shared.errors import PotluckError, Refusal, Refused, TryLater
from shared.ids import RunId
from shared.log import Log
from shared.rpc.v1 import node_pb2 as pb

GOODBYE_SECONDS = 2.0  # an owner who types Ctrl-C waits no longer for the host

Dial = Callable[[], Awaitable[Connection]]
Stream = grpc.aio.StreamStreamCall[pb.NodeMessage, pb.CoordinatorMessage]


class Link:
    """Keeps one stream to the host. `hear` gets LinkUp, LinkDown and DutiesTold."""

    def __init__(
        self,
        dial: Dial,
        introduce: Callable[[], wire.Introduction],
        activity: Callable[[], Activity],
        hear: Callable[[Fact], None],
        sent: Sent,
        log: Log,
        addresses_heard: Callable[[tuple[str, ...]], None] = lambda _: None,
        steady: Steady | None = None,
        doubt: Callable[[], Awaitable[Refused | None]] | None = None,
    ) -> None:
        """`doubt` looks for the reason when a host hangs up without a word."""
        self._dial, self._introduce, self._activity, self._hear = dial, introduce, activity, hear
        self._sent, self._log, self._addresses_heard = sent, log, addresses_heard
        self._steady, self._doubt = steady or Steady(), doubt
        self._session: Session | None = None
        self._linked = asyncio.Event()
        self._fresh = asyncio.Event()
        self._settled = asyncio.Event()  # no fresh stream is being opened beside the old one
        self._settled.set()
        self._said: set[str] = set()
        self._number = 0
        self._stopping = self._was_welcomed = False
        self.trouble = ""  # why there is no connection, in words; empty when there is one

    async def keep(self) -> str:
        """Stay connected. Returns the words of a host that removed this PC from the group; nothing after a goodbye."""
        attempt = 0
        while True:
            began, self._was_welcomed = time.monotonic(), False
            try:
                await self._hold()
            except (PotluckError, ExceptionGroup) as error:
                if self._stopping:
                    return ""
                for trouble in _troubles(error):
                    if isinstance(trouble, Refused) and trouble.refusal is Refusal.REVOKED:
                        return trouble.sentence
                    self._wrong(trouble.sentence)
            attempt = failures(attempt, time.monotonic() - began, self._was_welcomed)
            await asyncio.sleep(wait_seconds(attempt, random.random()))  # noqa: S311  jitter, not a secret

    async def connection(self) -> Connection:
        """The connection of the present stream; waits until there is one."""
        while self._session is None:
            await self._linked.wait()
        return self._session.line

    def renew(self) -> None:
        """Make a fresh connection (new certificate, or new things to say) before the old one is closed."""
        self._fresh.set()

    async def say_availability(self, able: Availability) -> None:
        """Tell it unless it was the last thing told on this stream. Raises TryLater."""
        session = self._session
        if session is not None and session.told != able:
            session.told = able
            message = wire.availability(able)
            self._sent.note("availability", message.ByteSize(), details=able.sentence or able.readiness.value)
            await session.say(message)

    async def say_evaluation(self, run: RunId, round_: int, metrics: Metrics) -> None:
        """Raises TryLater."""
        if self._session is not None:
            message = wire.evaluation(run, round_, metrics)
            numbers = " ".join(f"{name}={value:.4g}" for name, value in metrics)
            self._sent.note("evaluation", message.ByteSize(), run=run, round_number=round_, details=numbers)
            await self._session.say(message)

    async def say_goodbye(self) -> bool:
        """Tell the host that the owner stops the agent, so that nobody waits for this PC; the last word on the stream.

        Best effort: a host that does not hear it finds out when the lease ends. Returns whether it heard.
        """
        session, self._stopping = self._session, True
        if session is None:
            return False
        message = wire.availability(Availability(Readiness.STOPPED, time.time(), sentence="stopped by its owner"))
        self._sent.note("availability", message.ByteSize(), details="stopped by its owner")
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                return await session.say_last(message)
        except TimeoutError:
            return False

    async def leave(self) -> None:
        """Tell the host that this PC leaves the group, and wait until it has heard. Raises TryLater."""
        session = await self._open()
        try:
            message = pb.NodeMessage(leave=pb.Leave())
            self._sent.note("leave", message.ByteSize())
            await session.say(message)
            await session.call.done_writing()
            async with asyncio.timeout(UNARY_SECONDS):
                while await session.call.read() is not grpc.aio.EOF:
                    pass
        except (grpc.aio.AioRpcError, TimeoutError):
            return  # it hung up: it has heard
        finally:
            await session.close()

    # ---- one stream after another ----

    async def _hold(self) -> None:
        """Have a stream until it ends; replace it by a fresh one when asked. Always ends by raising."""
        session = await self._open()
        self._fresh.clear()
        try:
            while True:
                self._welcomed(session)
                session = await self._until_replaced(session)
        finally:
            self._session = None
            self._linked.clear()
            self._hear(LinkDown())

    async def _until_replaced(self, session: Session) -> Session:
        try:
            async with asyncio.TaskGroup() as tasks:
                ears = tasks.create_task(self._outlived(self._listen(session)), name="listen")
                heart = tasks.create_task(self._outlived(self._beat(session)), name="heartbeats")
                fresh = await self._open_fresh()
                ears.cancel()
                heart.cancel()
        finally:
            await session.close()
        return fresh

    async def _open_fresh(self) -> Session:
        """Wait until a fresh stream is wished for, and open it. A failure leaves the old one in peace."""
        attempt = 0
        while True:
            await self._fresh.wait()
            self._fresh.clear()
            self._settled.clear()
            try:
                return await self._open()
            except Refused:
                raise
            except PotluckError:
                attempt += 1
                await asyncio.sleep(wait_seconds(attempt, random.random()))  # noqa: S311
                self._fresh.set()
            finally:
                self._settled.set()

    async def _outlived(self, using: Awaitable[None]) -> None:
        """The host ends the old stream when it hears our fresh greeting: no trouble, unless that greeting fails."""
        try:
            await using
        except TryLater:
            await self._settled.wait()
            raise

    async def _open(self) -> Session:
        """Dial, greet, and be welcomed."""
        line = await self._dial()
        try:
            session = await greet(line, self._introduce(), self._sent, self._steady.now)
        except TryLater as error:
            if self._doubt is not None and (found := await self._doubt()) is not None:
                raise found from error
            raise
        ahead = session.clock_ahead + self._steady.wall_ahead()
        if abs(ahead) > clock.WARN:
            off = clock.difference_words(ahead)
            self._log.warn("clock", why=f"This PC's clock is {off} the host's.")
        return session

    def _welcomed(self, session: Session) -> None:
        if self._session is None and self._said:
            self._log.info("connected-again", address=session.line.address)
        elif self._session is None:
            self._log.info("connected", address=session.line.address)
        self._said.clear()
        self.trouble, self._was_welcomed = "", True
        self._session = session
        self._linked.set()
        if session.addresses:
            self._addresses_heard(session.addresses)
        self._number += 1
        self._hear(LinkUp(session.line.address, self._number))

    async def _listen(self, session: Session) -> NoReturn:
        while True:
            message = await session.hear()
            match message.WhichOneof("message"):
                case "duties":
                    self._hear(DutiesTold(wire.duties(message.duties, session.clock_ahead)))
                case _:
                    pass  # something a newer host says

    async def _beat(self, session: Session) -> None:
        note, size = 0, 0
        for count in range(1, 1 << 62):
            await asyncio.sleep(session.heartbeat_seconds)
            if self._stopping:
                return
            message = wire.heartbeat(self._activity())
            size += message.ByteSize()
            note = note or self._sent.note("heartbeats", 0)
            self._sent.more(note, size, f"{count} of them over one connection: what it does, how far, loss, speed")
            await session.say(message)

    def _wrong(self, sentence: str) -> None:
        """Say it, unless it was said since all was last well."""
        self.trouble = sentence
        if sentence not in self._said:
            self._said.add(sentence)
            self._log.warn("not-connected", why=sentence)


def _troubles(error: PotluckError | ExceptionGroup[Exception]) -> list[PotluckError]:
    """Those of our errors that ended a stream; anything else is a bug and goes on its way."""
    if isinstance(error, PotluckError):
        return [error]
    troubles, bugs = error.split(PotluckError)
    if bugs is not None:
        raise bugs
    assert troubles is not None
    return [leaf for inner in troubles.exceptions for leaf in _troubles(inner)]
