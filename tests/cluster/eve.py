"""A friend who has really joined, with a real certificate, and says whatever she likes."""

from __future__ import annotations

import hashlib
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc.aio
import numpy as np

from node import membership, wire
from node.connection import Connection, connect
from node.logic.facts import Availability, Readiness
from shared import job as job_
from shared.blobs import CHUNK, Blobs
from shared.codec import safe
from shared.codec.bf16 import Float32
from shared.ids import Digest, NodeId, RunId
from shared.job import Job, TensorSpec
from shared.rpc.protocol import PROTOCOL, VERSION
from shared.rpc.v1 import node_pb2 as pb

Control = grpc.aio.StreamStreamCall[pb.NodeMessage, pb.CoordinatorMessage]


class Eve:
    """One control stream, kept open, and uploads by hand."""

    def __init__(self, line: Connection, blobs: Blobs, node: NodeId) -> None:
        self.stub, self.node = line.stub, node
        self.call: Control = line.stub.Control()
        self.duty = pb.Duty()
        self._blobs = blobs

    async def greet(self) -> None:
        me = wire.Introduction(VERSION, "eve", "a toaster", (), Availability(Readiness.READY))
        await self.call.write(wire.greeting(me, PROTOCOL, int(time.time() * 1000)))

    @property
    def job(self) -> Job:
        """As the host's own folder has it."""
        return job_.parse(self._blobs.read(Digest(self.duty.job)))

    async def asked(self, round_: int = 1) -> None:
        """Read the control stream until a duty to train in that round comes."""
        while self.duty.round != round_:
            message = await self.call.read()
            assert isinstance(message, pb.CoordinatorMessage), "the host hung up"
            training = [duty for duty in message.duties.duties if duty.kind == pb.Duty.KIND_TRAIN]
            self.duty = next(iter(training), self.duty)

    def header(self, data: bytes, **changes: object) -> pb.UpdateHeader:
        """What an honest node would say of `data`."""
        honest = pb.UpdateHeader(
            digest=hashlib.sha256(data).hexdigest(), size=len(data), run=self.duty.run, round=self.duty.round,
            model=self.duty.model, tokens=64, steps=4, share=1.0, metrics={"loss": 2.0},
        )  # fmt: skip
        for name, value in changes.items():
            setattr(honest, name, value)
        return honest

    async def upload(self, data: bytes, header: pb.UpdateHeader | None = None, damage: int = 0) -> tuple[str, str]:
        """(verdict or status, sentence). `damage` is added to each chunk's CRC."""

        async def chunks() -> AsyncIterator[pb.UploadChunk]:
            first: pb.UpdateHeader | None = header or self.header(data)
            for offset in range(0, max(len(data), 1), CHUNK):
                piece = data[offset : offset + CHUNK]
                crc = (zlib.crc32(piece) + damage) % (1 << 32)
                yield pb.UploadChunk(header=first, offset=offset, data=piece, crc32=crc)
                first = None

        try:
            reply = await self.stub.Upload(chunks(), timeout=30)
        except grpc.aio.AioRpcError as error:
            return str(dict(error.trailing_metadata() or ()).get("potluck-refusal")), error.details() or ""
        verdict, sentence = wire.verdict(reply)
        return verdict.value, sentence

    async def download(self, digest: str) -> tuple[str, str]:
        """("bytes", how many), or the refusal."""
        try:
            size = 0
            async for chunk in self.stub.Download(pb.DownloadRequest(digest=digest), timeout=30):
                size += len(chunk.data)
        except grpc.aio.AioRpcError as error:
            return str(dict(error.trailing_metadata() or ()).get("potluck-refusal")), error.details() or ""
        return "bytes", str(size)

    def update(
        self,
        seed: int = 0,
        tensors: tuple[TensorSpec, ...] = (),
        fill: float | None = None,
        made_for: tuple[str, int] | None = None,
    ) -> bytes:
        """A file of the run's tensors (or of others), of small noise; `fill` is its very last value.

        `made_for`: a run and a round, if not those of the duty.
        """
        specs = tensors or self.job.tensors
        run, round_ = made_for or (self.duty.run, self.duty.round)
        where = safe.layout(specs, self.job.codec, safe.Origin(self.node, RunId(run), round_).metadata)
        draw = np.random.default_rng(seed)

        def values() -> Iterator[tuple[str, Float32]]:
            for spec in where.tensors:
                made = (1e-3 * draw.standard_normal(spec.shape)).astype(np.float32)
                if fill is not None and spec == where.tensors[-1]:
                    made.reshape(-1)[-1] = fill
                yield spec.name, made

        path = self._blobs.root.parent / "eve.safetensors"
        safe.write(path, values(), where)
        data = path.read_bytes()
        path.unlink()
        return data


@asynccontextmanager
async def eve(home: Path, blobs: Blobs) -> AsyncIterator[Eve]:
    """Connected and greeted. `blobs` are the host's: she may look things up there that no member is given."""
    line = await connect(home)
    try:
        guest = Eve(line, blobs, membership.load(home).node)
        await guest.greet()
        yield guest
        guest.call.cancel()
    finally:
        await line.close()
