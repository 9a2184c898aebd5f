"""A bad line between a node and its host: a TCP proxy that is slow, forgetful, broken or dishonest, as it is told.

It sees only what a router sees, and counts what it passed on. The levers may be moved at any time, from any thread.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
import time

PIECE = 16 << 10  # bytes passed on at a time
PIECES = 16  # under way in one direction of one connection; what is lost when the line is cut
LOOK = 0.02  # seconds
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close at once and say so rudely


class Proxy:
    """Use as a context manager; `port` is where the node should dial."""

    def __init__(self, target: int, seed: int = 0) -> None:
        self.delay_seconds = 0.0  # each way
        self.bytes_per_second = 0.0  # each way; 0: as fast as it goes
        self.hole = False  # nothing passes and nothing is closed, as when a router forgot the connection
        self.flip_every = 0  # about one byte in so many is damaged; 0: none
        self.up = self.down = 0  # bytes that were passed on to the host, and to the node
        self.flipped = self.cuts = 0
        self.last_up = 0.0  # monotonic seconds
        self.port = 0
        self._target, self._chance = target, random.Random(seed)
        self._until_flip = 0.0
        self._writers: set[asyncio.StreamWriter] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        assert self._ready.wait(10), "the proxy did not come up"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)

    def cut(self) -> None:
        """Reset every connection now. New ones are welcome."""
        self._loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        self.cuts += bool(self._writers)
        for writer in self._writers:
            if (connection := writer.get_extra_info("socket")) is not None and connection.fileno() != -1:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()

    async def _serve(self) -> None:
        """Until `__exit__`; then nothing is left open."""
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()
        self._cut()
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in others:
                task.cancel()
            await asyncio.wait(others, timeout=5)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the node's, to its end."""
        try:
            host_reader, host_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, host_writer}
        self._writers |= both
        try:
            async with asyncio.TaskGroup() as tasks:
                for way in (self._pump(reader, host_writer, up=True), self._pump(host_reader, writer, up=False)):
                    tasks.create_task(way)
        except* OSError:
            pass  # one side hung up, or we cut it
        finally:
            self._writers -= both
            for one in both:
                one.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        """Take from one side and give to the other, each in its own time. Raises OSError when that side ends."""
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(PIECES)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._give(queue, writer, up=up))
            while True:
                data = await reader.read(PIECE)
                await queue.put((self._loop.time() + self.delay_seconds, data))
                if not data:
                    return

    async def _give(self, queue: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter, *, up: bool) -> None:
        while True:
            due, data = await queue.get()
            await asyncio.sleep(max(0.0, due - self._loop.time()))
            if self.bytes_per_second:
                await asyncio.sleep(len(data) / self.bytes_per_second)
            while self.hole:
                await asyncio.sleep(LOOK)
            if not data:
                raise ConnectionResetError("one side has ended")
            writer.write(self._damaged(data))
            await writer.drain()
            if up:
                self.up += len(data)
                self.last_up = time.monotonic()
            else:
                self.down += len(data)

    def _damaged(self, data: bytes) -> bytes:
        if not self.flip_every:
            return data
        self._until_flip -= len(data)
        if self._until_flip > 0:
            return data
        self._until_flip = self.flip_every * self._chance.uniform(0.5, 1.5)
        self.flipped += 1
        broken = bytearray(data)
        broken[self._chance.randrange(len(data))] ^= 1 << self._chance.randrange(8)
        return bytes(broken)
