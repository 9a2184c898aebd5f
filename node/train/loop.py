"""READ FIRST. A training job on one PC, top to bottom: one round from the shared model to this PC's update.

All ranks run this together; rank 0 decides and speaks. What a step does is in `engine`, which text it reads in
`feed` and `node.data`, how a round is asked for and answered in `worker`.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

from node.data import ledger
from node.train import weights
from node.train.bench import Bench
from node.train.checkpoint import Place
from node.train.dropout import seed
from node.train.feed import Feed, Start
from node.train.gradients import Gradients
from node.train.interrupt import Halted
from node.train.schedule import learning_rate, run_progress
from shared.errors import OwnerMustAct
from shared.ids import Digest
from shared.job import Job

CHECKPOINT_SECONDS = 600.0  # at most this much work is lost in a crash, or what `Care.checkpoint_steps` says
PROGRESS_SECONDS = 1.0
SKIPS = 10  # steps in a row that could not be learnt from: then training has diverged


@dataclass(frozen=True, slots=True)
class Trained:
    """A round, or the part of it that was done before it was halted. The trained weights are in the engine."""

    share: float
    tokens: int
    steps: int
    metrics: dict[str, float]


@dataclass(frozen=True, slots=True)
class Round:
    """What is asked of us."""

    number: int
    done: int  # rounds of the run committed before it
    model: Path
    digest: Digest  # of the model
    pull: float = 0.0  # FedProx's mu: how strongly steps are drawn back to the model
    lost: tuple[int, ...] = ()  # earlier rounds whose update did not count


def train_round(bench: Bench, asked: Round) -> Trained | None:
    """Train one round. None: stopped before the first step was done, or our parent left.

    Raises OwnerMustAct when training diverged. Collective.
    """
    place = bench.checkpoints.start(asked.number, asked.model, asked.digest, bench.engine, bench.job)
    known = ledger.load(bench.ledger)
    read, owed = known.before(asked.number, asked.digest, asked.lost)
    with bench.feed(Start(read, owed, place.text, place.read)) as feed:
        bench.engine.pull(asked.pull, weights.read(asked.model, bench.job))
        began = place.seconds
        place, share, over = _train(bench, asked, place, feed)
        if not over or not place.steps:
            return None
        if bench.ranks.leads:
            done = ledger.Round(asked.number, asked.digest, feed.read(place.read))
            ledger.save(bench.ledger, known.with_round(done, asked.lost))
    bench.checkpoints.finish(replace(place, text={}), bench.engine)
    waited = feed.waited / max(place.seconds - began, 1e-9)
    bench.monitor.show(place.run_steps, data_wait=waited)
    metrics = {**_metrics(place), "data_wait": waited}
    return Trained(share=min(1.0, share), tokens=place.tokens, steps=place.steps, metrics=metrics)


def _train(bench: Bench, asked: Round, place: Place, feed: Feed) -> tuple[Place, float, bool]:
    """Step by step: how far it came, the share of the round that is, and whether the round is over."""
    job, engine, ranks, voice = bench.job, bench.engine, bench.ranks, bench.voice
    began = saved_steps = place.steps
    saved = told = time.monotonic()
    gradients = Gradients(job.clip)

    while True:
        share = _share_done(job, place)
        rank0 = [
            share,
            float(voice.halted()),
            float(voice.ended()),
            float(time.monotonic() - saved > CHECKPOINT_SECONDS),
        ]
        share, halted, ended, due = ranks.same(rank0)
        due = due or place.steps - saved_steps >= bench.care.checkpoint_steps
        if (due and place.steps > began) or (ended and place.steps):
            bench.checkpoints.interrupt(replace(place, text=feed.text(place.read)), engine, job)
            saved, saved_steps = time.monotonic(), place.steps
        if ended:
            return place, share, False
        if halted or share >= 1:
            return place, share, True

        started = time.monotonic()
        progress = run_progress(asked.done, job.rounds, share + _half_a_step(job, place))
        lr = learning_rate(job.lr, job.schedule, job.warmup, progress)
        seed(job.run, asked.number, place.read, ranks.rank)
        batch = feed.step(place.read)
        try:
            stepped = engine.step(bench.interruptible(batch.micro_batches), batch.tokens, lr)
        except Halted:
            engine.abandon()
            continue
        seconds = time.monotonic() - started
        if stepped.skipped:
            place = place.without(seconds)
            _say_skipped(bench, place, stepped.loss)
            continue
        place = place.stepped(batch.tokens, seconds, stepped.loss, stepped.gradient_norm)

        speed = batch.tokens / seconds
        words = {
            "learning_rate": lr, "gradient_norm": stepped.gradient_norm, "skipped": float(place.skipped),
            **bench.guard.sensors.read(),
        }  # fmt: skip
        bench.monitor.show(
            place.run_steps, loss=stepped.loss, perplexity=math.exp(min(stepped.loss, 50.0)), tokens_per_second=speed,
            **words,
        )  # fmt: skip
        gradients = gradients.after(stepped.gradient_norm)
        share = _share_done(job, place)
        if time.monotonic() - told >= PROGRESS_SECONDS or share >= 1:
            told = time.monotonic()
            voice.tell(
                _progress(bench, place, share, stepped.loss, speed) | {"gradient": gradients.word, "metrics": words}
            )
        if ranks.leads and share < 1:
            bench.guard.rest(seconds, voice.rest, voice.tell)


def _say_skipped(bench: Bench, place: Place, loss: float) -> None:
    """Count it, and give up when there were too many in a row."""
    bench.monitor.show(place.run_steps, skipped=float(place.skipped))
    if place.skipped_in_a_row >= SKIPS:
        raise OwnerMustAct(
            f"Training diverged in step {place.steps + 1} of round {place.round} (its loss or gradient was not a "
            f"number {SKIPS} times in a row), so nothing was sent. The run's learning rate {bench.job.lr:g} may be too "
            "high."
        )
    if not math.isfinite(loss) or place.skipped_in_a_row == 1:
        bench.voice.note(
            f"Round {place.round}: a step after step {place.steps} was skipped, as its loss or gradient was not a "
            f"number ({place.skipped} so far)."
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
        "loss": loss, "tokens": place.tokens, "tokens_per_second": speed,
    }  # fmt: skip


def _metrics(place: Place) -> dict[str, float]:
    loss = place.loss / place.steps
    return {
        "loss": loss,
        "perplexity": math.exp(min(loss, 50.0)),
        "gradient_norm": place.gradient_norm / place.steps,
        "tokens_per_second": place.tokens / max(place.seconds, 1e-9),
        "seconds": place.seconds,
    }
