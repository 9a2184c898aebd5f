"""How fast the trainer's feed lays windows ready, beside a loop that copies the same windows from a raw memory map.

Both make batches of the same shape (int64, in torch's hands) of the same places of the same file, in turns. The feed
does it in its own thread, knows which windows come and what is owed, and counts what they predict.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from node.data.cache import mapped
from node.data.samples import Samples, Text
from node.train.feed import Feed, Start
from node.train.job import Deal
from node.train.ranks import Ranks
from tests.benchmarks.report import Figure

TOKENS = 64 << 20  # 128 MB
LENGTH = 1024
ROWS = 8
STEPS = TOKENS // LENGTH // ROWS  # a whole pass
TURNS = 5
_ALONE = Ranks(0, 1, Path("meeting"))  # one rank meets nobody


def measure(folder: Path) -> Figure:
    """The feed's batches a second over the loop's: the median of a few turns of each."""
    path = folder / "train.ids"
    np.random.default_rng(1).integers(0, 49_152, TOKENS + 1, dtype="<u2").tofile(path)
    ids = mapped(path, "<u2")
    samples = Samples(Text("text", ids, None, np.array([[TOKENS + 1, 0.5]])), LENGTH)
    batches = samples.starts(np.arange(STEPS * ROWS)).reshape(STEPS, ROWS)
    assert _same(samples, ids, batches)
    ratios, feeds, loops = [], [], []
    for _ in range(TURNS + 1):
        loops.append(_by_loop(ids, batches))
        feeds.append(_by_feed(samples))
        ratios.append(feeds[-1] / loops[-1])
    ratio = statistics.median(ratios[1:])  # the first turn reads the file from the disk
    detail = (
        f"batches of {ROWS} windows of {LENGTH} tokens from {2 * TOKENS / 1e6:.0f} MB of uint16; feed "
        f"{statistics.median(feeds[1:]):,.0f}, loop {statistics.median(loops[1:]):,.0f} batches/s; "
        f"turns {', '.join(f'{each:.2f}' for each in ratios[1:])}"
    )
    return Figure("data_read", ratio, "x", 0.8, "higher", detail)


def _by_loop(ids: NDArray[np.uint16], batches: NDArray[np.int64]) -> float:
    """Batches a second of the plainest loop: as fast as numpy does it."""
    source = np.asarray(ids)
    began = time.perf_counter()
    total = 0
    for starts in batches.tolist():
        batch = np.empty((ROWS, LENGTH + 1), np.int64)
        for row, start in enumerate(starts):
            batch[row] = source[start : start + LENGTH + 1]
        total += torch.from_numpy(batch).shape[0]
    return len(batches) / (time.perf_counter() - began)


def _by_feed(samples: Samples) -> float:
    """Batches a second of what a training step asks for."""
    with Feed([samples], Deal(ROWS, LENGTH, ROWS, 1), _ALONE, Start()) as feed:
        began = time.perf_counter()
        for step in range(STEPS):
            assert feed.step(step).tokens == ROWS * LENGTH
        return STEPS / (time.perf_counter() - began)


def _same(samples: Samples, ids: NDArray[np.uint16], batches: NDArray[np.int64]) -> bool:
    """Whether both read the same, at least in the first step."""
    with Feed([samples], Deal(ROWS, LENGTH, ROWS, 1), _ALONE, Start()) as feed:
        (batch,) = feed.step(0).micro_batches
    return bool(np.array_equal(batch.ids.numpy(), np.stack([ids[at : at + LENGTH + 1] for at in batches[0].tolist()])))
