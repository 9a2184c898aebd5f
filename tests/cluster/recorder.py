"""Reads along between a node and its host: a TLS proxy that holds both their keys, which only a test can have.

It ends the node's TLS as the coordinator, opens its own to the coordinator as the node, and keeps every byte the node
sends, in plain text, both as it came (HTTP/2) and joined per call (so that a text cut by a frame is still found).
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections import defaultdict
from pathlib import Path

from shared.authority import CertificateAuthority

PREFACE = 24  # bytes before the first HTTP/2 frame
DATA, PADDED = 0x0, 0x8


class Recorder:
    """Use as a context manager; `port` is where the node should dial."""

    def __init__(self, authority: CertificateAuthority, node_pki: Path, coordinator_port: int, folder: Path) -> None:
        shown = authority.issue_server()
        (folder / "recorder.key").write_bytes(shown.key_pem)
        (folder / "recorder.crt").write_bytes(shown.chain_pem)
        self._front = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._front.load_cert_chain(folder / "recorder.crt", folder / "recorder.key")
        self._front.load_verify_locations(node_pki / "ca.crt")
        self._front.verify_mode = ssl.CERT_REQUIRED
        self._back = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._back.check_hostname = False
        self._back.load_verify_locations(node_pki / "ca.crt")
        self._back.load_cert_chain(node_pki / "node.crt", node_pki / "node.key")
        for context in (self._front, self._back):
            context.set_alpn_protocols(["h2"])
        self._target = coordinator_port
        self._connections: list[bytearray] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self.port = 0

    def __enter__(self) -> Recorder:
        self._thread.start()
        assert self._up.wait(10), "the recorder did not come up"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)

    def sent(self) -> bytes:
        """Everything the node sent so far: raw, and the data of each call joined."""
        raw = [bytes(connection) for connection in self._connections]
        return b"\n".join([*raw, *(data for connection in raw for data in calls(connection))])

    async def _serve(self) -> None:
        """Until `__exit__`; then nothing is left open."""
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._front)
        self.port = server.sockets[0].getsockname()[1]
        self._up.set()
        await self._over.wait()
        server.close()
        for writer in self._writers:
            writer.transport.abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=5)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kept = bytearray()
        self._connections.append(kept)
        host_reader, host_writer = await asyncio.open_connection("127.0.0.1", self._target, ssl=self._back)
        self._writers |= {writer, host_writer}
        await asyncio.gather(pump(reader, host_writer, kept), pump(host_reader, writer, None))


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray | None) -> None:
    try:
        while data := await reader.read(1 << 16):
            if kept is not None:
                kept += data
            writer.write(data)
            await writer.drain()
    except OSError:
        return
    finally:
        writer.close()


def calls(connection: bytes) -> list[bytes]:
    """The DATA of each HTTP/2 stream, joined (RFC 9113, section 4.1 and 6.1)."""
    streams: defaultdict[int, bytearray] = defaultdict(bytearray)
    at = PREFACE
    while at + 9 <= len(connection):
        length, kind, flags = int.from_bytes(connection[at : at + 3], "big"), connection[at + 3], connection[at + 4]
        payload = connection[at + 9 : at + 9 + length]
        if kind == DATA:
            padding = payload[0] if flags & PADDED else 0
            streams[int.from_bytes(connection[at + 5 : at + 9], "big")] += payload[
                1 if flags & PADDED else 0 : len(payload) - padding
            ]
        at += 9 + length
    return [bytes(data) for data in streams.values()]
