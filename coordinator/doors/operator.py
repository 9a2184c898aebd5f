"""The Operator service: what the host's command line may ask for."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from coordinator import runfile
from coordinator.addresses import with_port
from coordinator.logic import members
from coordinator.logic.facts import RunStarted, RunStopped
from coordinator.logic.members import InviteMade, Revoked
from coordinator.logic.runs import RUN_EDGES
from coordinator.status import going_already
from shared import invite
from shared.errors import Refusal, Refused
from shared.ids import RunId, runs_called, slug
from shared.rpc import refusal
from shared.rpc.refusal import Context
from shared.rpc.v1 import operator_pb2, operator_pb2_grpc

if TYPE_CHECKING:
    from coordinator.guard import Guard
    from coordinator.ledger import Ledger
    from coordinator.status import Status

LONGEST_INVITE = 30 * 86400  # seconds
REFRESH = 2.0  # seconds between looks at heartbeats while watching


class OperatorDoor(operator_pb2_grpc.OperatorServicer):
    def __init__(
        self, ledger: Ledger, guard: Guard, status: Status, pin: bytes, addresses: tuple[str, ...], enrol_port: int
    ) -> None:
        self._ledger, self._guard, self._status = ledger, guard, status
        self._pin, self._addresses, self._enrol_port = pin, addresses, enrol_port

    async def Invite(  # noqa: N802  gRPC's name
        self, request: operator_pb2.InviteRequest, context: Context
    ) -> operator_pb2.InviteReply:
        async with refusal.answering(context):
            if not 60 <= request.valid_seconds <= LONGEST_INVITE:
                raise Refused(Refusal.MALFORMED, "An invite is valid for a minute to thirty days.")
            name = members.clean(request.name)
            if not name:
                raise Refused(Refusal.MALFORMED, "Say whom the invite is for: potluck coordinator invite NAME")
            extra = [with_port(address, self._enrol_port) for address in request.addresses]
            addresses = tuple(dict.fromkeys([*extra, *self._addresses]))
            at = self._ledger.now()
            warning = members.namesakes(self._ledger.state.members, name, at)
            made = invite.fresh(self._pin, at + request.valid_seconds, addresses)
            fact = InviteMade(at, made.id.hex(), name, invite.secret_hash(made.secret), made.expires)
            await self._ledger.record(fact)
            return operator_pb2.InviteReply(
                word=invite.word(made), expires_ms=int(made.expires * 1000), addresses=addresses, warning=warning
            )
        raise AssertionError("answering aborts")

    async def Revoke(  # noqa: N802
        self, request: operator_pb2.RevokeRequest, context: Context
    ) -> operator_pb2.RevokeReply:
        async with refusal.answering(context):
            known = self._ledger.state.members
            facts = members.remove(known, request.node, self._ledger.now())
            if isinstance(facts, Refused):
                raise facts
            reply = operator_pb2.RevokeReply(name=request.node)
            for fact in facts:
                await self._ledger.record(fact)
                if isinstance(fact, Revoked):
                    reply.node, reply.name = fact.node, known.nodes[fact.node].name
                    reply.streams_cut = self._guard.cut(fact.node)
                else:
                    reply.invites_withdrawn += 1
            return reply
        raise AssertionError("answering aborts")

    async def Start(  # noqa: N802
        self, request: operator_pb2.StartRequest, context: Context
    ) -> operator_pb2.StartReply:
        async with refusal.answering(context):
            spec = runfile.require(request.run_file, request.file_name or "the run file")
            if not request.again and (words := going_already(self._status.reply(), str(spec["run"]))):
                beside = f"To start another beside it: potluck coordinator start {request.file_name} --again"
                raise Refused(Refusal.BUSY, f"{words} {beside}")
            run = RunId(f"{slug(str(spec['run']))}-{secrets.token_hex(3)}")  # nothing is waited for since the look
            await self._ledger.record(RunStarted(self._ledger.now(), run, spec, request.folder))
            return operator_pb2.StartReply(run=run)
        raise AssertionError("answering aborts")

    async def Stop(  # noqa: N802
        self, request: operator_pb2.StopRequest, context: Context
    ) -> operator_pb2.StopReply:
        async with refusal.answering(context):
            going = [run.run for run in self._ledger.state.runs.values() if RUN_EDGES[run.phase]]
            chosen = runs_called(request.run, going)
            if len(chosen) != 1:
                words = f"Say which: {', '.join(chosen or going)}" if going else "No run is under way"
                raise Refused(Refusal.NO_SUCH_RUN, f"{words}.")
            await self._ledger.record(RunStopped(self._ledger.now(), RunId(chosen[0])))
            return operator_pb2.StopReply(run=chosen[0])
        raise AssertionError("answering aborts")

    async def Status(  # noqa: N802
        self, request: operator_pb2.StatusRequest, context: Context
    ) -> operator_pb2.StatusReply:
        async with refusal.answering(context):
            return self._status.reply()
        raise AssertionError("answering aborts")

    async def Watch(  # noqa: N802
        self, request: operator_pb2.StatusRequest, context: Context
    ) -> AsyncIterator[operator_pb2.StatusReply]:
        async with refusal.answering(context):
            told: operator_pb2.StatusReply | None = None
            while True:
                reply = self._status.reply()
                compared = operator_pb2.StatusReply()
                compared.CopyFrom(reply)
                compared.clock_ms = 0
                if compared != told:
                    told = compared
                    yield reply
                await asyncio.sleep(REFRESH)
