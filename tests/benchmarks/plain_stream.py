"""The simplest honest way to send a file: one TLS gRPC stream of 1 MiB messages, written and flushed to the disk.

`python -m tests.benchmarks.plain_stream FOLDER` serves it in a process of its own, as the coordinator has one.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from shared.authority import CertificateAuthority
from shared.rpc import tls

METHOD = "/plain.Plain/Upload"
CHUNK = 1 << 20  # bytes


async def send(folder: Path, port: int, file: Path) -> None:
    """Send one file, and wait until it is on the other side's disk."""

    async def chunks() -> AsyncIterator[bytes]:
        with open(file, "rb") as source:
            while data := source.read(CHUNK):
                yield data

    async with tls.channel(f"127.0.0.1:{port}", (folder / "ca.crt").read_bytes()) as channel:
        upload: grpc.aio.StreamUnaryMultiCallable[bytes, bytes] = channel.stream_unary(METHOD)
        answer = await upload(chunks())
        assert int(answer) == file.stat().st_size


@contextmanager
def serving(folder: Path) -> Iterator[int]:
    """The server's port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.plain_stream", str(folder)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


async def serve(folder: Path) -> None:
    async def upload(chunks: AsyncIterator[bytes], _: Any) -> bytes:
        with open(folder / "received", "wb") as file:
            async for data in chunks:
                file.write(data)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
            return str(file.tell()).encode()

    handler: Any = grpc.stream_unary_rpc_method_handler(upload)
    server = grpc.aio.server(options=tls.server_options())
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("plain.Plain", {"Upload": handler}),))
    identity = tls.ServerIdentity(CertificateAuthority.load(folder).issue_server(), (folder / "ca.crt").read_bytes())
    port = server.add_secure_port("127.0.0.1:0", identity.credentials(mutual=False))
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
