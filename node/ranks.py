"""A trainer's processes: one a card, the only ones with torch in them; where they work, how they start and stop."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from node import probe
from node.home import Settings, collections
from node.logic.fit import Fit
from shared.children import Child, Words
from shared.disk import private_folder
from shared.job import Job

LOG_BYTES = 16 << 20  # then the trainer's log starts anew, and the old one is kept once
STOP_SECONDS = 10.0  # from closing its standard input to insisting


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


def settings_for(settings: Settings, job: Job) -> Settings:
    """A Flower app has a trainer of its own, and one process."""
    return settings if job.app is None else replace(settings, trainer="node.train.apps", ranks=1)


def opening(home: Path, bench: Bench, settings: Settings, job: Path, fit: Fit) -> Words:
    """The first words to rank 0."""
    return {
        "op": "open",
        "job": str(job),
        "base": str(bench.base),
        "data": [str(home / "data" / name) for name in collections(home)],
        "work": str(bench.work),
        "tensorboard": str(private_folder(bench.folder / "tensorboard")),
        "fit": fit.words,
        "care": {"heat_limit": settings.heat_limit, "checkpoint_steps": settings.checkpoint_steps},
    }


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
    elif sys.platform == "linux":
        environment["PYTORCH_CUDA_ALLOC_CONF"] = "expandable_segments:True"  # less memory lost between pieces
    return environment


def how_ended(returncode: int | None) -> str:
    """ " (exit code 7)": to be put behind "its process 0 ended"."""
    match returncode:
        case None:
            return ""
        case 0:
            return " without being asked"
        case _ if was_killed(returncode):
            return " (it was killed: perhaps the memory was full)"
        case _:
            return f" (exit code {returncode})"


def was_killed(returncode: int | None) -> bool:
    """Nobody asked it, nobody answers: most often the system ran out of memory."""
    return returncode in (-9, 137)


def last_words(log: Path) -> str:
    """The last line of its log: usually the name of the error."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, log.stat().st_size - 8192))
            lines = deque(file.read().decode(errors="replace").splitlines(), maxlen=1)
    except OSError:
        return "."
    return f": {lines[0].strip()[:300]}" if lines and lines[0].strip() else "."
