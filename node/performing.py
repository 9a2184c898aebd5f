"""How each wish is performed. Every one may be performed twice, and be cancelled at any moment."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar, assert_never

from node import bases, wire
from node.blobs_link import BlobsLink, WrongSize, in_thread
from node.connection import UNARY_SECONDS, Connection
from node.home import cache
from node.link import Link
from node.logic import bounds
from node.logic.backoff import wait_seconds
from node.logic.facts import (
    BlobsGone,
    BlobsHere,
    DeltaUseless,
    Fact,
    Fetched,
    JobRead,
    RoomWanted,
    Unusable,
    Verdict,
    VerdictHeard,
)
from node.logic.state import State, lost
from node.logic.wishes import (
    AskVerdict,
    Collect,
    Evaluate,
    FetchBlob,
    Halt,
    KeepTrainer,
    MakeModel,
    ReadJob,
    ReportAvailability,
    ReportEvaluation,
    Train,
    Upload,
    Wish,
)
from node.sent import Sent
from node.trainer import Trainer
from shared import job
from shared.blobs import Blobs
from shared.children import Child
from shared.errors import DiskFull, PeerMisbehaved, PotluckError, Refusal, Refused, TryLater
from shared.ids import Digest
from shared.log import Log
from shared.rpc.v1 import node_pb2 as pb

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Means:
    """What there is to perform with."""

    home: Path
    blobs: Blobs
    blobs_link: BlobsLink
    link: Link
    trainer: Trainer
    sent: Sent
    log: Log


class Performing:
    """Turns wishes into effects, and effects into facts. Hearing a fact may cancel us: it is the last thing done."""

    def __init__(self, means: Means, state: Callable[[], State], hear: Callable[[Fact], None]) -> None:
        self._means, self._state, self._hear = means, state, hear
        self._one_download = asyncio.Semaphore(1)  # files one after another: the first is soon complete

    async def perform(self, wish: Wish) -> None:
        means = self._means
        match wish:
            case FetchBlob(digest):
                await self._fetch(digest)
            case ReadJob(digest):
                await self._read_job(digest)
            case MakeModel():
                await self._make_model(wish)
            case KeepTrainer():
                job = self._state().jobs[wish.job]
                if await self._sound(wish.job, *job.files.values()):
                    await means.trainer.keep(wish, job)
            case Train(duty):
                if await self._sound(duty.model):
                    await means.trainer.train(duty, lost(self._state(), duty.run))
            case Evaluate(duty):
                if await self._sound(duty.model):
                    await means.trainer.evaluate(duty)
            case Halt():
                await means.trainer.halt()
            case Upload():
                await self._upload(wish)
            case AskVerdict():
                await self._ask(wish)
            case ReportAvailability(able):
                await self._said(means.link.say_availability(able))
            case ReportEvaluation(run, round_, metrics):
                await self._said(means.link.say_evaluation(run, round_, metrics))
            case Collect(keep):
                self._collect(keep)
            case _:
                assert_never(wish)

    async def _fetch(self, digest: Digest) -> None:
        """Have that blob here. One of a wrong size is not worth asking for again, and we say so."""
        bound = bounds.of(self._state(), digest)

        def progress(share: float) -> None:
            self._hear(Fetched(digest, share))

        async def attempt(line: Connection) -> None:
            async with self._one_download:
                progress(0.0)
                await self._means.blobs_link.download(line, digest, progress, bound)

        try:
            await self._insist(f"fetching {bound.what}", attempt, lambda why: self._hear(RoomWanted(why)))
        except WrongSize as error:
            stepped = [duty.model for duty in self._state().duties if duty.delta == digest]
            self._hear(DeltaUseless(stepped[0]) if stepped else Unusable(digest, error.sentence))
        else:
            self._hear(BlobsHere(frozenset({digest})))

    async def _upload(self, wish: Upload) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        verdict, sentence = await self._insist(
            "sending an update", lambda line: self._means.blobs_link.upload(line, wish.update)
        )
        self._hear(VerdictHeard(wish.update.run, wish.update.round, verdict, sentence, loop.time() - began))

    async def _ask(self, wish: AskVerdict) -> None:
        question = pb.VerdictRequest(run=wish.run, round=wish.round)

        async def attempt(line: Connection) -> tuple[Verdict, str]:
            self._means.sent.again(
                "question", question.ByteSize(), run=wish.run, round_number=wish.round, details="what became of it?"
            )
            try:
                async with line.words("asking for a verdict"):
                    return wire.verdict(await line.stub.Verdict(question, timeout=UNARY_SECONDS))
            except Refused as refused:
                if refused.refusal is not Refusal.NO_SUCH_RUN:
                    raise
                return Verdict.ABANDONED, refused.sentence

        verdict, sentence = await self._insist("asking for a verdict", attempt)
        self._hear(VerdictHeard(wish.run, wish.round, verdict, sentence))

    async def _read_job(self, digest: Digest) -> None:
        """Understand the job, and take in what this PC has of its base model."""
        means = self._means
        try:
            read = job.parse(means.blobs.read(digest))
        except PeerMisbehaved as error:
            self._hear(Unusable(digest, error.sentence))
            return
        except Refused:  # damaged on this disk, and set aside
            self._hear(BlobsGone(frozenset({digest})))
            return
        found = await bases.provide(read, means.blobs, cache(), means.home / "log" / "models.log", self._said_of_base)
        self._hear(BlobsHere(found))
        self._hear(JobRead(digest, read))

    def _said_of_base(self, sentence: str) -> None:
        self._means.log.warn("base-model", why=sentence)

    async def _make_model(self, wish: MakeModel) -> None:
        """One fp32 add in a child (numpy stays out of the agent); wrong bytes mean: fetch the whole model."""
        blobs, out = self._means.blobs, self._means.blobs.root / "partial" / f"{wish.model}.own"
        paths = [blobs.path(wish.parent), blobs.path(wish.delta), out, blobs.path(wish.job)]
        made = sentence = None
        child = await Child.start("shared.maths.apply", list(map(str, paths)), self._means.home / "log" / "models.log")
        try:
            async for words in child.facts():
                made, sentence = words.get("digest"), words.get("sentence")
        finally:
            await child.stop()
        if made == wish.model and out.exists():
            await in_thread(lambda: blobs.adopt(out, wish.model))
            self._hear(BlobsHere(frozenset({wish.model})))
        else:
            out.unlink(missing_ok=True)
            self._means.log.info("delta-useless", model=wish.model[:12], why=sentence or "another digest came out")
            self._hear(DeltaUseless(wish.model))

    async def _sound(self, *digests: Digest) -> bool:
        """Whether these files are still what they were when they came. One that is not is set aside and fetched anew:
        nobody trains from a model that rotted on the disk."""
        for digest in dict.fromkeys(digests):
            try:
                await in_thread(partial(self._means.blobs.verify, digest))
            except Refused as refused:
                self._means.log.warn("damaged", why=refused.sentence)
                self._hear(BlobsGone(frozenset({digest})))
                return False
        return True

    def _collect(self, keep: frozenset[Digest]) -> None:
        """Only what the state knows of: an update that is just being taken in is not touched."""
        gone = self._state().blobs - keep
        for digest in gone:
            self._means.blobs.drop(digest)
        self._hear(BlobsGone(gone))

    async def _said(self, saying: Awaitable[None]) -> None:
        try:
            await saying
        except TryLater:
            return  # the stream broke; the next one has another number, and the wish comes anew

    async def _insist(
        self, doing: str, attempt: Callable[[Connection], Awaitable[T]], cramped: Callable[[str], None] = lambda _: None
    ) -> T:
        """Until it works, or is no longer wished for; the first trouble of each kind is said. Raises WrongSize.

        `cramped` hears why the disk has no room, and an empty sentence when that is not, or no longer, what is wrong.
        """
        said = set()
        for number in range(1, 1 << 62):
            line = await self._means.link.connection()
            try:
                return await attempt(line)
            except WrongSize:
                raise
            except PotluckError as error:
                cramped(error.sentence if isinstance(error, DiskFull) else "")
                if error.sentence not in said:
                    said.add(error.sentence)
                    self._means.log.warn("trying-again", doing=doing, why=error.sentence)
            await asyncio.sleep(wait_seconds(number, random.random()))  # noqa: S311  jitter, not a secret
        raise AssertionError("unreachable")
