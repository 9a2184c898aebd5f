"""What a round costs besides training: fetching, uploading, merging, evaluating, and waiting for one another."""

from __future__ import annotations

import statistics
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.benchmarks.report import Figure
from tests.cluster.group import REAL, group, words

NAMES = ("ana", "ben", "cem")
ROUNDS = 6  # five openings follow another
STEPS = 40


def measure(folder: Path) -> Figure:
    """Median seconds of a round's wall that its slowest node did not train; the first round, a cold start, apart."""
    with group(folder) as potluck:
        potluck.up()
        for seed, name in enumerate(NAMES):
            potluck.join(name, words(seed), **REAL)
        run = potluck.start(quorum=3, rounds=ROUNDS, steps=STEPS, evaluate="true")
        potluck.run(*NAMES)
        history = potluck.finished(run, 600)["history"]
    parts = [of_round(*pair) for pair in pairwise(history)]
    overheads = [wall - trained for wall, trained in parts]
    shown = ", ".join(f"{wall:.1f}-{trained:.1f}" for wall, trained in parts)
    detail = (
        f"3 nodes, real trainers, {STEPS} steps of potluck-tiny, held-out text measured after each; from one round's "
        f"opening to the next's, minus the slowest training: {shown}; the first (trainers start: {overheads[0]:.1f} s) "
        "left out"
    )
    return Figure("round_overhead", statistics.median(overheads[1:]), "s", 3, "lower", detail).explained(
        "see the rounds' walls"
    )


def of_round(entry: dict[str, Any], following: dict[str, Any]) -> tuple[float, float]:
    """(wall seconds until the next round, the slowest node's seconds of training)."""
    assert entry["phase"] == "committed", entry
    wall = (int(following["opened_ms"]) - int(entry["opened_ms"])) / 1000
    return wall, max(member["metrics"]["seconds"] for member in entry["members"])
