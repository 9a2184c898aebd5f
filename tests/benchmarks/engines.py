"""What sharding costs: tokens a second of ZeRO-3 over DDP on two ranks, and of everything between them."""

from __future__ import annotations

import statistics
from pathlib import Path

from tests.benchmarks.pair import run_two
from tests.benchmarks.report import Figure
from tests.benchmarks.two_ranks import STEPS

MODEL = "potluck-25m"
SEQUENCE, BATCH = 256, 1024  # two sequences a rank, in one micro-batch


def measure(folder: Path) -> Figure:
    """The median of the turns' ratios."""
    found = run_two(folder, MODEL, "engines", sequence=SEQUENCE, batch=BATCH)
    seconds: dict[str, list[float]] = found["seconds"]
    ratios = [ddp / zero for ddp, zero in zip(seconds["DDP"], seconds["ZeRO-3"], strict=True)]
    speeds = {name: STEPS * BATCH / statistics.median(values) for name, values in seconds.items()}
    against = {
        name: statistics.median([ddp / own for ddp, own in zip(seconds["DDP"], values, strict=True)])
        for name, values in seconds.items()
        if name != "DDP"
    }
    detail = (
        f"{found['parameters'] / 1e6:.0f} M parameters, bf16, 2 ranks with one thread each, one micro-batch of "
        f"{BATCH // 2} tokens a rank and step; tokens/s: "
        + ", ".join(f"{name} {speed:.0f}" for name, speed in speeds.items())
        + "; over DDP: "
        + ", ".join(f"{name} {ratio:.2f}" for name, ratio in against.items())
        + f"; ratios {min(ratios):.2f} to {max(ratios):.2f}"
    )
    return Figure("engines", statistics.median(ratios), "ratio", 0.9, "higher", detail).explained(
        "of the loss about a half is what ZeRO-1 and -2 lose, too, the rest gathering the weights; neither a higher "
        "bound for whole parameters nor overlapping made a difference that shows above the noise"
    )
