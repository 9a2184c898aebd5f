"""What a second core brings: throughput from folder to shards on two cores over that on one, each held to its cores."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

from node.data.building.build import Wish, build
from node.data.building.choices import Choices
from tests.benchmarks import real_text
from tests.benchmarks.report import Figure

MEGABYTES = 60
TURNS = 2
KEY = b"k" * 32


def measure(folder: Path, megabytes: float = MEGABYTES) -> Figure:
    """The median over TURNS, one after the other."""
    size = real_text.folder_of(folder / "text", megabytes) / 1e6
    everywhere = sorted(os.sched_getaffinity(0))
    if len(everywhere) < 2:
        raise RuntimeError("two cores are needed for this")
    seconds: dict[int, list[float]] = {1: [], 2: []}
    try:
        for turn in range(TURNS):
            for cores in (1, 2):
                os.sched_setaffinity(0, everywhere[:cores])
                began = time.perf_counter()
                build(Wish(folder / f"{turn}-{cores}", folder / "text", "text", Choices()), KEY, cores)
                seconds[cores].append(time.perf_counter() - began)
    finally:
        os.sched_setaffinity(0, everywhere)
    one, two = statistics.median(seconds[1]), statistics.median(seconds[2])
    detail = (
        f"{size:.0f} MB in {one:.1f} s on one core ({size / one:.2f} MB/s), {two:.1f} s on two ({size / two:.2f} MB/s)"
    )
    return Figure("data_cores", one / two, "ratio", 1.7, "higher", detail).explained(
        "what one process does alone: listing, merging, the last look for phrases, and starting workers"
    )
