"""Blobs over the connection: resumed after a cut, checked chunk by chunk, one chunk in memory whatever the size."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from node import wire
from node.connection import UNARY_SECONDS, AnswerLost, Connection
from node.logic.bounds import Bound
from node.logic.facts import Update, Verdict
from node.sent import Sent
from shared.blobs import Blobs
from shared.errors import PeerMisbehaved, Refusal, Refused, TryLater
from shared.ids import Digest
from shared.rpc.v1 import node_pb2 as pb
from shared.units import size_words

STALL_SECONDS = 120.0  # without a byte (or, after the last one, a verdict) the call is given up and resumed
DAMAGED = 5  # damaged chunks, or lost answers, in a row before the line itself is blamed
NOTE_EVERY = 16 << 20  # bytes between two notes of what has left
_FINAL = {Refusal.UPDATE, Refusal.MALFORMED, Refusal.NO_SUCH_RUN}
_EMPTY = hashlib.sha256().hexdigest()

T = TypeVar("T")


class WrongSize(PeerMisbehaved):
    """The host offers a file of another size than the run's description allows: nothing of it was taken."""

    def __init__(self, bound: Bound, offered: int) -> None:
        most = "" if bound.exact else " at most"
        super().__init__(
            f"The host offers {bound.what} with {size_words(offered)}; it must have {size_words(bound.bytes)}{most}. "
            "Nothing of it was taken. Ask the host what happened."
        )


class BlobsLink:
    """Moves blobs between this PC's store and the host's."""

    def __init__(self, blobs: Blobs, sent: Sent) -> None:
        self._blobs = blobs
        self._sent = sent

    async def download(self, line: Connection, digest: Digest, progress: Callable[[float], None], bound: Bound) -> None:
        """Have `digest` here, going on where an earlier attempt stopped. `progress` hears shares of the whole.

        Raises Refused (no-such-blob and the like), TryLater, OwnerMustAct (disk full) or WrongSize, which alone is
        final; calling again resumes.
        """
        for _ in range(DAMAGED):
            if self._blobs.has(digest):
                return
            try:
                await self._receive(line, digest, progress, bound)
            except Refused as refused:
                if refused.refusal is not Refusal.CORRUPT:
                    raise
        if not self._blobs.has(digest):
            raise TryLater(f"The file {digest[:12]} arrived damaged {DAMAGED} times. The network may be at fault.")

    async def upload(self, line: Connection, update: Update) -> tuple[Verdict, str]:
        """Send an update, or what the host lacks of it, and hear the verdict. Raises TryLater, Refused; repeatable."""
        trouble = ""
        if not self._blobs.has(update.digest):
            return Verdict.REFUSED, "The update's file is gone from this PC's disk; there is nothing to send."
        for _ in range(DAMAGED):
            try:
                return await self._send(line, update)
            except Refused as refused:
                if refused.refusal in _FINAL:
                    return Verdict.REFUSED, refused.sentence
                if refused.refusal is not Refusal.CORRUPT:
                    raise
                trouble = refused.sentence
            except AnswerLost as lost:
                trouble = lost.sentence
                continue
            try:  # damaged on the way, or on this disk?
                await in_thread(lambda: self._blobs.verify(update.digest))
            except Refused as refused:
                return Verdict.REFUSED, refused.sentence
        raise TryLater(f"The update of round {update.round} could not be sent: {trouble}")

    async def _receive(self, line: Connection, digest: Digest, progress: Callable[[float], None], bound: Bound) -> None:
        offset = self._blobs.partial_offset(digest)
        request = pb.DownloadRequest(digest=digest, offset=offset)
        self._sent.note("request", request.ByteSize(), digest=digest, details="send it here")
        call = line.stub.Download(request)
        incoming, told = None, 0.0
        try:
            async with line.words("fetching a file"), _stalling() as alive:
                async for chunk in call:
                    alive()
                    if incoming is None:
                        if chunk.size > bound.bytes or (bound.exact and chunk.size != bound.bytes):
                            raise WrongSize(bound, chunk.size)
                        incoming = self._blobs.receiving(digest, chunk.size, bound.what)
                        await in_thread(incoming.__enter__)
                        if incoming.offset < chunk.offset:  # what was here is gone: from the start, next time
                            return
                    incoming.write(chunk.offset, chunk.data, chunk.crc32)
                    if time.monotonic() - told >= 1.0:
                        told = time.monotonic()
                        progress(incoming.offset / max(1, chunk.size))
            if incoming is not None:
                await in_thread(incoming.finish)
            elif offset == 0 and digest == _EMPTY:
                self._blobs.put(b"")
            elif offset:  # every byte came before the cut
                with self._blobs.receiving(digest, offset) as complete:
                    await in_thread(complete.finish)
        finally:
            call.cancel()
            if incoming is not None:
                incoming.__exit__()

    async def _send(self, line: Connection, update: Update) -> tuple[Verdict, str]:
        async with line.words("sending an update"):
            question = pb.UploadOffsetRequest(digest=update.digest)
            details, left = f"{update.share:.0%} of its steps", question.ByteSize()
            note = self._sent.note(
                "update", left, run=update.run, round_number=update.round, digest=update.digest, details=details
            )
            here = await line.stub.UploadOffset(question, timeout=UNARY_SECONDS)
            start = min(here.offset, update.size)
            details += f", from byte {start:,}" if start else ""

            async def chunks() -> AsyncIterator[pb.UploadChunk]:
                nonlocal left
                noted = left
                async for chunk in self._chunks(update, start):
                    alive()
                    left += chunk.ByteSize()
                    if left - noted >= NOTE_EVERY:
                        noted = left
                        self._sent.more(note, left, details)
                    yield chunk

            try:
                async with _stalling() as alive:
                    reply = await line.stub.Upload(chunks())
            finally:
                self._sent.more(note, left, details)
            return wire.verdict(reply)

    async def _chunks(self, update: Update, start: int) -> AsyncIterator[pb.UploadChunk]:
        header: pb.UpdateHeader | None = wire.header(update)
        if start == update.size:  # every byte is there already: only the header goes
            yield pb.UploadChunk(header=header, offset=start)
            return
        for offset, data, crc32 in self._blobs.chunks(update.digest, start):
            yield pb.UploadChunk(header=header, offset=offset, data=data, crc32=crc32)
            header = None


async def in_thread(work: Callable[[], T]) -> T:
    """Do slow disk work in a thread. When cancelled, wait for it to end first: nobody pulls a file from under it."""
    future = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        raise


class _stalling:  # noqa: N801  reads as a sentence: async with _stalling() as alive
    """A time limit that starts anew whenever the thing it gives is called. Raises TryLater."""

    async def __aenter__(self) -> Callable[[], None]:
        self._timeout = asyncio.timeout(STALL_SECONDS)
        await self._timeout.__aenter__()
        loop = asyncio.get_running_loop()
        return lambda: self._timeout.reschedule(loop.time() + STALL_SECONDS)

    async def __aexit__(self, *exception: Any) -> None:
        try:
            await self._timeout.__aexit__(*exception)
        except TimeoutError as error:
            raise TryLater(f"The host was silent for {STALL_SECONDS:.0f} s in the middle of a file.") from error
