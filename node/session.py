"""One control stream: the host is greeted, it welcomes, and both speak until it ends. Its end is one of our errors."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

import grpc.aio

from node import wire
from node.connection import UNARY_SECONDS, Connection
from node.logic.facts import Availability
from node.sent import Sent
from shared.errors import PotluckError, Refusal, Refused, TryLater
from shared.rpc.protocol import PROTOCOL
from shared.rpc.v1 import node_pb2 as pb

Stream = grpc.aio.StreamStreamCall[pb.NodeMessage, pb.CoordinatorMessage]


@dataclass(slots=True)
class Session:
    """One stream that was welcomed."""

    line: Connection
    call: Stream
    heartbeat_seconds: float
    clock_ahead: float  # seconds, the clock we keep duties by minus the host's
    addresses: tuple[str, ...]
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    told: Availability | None = None

    async def say(self, message: pb.NodeMessage) -> None:
        """One message; two at once would confuse gRPC. Raises TryLater when the stream has ended."""
        async with self.writing:
            try:
                await self.call.write(message)
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
                raise TryLater("The connection to the host broke; it is made again by itself.") from error

    async def say_last(self, message: pb.NodeMessage) -> bool:
        """The last word: nothing is said after it. Returns, once the host has hung up, whether it did so in peace."""
        async with self.writing:  # for good: a heartbeat after the last word would break the stream
            try:
                await self.call.write(message)
                await self.call.done_writing()
                return await self.call.code() is grpc.StatusCode.OK
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                return False

    async def hear(self) -> pb.CoordinatorMessage:
        """The next message. Raises when the stream has ended, or when the host says farewell."""
        return await _next(self.line, self.call)

    async def close(self) -> None:
        self.call.cancel()
        await self.line.close()


async def greet(line: Connection, me: wire.Introduction, sent: Sent, now: Callable[[], float] = time.time) -> Session:
    """Introduce ourselves over a fresh connection, and be welcomed. The connection is closed when that fails.

    `now` is the clock that duties are kept by.
    """
    call: Stream = line.stub.Control()
    try:
        message = wire.greeting(me, PROTOCOL, int(time.time() * 1000))
        sent.note("greeting", message.ByteSize(), details=_told(me))
        async with asyncio.timeout(UNARY_SECONDS):
            await call.write(message)
            first = await _next(line, call)
        if first.WhichOneof("message") != "welcome":
            raise TryLater(f"The host at {line.address} did not answer the greeting as agreed.")
    except BaseException as error:
        call.cancel()
        await line.close()
        if isinstance(error, TimeoutError):
            raise TryLater(f"The host at {line.address} did not answer the greeting in time.") from error
        if isinstance(error, asyncio.InvalidStateError | grpc.aio.AioRpcError):
            raise await _ended(line, call) from error
        raise
    welcome = first.welcome
    ahead = now() - welcome.clock_ms / 1000 if welcome.clock_ms else 0.0
    every = max(1, welcome.heartbeat_seconds)
    return Session(line, call, every, ahead, tuple(welcome.addresses), told=me.availability)


def _told(me: wire.Introduction) -> str:
    """Every thing a greeting says, for the owner's record."""
    counts = ", ".join(f"{d.name}: {d.documents:,} documents, {d.bytes:,} bytes, {d.tokens:,} tokens" for d in me.data)
    able = me.availability.sentence.rstrip(".") or me.availability.readiness.value
    pc = f"{me.name}, {me.hardware}, Potluck {me.version}, its clock, {able}"
    return f"told of this PC: {pc}; of data: {counts or 'nothing'}"


async def _next(line: Connection, call: Stream) -> pb.CoordinatorMessage:
    try:
        message: Any = await call.read()
    except grpc.aio.AioRpcError as error:
        raise line.trouble(error, "listening") from error
    if message is grpc.aio.EOF:
        raise await _ended(line, call)
    assert isinstance(message, pb.CoordinatorMessage)
    if message.WhichOneof("message") == "farewell":
        _goodbye(message.farewell)
    return message


def _goodbye(farewell: pb.Farewell) -> NoReturn:
    """Never returns: the host's words as one of our errors."""
    try:
        refusal = Refusal(farewell.refusal)
    except ValueError:
        raise TryLater(farewell.sentence or "The host closed the connection; it is made again by itself.") from None
    raise Refused(refusal, farewell.sentence)


async def _ended(line: Connection, call: Stream) -> PotluckError:
    """Why a stream ended: an orderly end is only a host that stops for a moment."""
    code = await call.code()
    if code is grpc.StatusCode.OK:
        return TryLater(f"The host at {line.address} closed the connection (it may be restarting).")
    metadata = grpc.aio.Metadata()
    trailing = await call.trailing_metadata() or metadata
    return line.trouble(grpc.aio.AioRpcError(code, metadata, trailing, await call.details()), "connecting")
