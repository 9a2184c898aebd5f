"""A man in the middle: ends the node's TLS with a certificate of his own, reads along, and speaks to the host.

He may let the first connections pass untouched, for a victim that looks first and speaks later.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from pathlib import Path

PIECE = 1 << 16


class Eavesdropper:
    """Use as a context manager; `port` is where he waits, `heard` every byte a node told him in plain text."""

    def __init__(self, key_pem: bytes, chain_pem: bytes, target: int, folder: Path, honest: int = 0) -> None:
        (folder / "eavesdropper.pem").write_bytes(key_pem + chain_pem)
        self._front = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._front.load_cert_chain(folder / "eavesdropper.pem")
        self._back = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._back.check_hostname = False
        self._back.verify_mode = ssl.CERT_NONE
        for context in (self._front, self._back):
            context.set_alpn_protocols(["h2"])
        self._target, self._honest = target, honest
        self.heard = bytearray()
        self.connections = 0
        self.port = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> Eavesdropper:
        self._thread.start()
        assert self._ready.wait(10), "the eavesdropper did not come up"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()
        for writer in self._writers:
            writer.transport.abort()
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others, timeout=5)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        honest = self.connections <= self._honest
        self._writers.add(writer)
        try:
            if not honest:
                await writer.start_tls(self._front)
            back = None if honest else self._back
            host_reader, host_writer = await asyncio.open_connection("127.0.0.1", self._target, ssl=back)
            self._writers.add(host_writer)
            kept = bytearray() if honest else self.heard
            await asyncio.gather(pump(reader, host_writer, kept), pump(host_reader, writer, bytearray()))
        except OSError:
            writer.transport.abort()  # the node saw through him


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray) -> None:
    try:
        while data := await reader.read(PIECE):
            kept += data
            writer.write(data)
            await writer.drain()
    except OSError:
        return
    finally:
        writer.close()
