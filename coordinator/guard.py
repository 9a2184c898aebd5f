"""Stands before every mutually authenticated service: who is calling, may they, and out at once when they may not.

TLS has checked that the certificate is ours; it never looks again. So the guard looks on every call at its end date
and at the members, and ends calls that are under way when their node is revoked or their certificate ends. A service
it has no rule for is closed to everybody.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass
from inspect import isasyncgenfunction
from typing import Any, Literal, Protocol, TypeAlias

import grpc
import grpc.aio

from coordinator.logic import members
from coordinator.logic.members import Members
from shared.clock import moment
from shared.errors import Refusal, Refused
from shared.identity import Peer, peer_of
from shared.ids import NodeId
from shared.log import Log
from shared.rpc.refusal import Context, answering, refuse

DOORS: Mapping[str, Literal["node", "operator"]] = {"potluck.v1.Node": "node", "potluck.v1.Operator": "operator"}

LAST_WORDS = 5.0  # seconds in which a caller may hear why its call was cut

_peer: ContextVar[Peer] = ContextVar("peer")
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # generic in its stubs only
_Behaviour = Callable[[Any, Context], Any]


class HasMembers(Protocol):
    @property
    def members(self) -> Members: ...


class KnowsMembers(Protocol):
    """Where the members of this moment are to be read (coordinator/ledger.py)."""

    @property
    def state(self) -> HasMembers: ...


def peer() -> Peer:
    """Inside a guarded handler: who is calling. In the Node service `peer().node` is the node's id."""
    return _peer.get()


@dataclass(eq=False, slots=True)
class _Call:
    """One call under way, and why it was cut, if it was."""

    task: asyncio.Task[Any]
    caller: Peer
    cut: Refused | None = None

    def end(self, why: Refused) -> None:
        if self.cut is None:
            self.cut = why
            self.task.cancel()


class Guard(grpc.aio.ServerInterceptor):
    """An interceptor for grpc.aio.server. Serves one event loop."""

    def __init__(
        self,
        ledger: KnowsMembers,
        clock: Callable[[], float] = time.time,
        doors: Mapping[str, Literal["node", "operator"]] = DOORS,
        log: Log | None = None,
    ) -> None:
        """`clock`: UTC seconds, the wall clock. `doors`: who may use which service."""
        self._ledger, self._clock, self._doors, self._log = ledger, clock, doors, log or Log()
        self._calls: dict[NodeId, set[_Call]] = {}

    def cut(self, node: NodeId) -> int:
        """End every open call of a node that may no longer be here, now. Returns how many there were.

        Call it after the revocation was recorded: new calls are refused already. The callers read why.
        """
        calls = self._calls.get(node, set())
        for call in calls:
            call.end(
                self._standing(call.caller) or Refused(Refusal.REVOKED, "The host removed this PC from the group.")
            )
        return len(calls)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        handler = await continuation(handler_call_details)
        if handler is None:  # gRPC answers UNIMPLEMENTED
            return None
        service = handler_call_details.method.split("/")[1]
        return self._guarded(handler, self._doors.get(service))

    def _guarded(self, handler: Any, kind: str | None) -> Handler:
        def wrap(behaviour: _Behaviour, run: Callable[[_Behaviour, Any, Context], Awaitable[Any]]) -> Any:
            async def guarded(request: Any, context: Context) -> Any:
                if run is _stream:
                    # gRPC would send it with the first reply; a call cut in the midst of that could not be ended.
                    await context.send_initial_metadata(())
                return await self._serve(kind, context, lambda: run(behaviour, request, context))

            return guarded

        coding = (handler.request_deserializer, handler.response_serializer)
        if handler.request_streaming and handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(wrap(handler.stream_stream, _stream), *coding)
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(wrap(handler.unary_stream, _stream), *coding)
        if handler.request_streaming:
            return grpc.stream_unary_rpc_method_handler(wrap(handler.stream_unary, _unary), *coding)
        return grpc.unary_unary_rpc_method_handler(wrap(handler.unary_unary, _unary), *coding)

    async def _serve(self, kind: str | None, context: Context, work: Callable[[], Awaitable[Any]]) -> Any:
        async with answering(context):
            caller = self._admit(kind, context)
        task = asyncio.current_task()
        assert task is not None
        call = _Call(task, caller)
        calls = self._calls.setdefault(caller.node, set())
        calls.add(call)
        ending = asyncio.get_running_loop().call_later(
            max(caller.not_after - self._clock(), 0), call.end, _ended(caller)
        )
        token = _peer.set(caller)
        try:
            async with answering(context):
                return await work()
        except asyncio.CancelledError:
            if call.cut is None:
                raise  # the caller went away, or the server stops
            task.uncancel()
            async with asyncio.timeout(LAST_WORDS):  # a caller that does not read would keep us here for ever
                await refuse(context, call.cut)
        except grpc.aio.InternalError as error:  # what we said could not go out any more
            self._log.info("line-lost", node=caller.node or "operator", why="the line died in the middle of an answer")
            raise asyncio.CancelledError from error  # as of any caller that went away: gRPC would print a traceback
        finally:
            ending.cancel()
            _peer.reset(token)
            calls.discard(call)
            if not calls:
                self._calls.pop(caller.node, None)

    def _standing(self, caller: Peer) -> Refused | None:
        return members.standing(self._ledger.state.members, caller.node, caller.public_key.hex())

    def _admit(self, kind: str | None, context: Context) -> Peer:
        """Who this is, if they may come in. Raises Refused."""
        shown = next(iter(context.auth_context().get("x509_pem_cert", ())), None)
        if shown is None:
            raise Refused(Refusal.NOT_A_MEMBER, "No certificate was shown. Join with an invite first.")
        caller = peer_of(shown)
        if self._clock() > caller.not_after:
            raise _ended(caller)
        if caller.kind != kind:
            raise _wrong_door(kind)
        if caller.kind == "node" and (refused := self._standing(caller)) is not None:
            raise refused
        return caller


async def _unary(behaviour: _Behaviour, request: Any, context: Context) -> Any:
    return await behaviour(request, context)


async def _stream(behaviour: _Behaviour, request: Any, context: Context) -> None:
    """Run a streaming handler inside the call's own task, so that ending the task ends the stream."""
    if not isasyncgenfunction(behaviour):
        await behaviour(request, context)
        return
    replies: AsyncIterator[Any] = behaviour(request, context)
    async with aclosing(replies):  # type: ignore[type-var]
        async for reply in replies:
            await context.write(reply)


def _ended(caller: Peer) -> Refused:
    return Refused(
        Refusal.CERTIFICATE_EXPIRED,
        f"This PC's certificate ended on {moment(caller.not_after)}: renew it and dial again.",
    )


def _wrong_door(kind: str | None) -> Refused:
    match kind:
        case "operator":
            return Refused(Refusal.NOT_OPERATOR, "Only the host may do this, on the PC where the coordinator runs.")
        case "node":
            return Refused(Refusal.NOT_A_MEMBER, "Only a PC that joined may do this: join with an invite first.")
        case _:
            return Refused(Refusal.NOT_A_MEMBER, "This door is closed.")
