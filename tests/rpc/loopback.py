"""A real host on loopback: both servers, TLS and all. Only the ledger (in memory) and the doors' work are small."""

# ruff: noqa: N802  gRPC's names

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from coordinator import pki
from coordinator.doorman import Doorman, joining_server
from coordinator.enrol import EnrolDoor
from coordinator.guard import Guard, peer
from coordinator.logic import members
from coordinator.logic.members import InviteMade, MemberFact, Members, Revoked
from node import membership
from node.membership import Membership
from shared import invite
from shared.authority import CertificateAuthority
from shared.ids import NodeId
from shared.log import Log
from shared.rpc import tls
from shared.rpc.v1 import enrol_pb2, enrol_pb2_grpc, node_pb2, node_pb2_grpc, operator_pb2, operator_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]


class State:
    def __init__(self, members_: Members) -> None:
        self.members = members_


class MemoryLedger:
    """Facts in a list; durable at once."""

    def __init__(self) -> None:
        self.state = State(Members())
        self.facts: list[MemberFact] = []
        self.ahead = 0.0  # seconds the clock of these facts is moved forward

    async def record(self, fact: MemberFact) -> None:
        self.facts.append(fact)
        self.state = State(members.apply(self.state.members, fact))

    def now(self) -> float:
        return time.time() + self.ahead


class CountingEnrolDoor(EnrolDoor):
    """The real door; it also counts what it was shown, and can lose its answers on the way."""

    secrets = 0
    hellos = 0
    loses_replies = False
    clock_ahead = 0.0

    async def Hello(self, request: enrol_pb2.HelloRequest, context: Context) -> enrol_pb2.HelloReply:
        self.hellos += 1
        reply = await super().Hello(request, context)
        reply.clock_ms += int(self.clock_ahead * 1000)
        return reply

    async def Join(self, request: enrol_pb2.JoinRequest, context: Context) -> enrol_pb2.JoinReply:
        self.secrets += 1
        reply = await super().Join(request, context)
        if self.loses_replies:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        return reply


class SmallNodeDoor(node_pb2_grpc.NodeServicer):
    """Streams that stay open, a download without an end, an upload that is read to its end."""

    def __init__(self) -> None:
        self.started = self.ended = 0

    async def Control(
        self, request_iterator: AsyncIterator[node_pb2.NodeMessage], context: Context
    ) -> AsyncIterator[node_pb2.CoordinatorMessage]:
        self.started += 1
        try:
            yield node_pb2.CoordinatorMessage(welcome=node_pb2.Welcome(cluster=peer().node))
            async for message in request_iterator:
                duty = node_pb2.Duty(round=message.heartbeat.round)
                yield node_pb2.CoordinatorMessage(duties=node_pb2.Duties(duties=[duty]))
        finally:
            self.ended += 1

    async def Download(
        self, request: node_pb2.DownloadRequest, context: Context
    ) -> AsyncIterator[node_pb2.DownloadChunk]:
        self.started += 1
        try:
            for offset in range(1 << 40):
                yield node_pb2.DownloadChunk(offset=offset, data=bytes(1 << 18))
        finally:
            self.ended += 1

    async def Upload(
        self, request_iterator: AsyncIterator[node_pb2.UploadChunk], context: Context
    ) -> node_pb2.VerdictReply:
        self.started += 1
        try:
            async for _ in request_iterator:
                pass
            return node_pb2.VerdictReply(sentence="all of it")
        finally:
            self.ended += 1

    async def Verdict(self, request: node_pb2.VerdictRequest, context: Context) -> node_pb2.VerdictReply:
        return node_pb2.VerdictReply(sentence=f"hello {peer().node}")


class SmallOperatorDoor(operator_pb2_grpc.OperatorServicer):
    async def Status(self, request: operator_pb2.StatusRequest, context: Context) -> operator_pb2.StatusReply:
        return operator_pb2.StatusReply(cluster=peer().kind)


class Host:
    """One host with its folder. `word()` makes an invite, as the operator's door would."""

    def __init__(self, folder: Path, cluster: str = "saturday") -> None:
        self.folder = folder
        pki.lay_down(folder, cluster)
        self.authority = CertificateAuthority.load(folder)
        self.ledger = MemoryLedger()
        self.log = io.StringIO()
        self.guard = Guard(self.ledger, log=Log(self.log))
        self.doorman = Doorman()
        self.node_door = SmallNodeDoor()  # type: ignore[abstract]  # gRPC answers UNIMPLEMENTED for the rest
        self.identity = tls.ServerIdentity(self.authority.issue_server(), self.authority.certificate_pem)
        self.address, self.working = "", ""

    async def start(self, port: int = 0) -> None:
        self._members = grpc.aio.server(interceptors=[self.guard], options=tls.server_options())
        node_pb2_grpc.add_NodeServicer_to_server(self.node_door, self._members)
        operator_pb2_grpc.add_OperatorServicer_to_server(SmallOperatorDoor(), self._members)  # type: ignore[abstract]
        working = self._members.add_secure_port("127.0.0.1:0", self.identity.credentials(mutual=True))
        self._joining = joining_server(self.doorman)
        joining = self._joining.add_secure_port(f"127.0.0.1:{port}", self.identity.credentials(mutual=False))
        self.address, self.working = f"127.0.0.1:{joining}", f"127.0.0.1:{working}"
        group_key = (self.folder / "group.key").read_bytes()
        cluster = self.authority.cluster
        self.enrol_door = CountingEnrolDoor(
            self.ledger, self.authority, cluster, working, (self.address,), group_key, self.ledger.now
        )
        enrol_pb2_grpc.add_EnrolServicer_to_server(self.enrol_door, self._joining)
        await self._members.start()
        await self._joining.start()

    async def stop(self) -> None:
        await asyncio.gather(self._members.stop(0), self._joining.stop(0))

    async def word(self, *addresses: str, valid: float = 3600.0) -> str:
        one = invite.fresh(self.authority.pin, self.ledger.now() + valid, addresses or (self.address,))
        digest = invite.secret_hash(one.secret)
        await self.ledger.record(InviteMade(self.ledger.now(), one.id.hex(), "ana", digest, one.expires))
        return invite.word(one)

    async def revoke(self, node: NodeId) -> int:
        await self.ledger.record(Revoked(self.ledger.now(), node))
        return self.guard.cut(node)

    def operator(self) -> grpc.aio.Channel:
        key, certificate = ((self.folder / name).read_bytes() for name in ("operator.key", "operator.crt"))
        return tls.channel(self.working, self.authority.certificate_pem, key, certificate)


@asynccontextmanager
async def hosting(folder: Path, cluster: str = "saturday") -> AsyncIterator[Host]:
    host = Host(folder, cluster)
    await host.start()
    try:
        yield host
    finally:
        await host.stop()


def dialled(home: Path, member: Membership) -> grpc.aio.Channel:
    """A channel with the node's certificate."""
    papers = membership.papers(home)
    return tls.channel(member.answering, papers.ca_pem, papers.key_pem, papers.certificate_pem)


def node_stub(channel: grpc.aio.Channel) -> node_pb2_grpc.NodeAsyncStub:
    return node_pb2_grpc.NodeStub(channel)


class Told(list[str]):
    """What a joining PC showed its owner."""

    def __call__(self, line: str) -> None:
        self.append(line)


async def raw_call(channel: grpc.aio.Channel, method: str) -> object:
    """An empty message to a method that need not exist."""
    call: Any = channel.unary_unary(method)
    answer: object = await call(b"", timeout=5)
    return answer
