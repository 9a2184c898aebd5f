"""A small honest coordinator for tests of the node: Node and Enrol over real TLS, all but the blobs in memory."""
# ruff: noqa: N802  gRPC wants the names of the .proto files

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio

from deploy.demo.friends import free_ports
from shared import identity
from shared.authority import CertificateAuthority
from shared.blobs import Blobs
from shared.clock import LIFETIME
from shared.errors import Refusal, Refused
from shared.ids import Digest, NodeId, node_id
from shared.rpc import refusal, tls
from shared.rpc.v1 import enrol_pb2, enrol_pb2_grpc, node_pb2_grpc
from shared.rpc.v1 import node_pb2 as pb

GROUP_KEY = b"g" * 32
Context = Any  # grpc.aio.ServicerContext of any messages


class FakeCoordinator(node_pb2_grpc.NodeServicer, enrol_pb2_grpc.EnrolServicer):
    """Tell it `duties`; it keeps what it is sent. The `fault_*` attributes make it, or the line, misbehave once."""

    def __init__(self, folder: Path) -> None:
        self.authority = CertificateAuthority.create(folder / "pki", "saturday")
        self.blobs = Blobs(folder / "blobs")
        self.heartbeat_seconds = 1
        self.lifetime = LIFETIME
        self.registered: set[NodeId] = set()
        self.duties: list[pb.Duty] = []
        self.greetings: list[pb.Greeting] = []
        self.availability: list[pb.Availability] = []
        self.heartbeats: list[pb.Heartbeat] = []
        self.evaluations: list[pb.Evaluation] = []
        self.updates: dict[tuple[str, int], pb.UpdateHeader] = {}
        self.headers: list[pb.UpdateHeader] = []  # every header that ever came, repeats too
        self.verdicts: dict[tuple[str, int], pb.VerdictReply] = {}
        self.left: list[NodeId] = []
        self.models: list[pb.Model] = []
        self.upload_bytes = 0  # data bytes that came over the line
        self.download_bytes = 0
        self.renewals = 0
        self.fault_cut_upload_after: int | None = None  # data bytes
        self.fault_cut_download_after: int | None = None
        self.fault_damage_chunk = False
        self.fault_lose_reply = False
        self.fault_announce: int | None = None  # what it says the size of every file is
        self.answer_early = False  # a verdict there is already comes at the header, as of a closed round
        self._streams: dict[NodeId, list[asyncio.Queue[pb.CoordinatorMessage | None]]] = defaultdict(list)
        self._changed = asyncio.Event()
        self.port = free_ports()  # kept when it goes down and comes up again
        self.enrol_port = self.port + 1
        self._servers: list[grpc.aio.Server] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    # ---- its life ----

    @asynccontextmanager
    async def up(self) -> AsyncIterator[FakeCoordinator]:
        await self.start()
        try:
            yield self
        finally:
            await self.stop()

    async def start(self) -> None:
        """Listen on loopback; a restart uses the same ports."""
        shown = tls.ServerIdentity(self.authority.issue_server(), self.authority.certificate_pem)
        node, enrol = grpc.aio.server(options=tls.server_options()), grpc.aio.server(options=tls.server_options())
        node_pb2_grpc.add_NodeServicer_to_server(self, node)
        enrol_pb2_grpc.add_EnrolServicer_to_server(self, enrol)
        self.port = node.add_secure_port(f"127.0.0.1:{self.port}", shown.credentials(mutual=True))
        self.enrol_port = enrol.add_secure_port(f"127.0.0.1:{self.enrol_port}", shown.credentials(mutual=False))
        self._servers = [node, enrol]
        for server in self._servers:
            await server.start()

    async def stop(self) -> None:
        for server in self._servers:
            await server.stop(0)
        self._servers = []
        self._streams.clear()

    async def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        """Wait until something that came makes `condition` true."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def tell(self, *duties: pb.Duty) -> None:
        """These are the duties from now on."""
        self.duties = list(duties)
        for streams in self._streams.values():
            for stream in streams:
                stream.put_nowait(pb.CoordinatorMessage(duties=pb.Duties(duties=duties)))

    def say_farewell(self, code: str, sentence: str) -> None:
        for streams in self._streams.values():
            for stream in streams:
                stream.put_nowait(pb.CoordinatorMessage(farewell=pb.Farewell(refusal=code, sentence=sentence)))
                stream.put_nowait(None)

    def cut_streams(self) -> None:
        for streams in self._streams.values():
            for stream in streams:
                stream.put_nowait(None)

    @property
    def open_streams(self) -> int:
        return sum(map(len, self._streams.values()))

    def close_round(self, run: str, number: int, verdict: pb.VerdictReply.Verdict.ValueType) -> None:
        digest = self.updates[run, number].digest if (run, number) in self.updates else ""
        self.verdicts[run, number] = pb.VerdictReply(verdict=verdict, digest=digest)

    # ---- Enrol ----

    async def Hello(self, request: enrol_pb2.HelloRequest, context: Context) -> enrol_pb2.HelloReply:
        return enrol_pb2.HelloReply(
            protocol=1, oldest_protocol=1, version="test", cluster="saturday", port=self.port, clock_ms=_now_ms()
        )

    async def Join(self, request: enrol_pb2.JoinRequest, context: Context) -> enrol_pb2.JoinReply:
        key = identity.public_key_of(request.csr)
        self.registered.add(node_id(key))
        return enrol_pb2.JoinReply(
            node=node_id(key),
            certificate=self.authority.issue_node(key, node_id(key), self.lifetime),
            group_key=GROUP_KEY,
            addresses=[f"127.0.0.1:{self.enrol_port}"],
            clock_ms=_now_ms(),
        )

    async def Renew(self, request: enrol_pb2.RenewRequest, context: Context) -> enrol_pb2.RenewReply:
        key = identity.public_key_of(request.csr)
        if node_id(key) not in self.registered:
            await refusal.refuse(context, Refused(Refusal.REVOKED, "This PC was removed from the group by its host."))
        self.renewals += 1
        return enrol_pb2.RenewReply(
            certificate=self.authority.issue_node(key, node_id(key), self.lifetime),
            addresses=[f"127.0.0.1:{self.enrol_port}"],
            clock_ms=_now_ms(),
        )

    # ---- Node ----

    async def Control(
        self, request_iterator: AsyncIterator[pb.NodeMessage], context: Context
    ) -> AsyncIterator[pb.CoordinatorMessage]:
        node = await self._caller(context)
        greeting = (await anext(aiter(request_iterator))).greeting
        self.greetings.append(greeting)
        self.availability.append(greeting.availability)
        self._change()
        stream: asyncio.Queue[pb.CoordinatorMessage | None] = asyncio.Queue()
        for older in self._streams[node]:  # as the host does
            older.put_nowait(None)
        self._streams[node].append(stream)
        reading = asyncio.ensure_future(self._read(node, aiter(request_iterator), stream))
        try:
            yield pb.CoordinatorMessage(
                welcome=pb.Welcome(
                    clock_ms=_now_ms(),
                    heartbeat_seconds=self.heartbeat_seconds,
                    lease_seconds=30,
                    cluster="saturday",
                    addresses=[f"127.0.0.1:{self.enrol_port}"],
                )
            )
            yield pb.CoordinatorMessage(duties=pb.Duties(duties=self.duties))
            while (message := await stream.get()) is not None:
                yield message
        finally:
            reading.cancel()
            if stream in self._streams[node]:
                self._streams[node].remove(stream)
            self._change()

    async def _read(
        self,
        node: NodeId,
        messages: AsyncIterator[pb.NodeMessage],
        stream: asyncio.Queue[pb.CoordinatorMessage | None],
    ) -> None:
        async for message in messages:
            match message.WhichOneof("message"):
                case "heartbeat":
                    self.heartbeats.append(message.heartbeat)
                case "availability":
                    self.availability.append(message.availability)
                    if message.availability.state == pb.Availability.STATE_STOPPED:
                        await anext(messages, None)  # as the host does
                        stream.put_nowait(None)
                case "evaluation":
                    self.evaluations.append(message.evaluation)
                case "leave":
                    self.left.append(node)
                    stream.put_nowait(None)
            self._change()

    async def UploadOffset(self, request: pb.UploadOffsetRequest, context: Context) -> pb.UploadOffsetReply:
        await self._caller(context)
        return pb.UploadOffsetReply(offset=self.blobs.partial_offset(Digest(request.digest)))

    async def Upload(self, request_iterator: AsyncIterator[pb.UploadChunk], context: Context) -> pb.VerdictReply:
        await self._caller(context)
        header: pb.UpdateHeader | None = None
        incoming = None
        came = 0
        async with refusal.answering(context):
            try:
                async for chunk in request_iterator:
                    if header is None or incoming is None:
                        header = chunk.header
                        self.headers.append(header)
                        if self.answer_early and (header.run, header.round) in self.verdicts:
                            return self.verdicts[header.run, header.round]
                        incoming = self.blobs.receiving(Digest(header.digest), header.size).__enter__()
                    if not chunk.data:
                        continue
                    data = chunk.data
                    if self.fault_damage_chunk:
                        self.fault_damage_chunk, data = False, b"\0" + data[1:]
                    incoming.write(chunk.offset, data, chunk.crc32)
                    came += len(chunk.data)
                    self.upload_bytes += len(chunk.data)
                    if self.fault_cut_upload_after is not None and came >= self.fault_cut_upload_after:
                        self.fault_cut_upload_after = None
                        await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
                assert header is not None
                assert incoming is not None
                incoming.finish()
            finally:
                if incoming is not None:
                    incoming.__exit__()
        key = (header.run, header.round)
        if key not in self.verdicts:
            self.updates[key] = header
            self.verdicts[key] = pb.VerdictReply(verdict=pb.VerdictReply.VERDICT_ACCEPTED, digest=header.digest)
        self._change()
        if self.fault_lose_reply:
            self.fault_lose_reply = False
            await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        return self.verdicts[key]

    async def Download(self, request: pb.DownloadRequest, context: Context) -> AsyncIterator[pb.DownloadChunk]:
        await self._caller(context)
        digest, went = Digest(request.digest), 0
        async with refusal.answering(context):
            size = self.blobs.size(digest) if self.blobs.has(digest) else 0
            size = self.fault_announce or size
            for offset, data, crc32 in self.blobs.chunks(digest, request.offset):
                if self.fault_damage_chunk:
                    self.fault_damage_chunk, data = False, b"\0" + data[1:]
                yield pb.DownloadChunk(offset=offset, data=data, crc32=crc32, size=size)
                went += len(data)
                self.download_bytes += len(data)
                if self.fault_cut_download_after is not None and went >= self.fault_cut_download_after:
                    self.fault_cut_download_after = None
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")

    async def Verdict(self, request: pb.VerdictRequest, context: Context) -> pb.VerdictReply:
        await self._caller(context)
        return self.verdicts.get((request.run, request.round), pb.VerdictReply())

    async def Models(self, request: pb.ModelsRequest, context: Context) -> pb.ModelsReply:
        await self._caller(context)
        return pb.ModelsReply(models=self.models)

    async def _caller(self, context: Context) -> NodeId:
        peer = identity.peer_of(context.auth_context()["x509_pem_cert"][0])
        assert peer.node is not None
        if peer.node not in self.registered:
            await refusal.refuse(context, Refused(Refusal.REVOKED, "This PC was removed from the group by its host."))
        return peer.node

    def _change(self) -> None:
        self._changed.set()


def _now_ms() -> int:
    return int(time.time() * 1000)
