"""How fast full weights leave and enter a live engine, against copying a file of the same bytes."""

from __future__ import annotations

import statistics
from pathlib import Path

from tests.benchmarks.pair import run_two
from tests.benchmarks.report import Figure

MODEL = "potluck-125m"


def measure(folder: Path) -> Figure:
    """Bytes a second out and in, over those that a copy reads and writes: the median of the turns' ratios."""
    found = run_two(folder, MODEL, "exchange", sequence=16, batch=32)
    seconds, size = found["seconds"], found["parameters"] * 4
    both = [out + in_ for out, in_ in zip(seconds["export"], seconds["load"], strict=True)]
    ratios = [copy / ours for copy, ours in zip(seconds["copy"], both, strict=True)]
    flushed = [copy / ours for copy, ours in zip(seconds["flushed copy"], both, strict=True)]
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    detail = (
        f"{size / 1e6:.0f} MB of fp32 weights, ZeRO-3, bf16, 2 ranks, one thread each; medians of {len(ratios)} turns: "
        + ", ".join(f"{name} {value:.2f} s ({size / value / 1e9:.2f} GB/s)" for name, value in middle.items())
        + f"; ratios {min(ratios):.2f} to {max(ratios):.2f}; over a copy that is flushed to the disk, as an export is: "
        f"{statistics.median(flushed):.2f}"
    )
    return Figure("exchange", statistics.median(ratios), "ratio", 0.3, "higher", detail).explained(
        "an export is hashed and flushed to the disk before it counts, a copy is not; the engine's own part is small"
    )
