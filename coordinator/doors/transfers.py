"""Updates in, models out: streams of at most 1 MiB, resumable, verified, with bounded memory whatever the size."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING

from coordinator.doors import convert, inspection
from coordinator.logic import claims, verdicts
from coordinator.logic.cluster import Cluster
from coordinator.logic.facts import UpdateRefused, Uploaded
from coordinator.logic.round_state import Phase, Round
from coordinator.logic.runs import Run, record
from coordinator.logic.verdicts import Answer, Verdict
from shared.blobs import Blobs
from shared.codec import safe
from shared.disk import require_space
from shared.errors import Refusal, Refused, TryLater
from shared.ids import Digest, NodeId, RunId, is_digest
from shared.job import Job
from shared.job import parse as parse_job
from shared.rpc.v1 import node_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coordinator.heartbeats import Heartbeats
    from coordinator.ledger import Ledger

IDLE = 60.0  # seconds without a chunk after which an upload is given up; the node resumes it
METRICS = 64  # named figures an update may carry


class Transfers:
    """The two bulk doors. One upload per node at a time."""

    def __init__(self, ledger: Ledger, blobs: Blobs, heartbeats: Heartbeats) -> None:
        self._ledger, self._blobs, self._heartbeats = ledger, blobs, heartbeats
        self._jobs: dict[Digest, Job] = {}
        self._busy: set[NodeId] = set()
        self._begun: dict[NodeId, Digest] = {}  # the newest upload of each node: an older, unfinished one is dropped
        self.incoming: Counter[Digest] = Counter()  # not yet in the journal: garbage collection must leave them

    async def upload(self, node: NodeId, chunks: AsyncIterator[node_pb2.UploadChunk]) -> Answer:
        """Take one update: header, bytes, check, journal, answer."""
        first = await following(chunks)
        if first is None or not first.HasField("header"):
            raise Refused(Refusal.MALFORMED, "An upload starts with its header.")
        header = first.header
        run, round_number, digest = RunId(header.run), int(header.round), Digest(header.digest)
        answer, job = self._expected(node, header)
        if answer is not None:
            return await self._decline(node, header, answer)
        assert job is not None
        with self._one_at_a_time(node, digest):
            if (older := self._begun.get(node, digest)) != digest and not self._blobs.has(older):
                self._blobs.drop(older)
            self._begun[node] = digest
            known = self._blobs.has(digest)
            await self._receive(node, first, chunks)
            spec, base = self._run(run).spec, Digest(header.model)
            made_by = safe.Origin(node, run, round_number)
            refused = await asyncio.to_thread(
                inspection.refuses, self._blobs, digest, job, base, spec.get("max_norm"), made_by
            )
            at = self._ledger.now()
            if refused:
                if not known:
                    self._blobs.drop(digest)
                await self._ledger.record(UpdateRefused(at, run, round_number, node, digest, refused))
            else:
                await self._ledger.record(uploaded(at, node, header))
        return await self.verdict(node, run, round_number, digest)

    async def download(self, node: NodeId, digest: Digest, offset: int) -> AsyncIterator[node_pb2.DownloadChunk]:
        """A blob that members may have: models, deltas and a run's own files; never another friend's update."""
        if digest not in served(self._ledger.state, self.job):
            raise Refused(Refusal.NO_SUCH_BLOB, f"The file {digest[:12]} is not one that members may fetch (any more).")
        size = self._blobs.size(digest) if self._blobs.has(digest) else 0
        if offset > size:
            raise Refused(Refusal.MALFORMED, f"The file {digest[:12]} has {size:,} bytes; nothing comes after them.")
        for start, data, crc in self._blobs.chunks(digest, offset):
            yield node_pb2.DownloadChunk(offset=start, data=data, crc32=crc, size=size)
            self._heartbeats.hear(node)
            self._heartbeats.sent[node] += len(data)

    def offset(self, digest: Digest) -> int:
        if not is_digest(digest):
            raise Refused(Refusal.MALFORMED, "That is not a SHA-256 digest.")
        return self._blobs.partial_offset(digest)

    async def verdict(self, node: NodeId, run: RunId, round_number: int, digest: Digest | None = None) -> Answer:
        """Once all that it follows from is safe: the node acts upon it, and a crash must not take it back."""
        answer = verdicts.verdict(self._round(self._run(run), round_number), node, digest)
        await self._ledger.record()
        return answer

    def job(self, digest: Digest) -> Job:
        """The run's description, read once."""
        if digest not in self._jobs:
            self._jobs[digest] = parse_job(self._blobs.read(digest))
        return self._jobs[digest]

    def _expected(self, node: NodeId, header: node_pb2.UpdateHeader) -> tuple[Answer | None, Job | None]:
        """Either an answer that needs no bytes, or the job that the bytes must fit."""
        run = self._run(RunId(header.run))
        round_ = self._round(run, int(header.round))
        digest = Digest(header.digest)
        answer = verdicts.verdict(round_, node, digest)
        if answer.verdict is not Verdict.NOTHING:
            return answer, None
        if round_.phase is not Phase.TRAINING or run.job is None:
            raise Refused(Refusal.UPDATE, f"Round {round_.number} is {round_.phase}: it takes no updates now.")
        if header.model != round_.base:
            words = f"The update was trained from another model than round {round_.number} started from."
            return Answer(Verdict.REFUSED, words, digest), None
        job = self.job(run.job)
        made_by = safe.Origin(node, run.run, round_.number)
        want = safe.layout(job.tensors, inspection.codec_of(job), made_by.metadata).size
        if header.size != want:
            words = f"An update of this run has {want:,} bytes; this one has {header.size:,}."
            return Answer(Verdict.REFUSED, words, digest), job
        figures = [header.share, *header.metrics.values()]
        if (
            len(header.metrics) > METRICS
            or not all(map(math.isfinite, figures))
            or not 0 < header.share <= 1
            or not 0 < header.tokens < 1 << 53
        ):
            return Answer(Verdict.REFUSED, "The update's figures (share, tokens, metrics) make no sense.", digest), job
        steps = job.steps if job.app is None else None  # what an app counts as an example, only its author knows
        if words := claims.too_many_tokens(
            int(header.tokens), steps=steps, batch=job.batch, values=inspection.values(self._blobs, job),
            seconds=self._ledger.now() - round_.started,
        ):  # fmt: skip
            return Answer(Verdict.REFUSED, words, digest), job
        require_space(self._blobs.root, want, "a friend's update")
        return None, job

    async def _decline(self, node: NodeId, header: node_pb2.UpdateHeader, answer: Answer) -> Answer:
        """No bytes are taken. A refusal and a late arrival are journalled, so that the host sees them too."""
        run, round_number, digest = RunId(header.run), int(header.round), Digest(header.digest)
        if answer.verdict is Verdict.REFUSED and is_digest(digest):
            await self._ledger.record(
                UpdateRefused(self._ledger.now(), run, round_number, node, digest, answer.sentence)
            )
        elif answer.verdict is Verdict.LATE and is_digest(digest):
            await self._ledger.record(uploaded(self._ledger.now(), node, header))
        await self._ledger.record()  # what the answer follows from may not be safe yet
        return answer

    async def _receive(
        self, node: NodeId, first: node_pb2.UploadChunk, chunks: AsyncIterator[node_pb2.UploadChunk]
    ) -> None:
        header = first.header
        with self._blobs.receiving(Digest(header.digest), header.size) as incoming:
            chunk: node_pb2.UploadChunk | None = first
            while chunk is not None and incoming.offset < header.size:
                if data := chunk.data:  # asked for once: protobuf copies the megabyte each time
                    incoming.write(chunk.offset, data, chunk.crc32)
                    self._heartbeats.hear(node)
                    self._heartbeats.received[node] += len(data)
                if incoming.offset < header.size:
                    chunk = await following(chunks)
            await asyncio.to_thread(incoming.finish)

    @contextmanager
    def _one_at_a_time(self, node: NodeId, digest: Digest) -> Iterator[None]:
        if node in self._busy or self.incoming[digest]:
            raise Refused(Refusal.BUSY, "An upload of this PC is still under way; this one is tried again in a moment.")
        self._busy.add(node)
        self.incoming[digest] += 1
        try:
            yield
        finally:
            self._busy.discard(node)
            del self.incoming[digest]

    def _run(self, name: RunId) -> Run:
        run = self._ledger.state.runs.get(name)
        if run is None:
            raise Refused(Refusal.NO_SUCH_RUN, f"This group has no run called {convert.text(name, 80)!r}.")
        return run

    def _round(self, run: Run, number: int) -> Round:
        round_ = record(run, number)
        if round_ is None:
            raise Refused(Refusal.NO_SUCH_RUN, f"{run.run} has had no round {number} yet.")
        return round_


async def following(chunks: AsyncIterator[node_pb2.UploadChunk]) -> node_pb2.UploadChunk | None:
    """The next chunk, or None at the end. A sender that falls silent is told to resume."""
    try:
        async with asyncio.timeout(IDLE):
            return await anext(chunks, None)
    except TimeoutError as error:
        raise TryLater(
            f"Nothing came for {IDLE:.0f} s, so the upload was put aside. It goes on where it stopped."
        ) from error


def uploaded(at: float, node: NodeId, header: node_pb2.UpdateHeader) -> Uploaded:
    return Uploaded(
        at, RunId(header.run), int(header.round), node, Digest(header.digest), int(header.size),
        int(header.tokens), int(header.steps), float(header.share), convert.metrics(header.metrics),
    )  # fmt: skip


def served(cluster: Cluster, job: Callable[[Digest], Job]) -> set[Digest]:
    """Blobs that any member may fetch: each run's job and files, its newest model, and the step from the one before."""
    found: set[Digest | None] = set()
    for run in cluster.runs.values():
        if run.job is not None:
            found |= {run.job, run.model, run.delta, *job(run.job).files.values()}
        if run.round is not None:
            found.add(run.round.base)
    return {digest for digest in found if digest is not None}
