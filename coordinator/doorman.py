"""Stands before the joining port, where strangers call: one address holds few calls and may not ask without end.

gRPC tells who calls only once a call is under way, and never who merely keeps a connection open: connections are
bounded all together (`shared.rpc.tls.joining_options`), calls for each address, here. One address is an IPv4 address
or an IPv6 /64, the least that a household has.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias
from urllib.parse import unquote

import grpc
import grpc.aio

from shared.errors import Refusal, Refused
from shared.rpc import tls
from shared.rpc.refusal import Context, answering

HELD = 4  # calls of one address that are under way at once
CALLS = 16  # of everybody
FIRST_WORD = 5.0  # seconds a caller may take to say what it wants
ATTEMPTS = 30  # of one address that are answered at once; then
REST = 2.0  # seconds for each further one
REMEMBERED = 4096  # addresses whose attempts are counted

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # generic in its stubs only


class Doorman(grpc.aio.ServerInterceptor):
    """An interceptor for the joining server. Serves one event loop. `elapsed`: seconds."""

    def __init__(self, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._elapsed = elapsed
        self._held: Counter[str] = Counter()
        self._left: dict[str, tuple[float, float]] = {}  # attempts left, and at what time that was so

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        handler: Any = await continuation(handler_call_details)
        if handler is None:  # gRPC answers UNIMPLEMENTED
            return None
        # As a stream, so that the caller is seen before its request has come: it may never come.
        return grpc.stream_unary_rpc_method_handler(
            self._received(handler.unary_unary), handler.request_deserializer, handler.response_serializer
        )

    def admit(self, address: str) -> None:
        """Raise Refused when this address asks too often."""
        now = self._elapsed()
        left, then = self._left.pop(address, (float(ATTEMPTS), now))
        left = min(float(ATTEMPTS), left + (now - then) / REST)
        self._left[address] = max(0.0, left - 1), now
        if len(self._left) > REMEMBERED:
            del self._left[next(iter(self._left))]  # the one that has not asked for longest
        if left < 1:
            raise Refused(Refusal.BUSY, "Too many attempts to join came from this address; try again in a minute.")

    @contextmanager
    def place(self, address: str) -> Iterator[None]:
        """One of the calls that this address may have open."""
        if self._held[address] >= HELD:
            raise Refused(Refusal.BUSY, "This address has other calls open here; try again in a moment.")
        self._held[address] += 1
        try:
            yield
        finally:
            self._held[address] -= 1
            self._held += Counter()  # drops the zeros

    def _received(self, behaviour: Callable[[Any, Context], Awaitable[Any]]) -> Any:
        async def received(requests: AsyncIterator[Any], context: Context) -> Any:
            async with answering(context):
                address = whence(context.peer())
                self.admit(address)
                with self.place(address):
                    return await behaviour(await _first(aiter(requests)), context)
            raise AssertionError("answering aborts")

        return received


def joining_server(doorman: Doorman) -> grpc.aio.Server:
    """The server for strangers."""
    return grpc.aio.server(interceptors=[doorman], options=tls.joining_options(), maximum_concurrent_rpcs=CALLS)


def whence(peer: str) -> str:
    """ "ipv6:%5B2001:db8::1%5D:4711" -> the address or network that counts as one."""
    host = unquote(peer).partition(":")[2].rpartition(":")[0].strip("[]").partition("%")[0]
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return peer  # not a network address: a Unix socket
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    return str(ip.ipv4_mapped or ipaddress.ip_network((ip, 64), strict=False))


async def _first(requests: AsyncIterator[Any]) -> Any:
    try:
        async with asyncio.timeout(FIRST_WORD):
            request = await anext(requests, None)
    except TimeoutError:
        request = None
    if request is None:
        raise Refused(Refusal.MALFORMED, "A call came to the joining port that asked nothing.")
    return request
