"""The host's joining port, once it was found: hello, and one call at a time, each failure in words."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc.aio

from shared import clock
from shared.errors import Refusal, Refused
from shared.rpc import dial, refusal, tls
from shared.rpc.protocol import OLDEST, PROTOCOL, VERSION
from shared.rpc.v1 import enrol_pb2, enrol_pb2_grpc

CALL_SECONDS = 15.0

Note = Callable[[str, int], None]  # what is about to leave this PC, and its size in bytes
Reply = TypeVar("Reply")


@dataclass(frozen=True, slots=True)
class Hello:
    cluster: str
    port: int
    ahead: float  # seconds, this PC's clock minus the host's


class Host:
    """A verified connection to the joining port of the host that was found."""

    def __init__(self, found: dial.Found, again: str = refusal.BY_ITSELF) -> None:
        self._address, self._again = found.address, again
        self._channel = tls.channel(found.address, found.ca_pem, max_message=tls.MAX_ENROL_MESSAGE)
        self.stub = enrol_pb2_grpc.EnrolStub(self._channel)

    async def __aenter__(self) -> Host:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close()

    async def hello(self, note: Note) -> Hello:
        """Raises Refused when the protocols or the clocks do not meet."""
        before = time.time()
        request = enrol_pb2.HelloRequest(protocol=PROTOCOL, version=VERSION, clock_ms=int(before * 1000))
        note("hello", request.ByteSize())
        reply = await self.ask("saying hello", self.stub.Hello, request)
        ahead = (before + time.time()) / 2 - reply.clock_ms / 1000
        if reply.protocol < OLDEST:
            raise Refused(
                Refusal.PROTOCOL,
                f"The host's potluck ({reply.version}) is too old for this PC's ({VERSION}): ask the host to update.",
            )
        if (off := clock.trouble(ahead)) is not None:
            raise off
        return Hello(reply.cluster, reply.port, ahead)

    async def ask(self, doing: str, call: Callable[..., Awaitable[Reply]], request: Any) -> Reply:
        """One call; its failure in words."""
        try:
            return await call(request, timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise refusal.in_words(error, doing, self._address, again=self._again) from error
