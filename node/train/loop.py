"""READ FIRST. A training job on one PC, top to bottom: one round from the shared model to this PC's update.

All ranks run this together; rank 0 decides and speaks. What a step does is in `engine`, where text comes from in
`node.data.tokens`, how a round is asked for and answered in `worker`.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

from node.train import weights
from node.train.bench import Bench
from node.train.checkpoint import Place
from node.train.dropout import seed
from node.train.schedule import learning_rate, run_progress
from shared.errors import OwnerMustAct
from shared.ids import Digest
from shared.job import Job

CHECKPOINT_SECONDS = 300.0  # at most this much work is lost in a crash
PROGRESS_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Trained:
    """A round, or the part of it that was done before it was halted. The trained weights are in the engine."""

    share: float
    tokens: int
    steps: int
    metrics: dict[str, float]


def train_round(bench: Bench, round_number: int, model: Path, digest: Digest, pull: float = 0.0) -> Trained | None:
    """Train one round from the model file `model`. None: stopped before the first step was done, or our parent left.

    `pull` is FedProx's mu: how strongly steps are drawn back to `model`.

    Raises OwnerMustAct when training diverged. Collective.
    """
    job, engine, ranks = bench.job, bench.engine, bench.ranks
    place = bench.checkpoints.start(round_number, model, digest, engine, job)
    engine.pull(pull, weights.read(model, job))
    began = place.steps
    saved = told = time.monotonic()

    while True:
        share = _share_done(job, place)
        voice = bench.voice
        rank0 = [
            share,
            float(voice.halted()),
            float(voice.ended()),
            float(time.monotonic() - saved > CHECKPOINT_SECONDS),
        ]
        share, halted, ended, due = ranks.same(rank0)
        if (due and place.steps > began) or (ended and place.steps):
            bench.checkpoints.interrupt(place, engine, job)
            saved = time.monotonic()
        if ended:
            return None
        if halted or share >= 1:
            break

        started = time.monotonic()
        progress = run_progress(round_number, job.rounds, share + _half_a_step(job, place))
        lr = learning_rate(job.lr, job.schedule, job.warmup, progress)
        seed(job.run, round_number, place.steps, ranks.rank)
        stepped = engine.step(bench.micro_batches(place.cursor), bench.deal.tokens, lr)
        seconds = time.monotonic() - started
        place = place.stepped(bench.deal.tokens, seconds, stepped.loss, stepped.gradient_norm)
        if not math.isfinite(stepped.loss):
            raise OwnerMustAct(
                f"Training diverged in step {place.steps} of round {round_number} (its loss is not a number), so "
                f"nothing was sent. The run's learning rate {job.lr:g} may be too high."
            )

        bench.monitor.show(
            place.run_steps, loss=stepped.loss, perplexity=math.exp(min(stepped.loss, 50.0)), learning_rate=lr,
            gradient_norm=stepped.gradient_norm, tokens_per_second=bench.deal.tokens / seconds,
        )  # fmt: skip
        share = _share_done(job, place)
        if time.monotonic() - told >= PROGRESS_SECONDS or share >= 1:
            told = time.monotonic()
            bench.voice.tell(_progress(bench, place, share, stepped.loss, bench.deal.tokens / seconds))

    if not place.steps:
        return None
    bench.checkpoints.finish(place, engine)
    return Trained(
        share=min(1.0, share), tokens=place.steps * bench.deal.tokens, steps=place.steps, metrics=_metrics(bench, place)
    )


def _share_done(job: Job, place: Place) -> float:
    """How much of the round is done: by steps, or by training time where the round is as long as a time."""
    if job.steps is not None:
        return place.steps / job.steps
    assert job.seconds is not None
    return place.seconds / job.seconds


def _half_a_step(job: Job, place: Place) -> float:
    """The learning rate of a step is that of its middle: the first is not zero, and neither is the last."""
    if job.steps is not None:
        return 0.5 / job.steps
    assert job.seconds is not None
    return 0.5 * place.seconds / max(1, place.steps) / job.seconds


def _progress(bench: Bench, place: Place, share: float, loss: float, speed: float) -> dict[str, object]:
    steps = bench.job.steps or max(place.steps, round(place.steps / share))
    return {
        "fact": "progress", "round": place.round, "step": place.steps, "steps": steps, "share": min(1.0, share),
        "loss": loss, "tokens": place.steps * bench.deal.tokens, "tokens_per_second": speed,
    }  # fmt: skip


def _metrics(bench: Bench, place: Place) -> dict[str, float]:
    loss = place.loss / place.steps
    return {
        "loss": loss,
        "perplexity": math.exp(min(loss, 50.0)),
        "gradient_norm": place.gradient_norm / place.steps,
        "tokens_per_second": place.steps * bench.deal.tokens / max(place.seconds, 1e-9),
        "seconds": place.seconds,
    }
