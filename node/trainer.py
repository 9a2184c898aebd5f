"""The trainer: one child process a rank, the only ones with torch in them. Their words, and their end, become facts."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node import probe
from node.bases import furnish
from node.blobs_link import in_thread
from node.home import Settings, collections
from node.logic.facts import (
    Duty,
    Evaluated,
    Fact,
    Metrics,
    Progressed,
    TrainerFailed,
    TrainerGone,
    TrainerHalted,
    TrainerOpened,
    TrainerStarted,
    TrainerTold,
    Update,
    UpdateWritten,
)
from node.logic.wishes import KeepTrainer
from shared.blobs import Blobs
from shared.children import Child, Words
from shared.disk import private_folder
from shared.errors import PotluckError
from shared.ids import Digest, RunId
from shared.job import Job

LOG_BYTES = 16 << 20  # then the trainer's log starts anew, and the old one is kept once
STOP_SECONDS = 10.0  # from closing its standard input to insisting
OPENING_SECONDS = 1.0  # the same for a trainer that is still opening: it has nothing to save

Hear = Callable[[Fact], None]


@dataclass(frozen=True, slots=True)
class Bench:
    """The folder of one run on this PC."""

    folder: Path

    @property
    def base(self) -> Path:
        return self.folder / "base"

    @property
    def work(self) -> Path:
        return self.folder / "work"

    def update(self, round_: int) -> Path:
        return self.work / f"update-{round_:06d}.safetensors"

    def forget_updates_before(self, round_: int) -> None:
        """Earlier rounds' files; what was not acknowledged is kept as a blob."""
        for path in self.work.glob("update-*"):
            if path.name < self.update(round_).name:
                path.unlink(missing_ok=True)


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
            ending = ""
            log = self._home / "log" / "trainer.log"
            ranks: list[Child] = []
            self._opened = False
            try:
                self._hear(TrainerStarted(wish.run))
                bench = Bench(private_folder(self._home / "runs" / wish.run))
                await in_thread(lambda: furnish(bench.base, job, self._blobs))
                ranks += await start_ranks(bench, self._settings, log)
                self._lead = ranks[0]
                await self._lead.tell(opening(self._home, bench, self._settings, self._blobs.path(wish.job)))
                ending = await self._hear_all(ranks, wish.run, log)
            except (PotluckError, OSError) as error:
                ending = error.sentence if isinstance(error, PotluckError) else f"it could not be started ({error})."
            finally:
                self._lead = None
                await stop_all(ranks, STOP_SECONDS if self._opened else OPENING_SECONDS)
                self._hear(TrainerGone(ending))

    async def train(self, duty: Duty) -> None:
        bench = Bench(self._home / "runs" / duty.run)
        bench.forget_updates_before(duty.round)
        self._told = duty
        await self._tell(
            {
                "op": "train",
                "round": duty.round,
                "done": duty.done,
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
            return f"its process {rank} ended{_how(child.returncode)}"

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
        return f"{ending}{_last_words(log)}"

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
            case "failed":
                self._hear(TrainerFailed(str(words["sentence"])))
            case _:
                pass  # a word of a newer trainer


async def start_ranks(bench: Bench, settings: Settings, log: Path) -> list[Child]:
    """One process a card (or one without a card), rank 0 first."""
    world = settings.ranks or max(1, probe.card_count())
    rendezvous = private_folder(bench.work) / f"rendezvous-{os.urandom(4).hex()}"
    for old in bench.work.glob("rendezvous-*"):
        old.unlink(missing_ok=True)
    if log.exists() and log.stat().st_size > LOG_BYTES:
        os.replace(log, log.with_suffix(".old"))
    ranks: list[Child] = []
    try:
        for rank in range(world):
            place = ["--rank", str(rank), "--world", str(world), "--rendezvous", str(rendezvous)]
            ranks.append(await Child.start(settings.trainer, place, log, _environment(settings, rank, world)))
    except BaseException:
        await stop_all(ranks)
        raise
    return ranks


def opening(home: Path, bench: Bench, settings: Settings, job: Path) -> Words:
    """The first words to rank 0."""
    return {
        "op": "open",
        "job": str(job),
        "base": str(bench.base),
        "data": [str(home / "data" / name) for name in collections(home)],
        "work": str(bench.work),
        "tensorboard": str(private_folder(bench.folder / "tensorboard")),
        "fit": {
            "engine": settings.engine,
            "zero": settings.zero,
            "dtype": settings.dtype,
            "micro_batch": settings.micro_batch,
        },
    }


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


async def stop_all(ranks: list[Child], patience: float = STOP_SECONDS) -> None:
    """Ask rank 0 (the others end with it), wait, insist. Goes through even when cancelled again."""

    async def stop() -> None:
        await asyncio.gather(*(child.stop(patience) for child in ranks))

    stopping = asyncio.ensure_future(stop())
    try:
        await asyncio.shield(stopping)
    except asyncio.CancelledError:
        await asyncio.wait([stopping])
        raise


def _environment(settings: Settings, rank: int, world: int) -> Mapping[str, str]:
    threads = settings.threads or os.environ.get("OMP_NUM_THREADS") or max(1, (os.cpu_count() or 1) // world)
    environment = {
        "OMP_NUM_THREADS": str(threads),
        "GLOO_SOCKET_IFNAME": "lo0" if sys.platform == "darwin" else "lo",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "LOCAL_RANK": str(rank),
    }
    if not probe.card_count():
        environment["DS_ACCELERATOR"] = "cpu"
    return environment


def _metrics(raw: Mapping[str, Any]) -> Metrics:
    return tuple(sorted((str(name), float(value)) for name, value in raw.items() if isinstance(value, int | float)))


def _scalars(text: str) -> dict[str, Any]:
    """Flower's ConfigRecord as it came: an object of scalars, or nothing."""
    try:
        raw = json.loads(text)
    except ValueError:
        return {}
    return raw if isinstance(raw, dict) else {}


def _how(returncode: int | None) -> str:
    match returncode:
        case None:
            return ""
        case 0:
            return " without being asked"
        case -9 | 137:
            return " (it was killed: perhaps the memory was full)"
        case _:
            return f" (exit code {returncode})"


def _last_words(log: Path) -> str:
    """The last line of its log: usually the name of the error."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, log.stat().st_size - 8192))
            lines = deque(file.read().decode(errors="replace").splitlines(), maxlen=1)
    except OSError:
        return "."
    return f": {lines[0].strip()[:300]}" if lines and lines[0].strip() else "."
