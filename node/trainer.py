"""The trainer: the ranks are told what to do, and their words, and their end, become facts."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from node import fitting, membership
from node.blobs_link import in_thread
from node.home import Settings
from node.logic.facts import (
    Duty,
    Evaluated,
    Fact,
    FitChosen,
    FitSought,
    Metrics,
    NothingFits,
    Progressed,
    TrainerFailed,
    TrainerGone,
    TrainerHalted,
    TrainerNoted,
    TrainerOpened,
    TrainerStarted,
    TrainerTold,
    TrainerWarm,
    Update,
    UpdateWritten,
)
from node.logic.wishes import KeepTrainer
from node.ranks import (
    STOP_SECONDS,
    Bench,
    how_ended,
    last_words,
    opening,
    settings_for,
    start_ranks,
    stop_all,
    was_killed,
)
from shared.blobs import Blobs
from shared.children import Child, Words
from shared.disk import private_folder
from shared.errors import PotluckError
from shared.ids import Digest, RunId
from shared.job import Job
from shared.result import furnish

OPENING_SECONDS = 1.0  # from asking to insisting, while it is still opening: it has nothing to save

Hear = Callable[[Fact], None]


class Trainer:
    """At most one set of ranks at a time."""

    def __init__(self, home: Path, settings: Settings, blobs: Blobs, hear: Hear) -> None:
        self._home, self._settings, self._blobs, self._hear = home, settings, blobs, hear
        self._one = asyncio.Lock()
        self._lead: Child | None = None
        self._told: Duty | None = None
        self._opened = False

    async def keep(self, wish: KeepTrainer, job: Job) -> None:
        """Start the ranks, open the job, hear them until they end. Cancelled: stop them and give their memory back."""
        async with self._one:
            ending, killed = "", False
            log = self._home / "log" / "trainer.log"
            ranks: list[Child] = []
            self._opened = False
            try:
                self._hear(TrainerStarted(wish.run))
                bench = Bench(private_folder(self._home / "runs" / wish.run))
                await in_thread(lambda: furnish(bench.base, job, self._blobs))
                settings = settings_for(self._settings, job)
                found = await fitting.find(self._home, bench, settings, job, wish.cuts, lambda: self._hear(FitSought()))
                if found.sentence:
                    self._hear(FitChosen(found.sentence))
                ranks += await start_ranks(bench, settings, log)
                self._lead = ranks[0]
                job_file = self._blobs.path(wish.job)
                await self._lead.tell(opening(self._home, bench, settings, job_file, found.fit))
                ending = await self._hear_all(ranks, wish.run, log)
                killed = any(was_killed(child.returncode) for child in ranks)
            except fitting.TooLarge as error:
                self._hear(NothingFits(wish.run, error.sentence))
            except (PotluckError, OSError) as error:
                ending = error.sentence if isinstance(error, PotluckError) else f"it could not be started ({error})."
            finally:
                self._lead = None
                try:
                    await stop_all(ranks, STOP_SECONDS if self._opened else OPENING_SECONDS)
                finally:  # also when it is no longer wished for while we clear up after its death
                    self._hear(TrainerGone(ending, killed))

    async def train(self, duty: Duty, lost: Sequence[int] = ()) -> None:
        """`lost`: earlier rounds whose update did not count."""
        bench = Bench(self._home / "runs" / duty.run)
        bench.forget_updates_before(duty.round)
        self._told = duty
        await self._tell(
            {
                "op": "train",
                "node": membership.load(self._home).node,
                "round": duty.round,
                "done": duty.done,
                "lost": list(lost),
                "model": str(self._blobs.path(duty.model)),
                "model_digest": duty.model,
                "config": _scalars(duty.config),
                "out": str(bench.update(duty.round)),
            },
            duty,
        )

    async def evaluate(self, duty: Duty) -> None:
        self._told = duty
        model = str(self._blobs.path(duty.model))
        await self._tell({"op": "evaluate", "round": duty.round, "model": model, "model_digest": duty.model}, duty)

    async def halt(self) -> None:
        """Finish the step under way and write what there is."""
        if self._told is not None:
            await self._tell({"op": "halt"}, self._told)

    async def _tell(self, words: Words, duty: Duty) -> None:
        if self._lead is not None:
            await self._lead.tell(words)
            self._hear(TrainerTold(words["op"], duty.round, duty.model))

    async def _hear_all(self, ranks: list[Child], run: RunId, log: Path) -> str:
        """Until any rank ends; the others cannot go on without it. Returns why, in words."""

        async def listen(rank: int, child: Child) -> str:
            async for words in child.facts():
                if rank == 0:
                    await self._understand(words, run)
            return f"its process {rank} ended{how_ended(child.returncode)}"

        first: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def report(rank: int, child: Child) -> None:
            ending = await listen(rank, child)
            if not first.done():
                first.set_result(ending)

        async with asyncio.TaskGroup() as listening:
            tasks = [listening.create_task(report(rank, child)) for rank, child in enumerate(ranks)]
            ending = await first
            for task in tasks:
                task.cancel()
        return f"{ending}{last_words(log)}"

    async def _understand(self, words: Words, run: RunId) -> None:
        duty = self._told
        match words.get("fact"):
            case "opened":
                self._opened = True
                self._hear(TrainerOpened(str(words["engine"]), str(words["dtype"]), float(words["step_seconds"])))
            case "progress":
                self._hear(
                    Progressed(
                        int(words["round"]), int(words["step"]), int(words["steps"]), float(words["share"]),
                        float(words["loss"]), float(words["tokens_per_second"]),
                        str(words.get("gradient", "")), _metrics(words.get("metrics", {})),
                    )
                )  # fmt: skip
            case "trained" if duty is not None:
                update = Update(
                    run, int(words["round"]), duty.model, Digest(words["digest"]), int(words["size"]),
                    int(words["tokens"]), int(words["steps"]), float(words["share"]), _metrics(words["metrics"]),
                )  # fmt: skip
                await in_thread(lambda: take_in(self._blobs, Path(words["update"]), update.digest))
                self._hear(UpdateWritten(update))
            case "halted":
                self._hear(TrainerHalted(int(words["round"])))
            case "evaluated":
                self._hear(Evaluated(run, int(words["round"]), _metrics(words["metrics"])))
            case "note":
                self._hear(TrainerNoted(str(words["sentence"])))
            case "heat":
                self._hear(TrainerWarm(str(words["pace"]), float(words["celsius"]), float(words["limit"])))
            case "failed":
                self._hear(TrainerFailed(str(words["sentence"]), words.get("kind") == "memory"))
            case _:
                pass  # a word of a newer trainer


def take_in(blobs: Blobs, file: Path, digest: Digest) -> None:
    """The update becomes a blob. The trainer keeps its own file, to answer the same question again."""
    if blobs.has(digest):
        return
    beside = blobs.root / "partial" / f"{digest}.own"
    beside.unlink(missing_ok=True)
    try:
        os.link(file, beside)
    except OSError:  # another disk, or one without hard links
        shutil.copyfile(file, beside)
    blobs.adopt(beside, digest)


def _metrics(raw: Mapping[str, Any]) -> Metrics:
    return tuple(sorted((str(name), float(value)) for name, value in raw.items() if isinstance(value, int | float)))


def _scalars(text: str) -> dict[str, Any]:
    """Flower's ConfigRecord as it came: an object of scalars, or nothing."""
    try:
        raw = json.loads(text)
    except ValueError:
        return {}
    return raw if isinstance(raw, dict) else {}
