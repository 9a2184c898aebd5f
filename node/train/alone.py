"""The baseline: this PC alone, at its best, with exactly the text and the steps it gives to the whole run."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from node.train import weights
from node.train.bench import Bench
from node.train.dropout import seed
from node.train.engine import Weights
from node.train.interrupt import Halted
from node.train.measure import measure
from node.train.schedule import learning_rate

SAMPLES = 16  # points of the last quarter that are averaged, at most


def train_alone(bench: Bench, model: Path, steps: int) -> dict[str, Any] | None:
    """Collective. Cosine over the whole run, then the better of the final weights and the last quarter's average.

    None when halted. Leaves the node's own checkpoints alone: the next round starts from them.
    """
    job, engine, ranks = bench.job, bench.engine, bench.ranks
    engine.load_weights(weights.read(model, job))
    bench.checkpoints.forget(engine)
    before = measure(bench)
    tail = steps - max(1, steps // 4)
    sampled = set(np.unique(np.linspace(tail, steps - 1, min(SAMPLES, steps - tail)).astype(int)).tolist())
    average: dict[str, Weights] = {}
    count, tokens, told = 0, 0, time.monotonic()
    with bench.feed() as feed:
        for step in range(steps):
            if ranks.same([float(bench.voice.halted())])[0]:
                return None
            started = time.monotonic()
            lr = learning_rate(job.lr, "cosine", job.warmup, (step + 0.5) / steps)
            seed(job.run, 0, step, ranks.rank)
            batch = feed.step(step)
            tokens += batch.tokens
            try:
                stepped = engine.step(bench.interruptible(batch.micro_batches), batch.tokens, lr)
            except Halted:
                engine.abandon()
                return None
            if step in sampled:
                count += 1
                _fold(average, engine.read_weights(), count) if ranks.leads else weights.take_part(
                    engine.read_weights()
                )
            if time.monotonic() - told >= 1 or step + 1 == steps:
                told = time.monotonic()
                bench.voice.tell({
                    "fact": "progress", "round": 0, "step": step + 1, "steps": steps, "share": (step + 1) / steps,
                    "loss": stepped.loss,
                    "tokens": tokens, "tokens_per_second": batch.tokens / (told - started),
                })  # fmt: skip
    final = measure(bench)
    averaged = bench.work / "alone-tail.safetensors"
    if ranks.leads:
        weights.write(averaged, job, "fp32", sorted(average.items()))
    ranks.wait()
    engine.load_weights(weights.read(averaged, job))
    tail_metrics = measure(bench)
    bench.checkpoints.forget(engine)
    best = "final" if final["bits_per_byte"] <= tail_metrics["bits_per_byte"] else "tail"
    return {"fact": "alone", "before": before, "final": final, "tail": tail_metrics, "best": best}


def _fold(average: dict[str, Weights], current: Any, count: int) -> None:
    """A running mean: average += (current - average) / count."""
    for name, values in current:
        if count == 1:
            average[name] = np.array(values, np.float32)
        else:
            average[name] += (values - average[name]) / np.float32(count)
