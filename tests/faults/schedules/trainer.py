"""A friend's trainer as the schedules play it (node/trainer.py in virtual time): slow, and it may die or refuse.

Its file for each finished round outlives it, so the same question has the same answer.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Protocol

from node.logic.facts import (
    Duty,
    Evaluated,
    Fact,
    Kind,
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
from shared.ids import Digest, NodeId, RunId
from tests.coordinator.stories import digest
from tests.faults.schedules.events import Life, Signal, Steps
from tests.faults.schedules.host import STEPS


class Disk(Protocol):
    blobs: set[Digest]
    finished: dict[tuple[RunId, int, Digest], Update]  # the trainer's own files


class Trainer:
    def __init__(self, node: NodeId, disk: Disk, draw: Random, hear: Callable[[Fact], None]) -> None:
        self._node, self._disk, self._draw, self._hear = node, disk, draw, hear
        self.step_seconds = draw.choice((0.5, 2.0, 8.0))
        self.trouble = 0.0  # the chance that it dies or fails at a step

    def begin(self, life: Life) -> None:
        """The agent was started: no trainer runs."""
        self._life = life
        self._held = self._leads = False
        self._free = Signal()
        self._told: Duty | None = None
        self._orders: list[Duty] = []
        self._ordered = Signal()
        self._halting = False

    def keep(self, wish: KeepTrainer) -> Steps[None]:
        while self._held:
            yield self._free
        self._held, self._free, ending = True, Signal(), ""
        self._orders, self._halting = [], False
        try:
            self._hear(TrainerStarted(wish.run))
            yield self._draw.uniform(0.5, 15.0)
            if not self._breaks():
                self._leads = True
                self._hear(TrainerOpened("simulated", "fp32", self.step_seconds))
                yield from self._serve(wish.run)
            ending = "it fell over."
        finally:
            self._leads = False
            self._life.after(self._draw.uniform(0.0, 3.0), lambda: self._gone(ending))

    def tell(self, duty: Duty) -> Steps[None]:
        self._told = duty
        yield 0.0
        if self._leads:
            self._orders.append(duty)
            self._ordered.fire()
            self._hear(TrainerTold(duty.kind.value, duty.round, duty.model))

    def halt(self) -> Steps[None]:
        yield 0.0
        if self._leads and self._told is not None:
            self._halting = True
            self._hear(TrainerTold("halt", self._told.round, self._told.model))

    def _gone(self, ending: str) -> None:
        self._held = False
        self._free.fire()
        self._hear(TrainerGone(ending))

    def _serve(self, run: RunId) -> Steps[None]:
        """One order after another, until it dies."""
        while True:
            while not self._orders:
                self._ordered = Signal()
                yield self._ordered
            duty = self._orders.pop(0)
            if duty.kind is Kind.EVALUATE:
                yield 2 * self.step_seconds
                self._hear(Evaluated(run, duty.round, (("loss", 1.0),)))
            elif not (yield from self._train(run, duty)):
                return

    def _train(self, run: RunId, duty: Duty) -> Steps[bool]:
        """Whether it still lives."""
        key, self._halting, steps = (run, duty.round, duty.model), False, 0
        assert duty.model in self._disk.blobs, "the agent promises the bytes it names"
        while key not in self._disk.finished and steps < STEPS and not self._halting:
            yield self.step_seconds
            if self._breaks():
                if self._draw.random() < 0.5:
                    return False
                self._hear(TrainerFailed("it could not"))
                return True
            steps += 1
            self._hear(Progressed(duty.round, steps, STEPS, steps / STEPS, 2.0, 9.0))
        if steps:
            name = digest("update", self._node, *key, steps)
            self._disk.finished[key] = Update(
                run, duty.round, duty.model, name, 100, 8 * steps, steps, steps / STEPS, (("loss", 2.0),)
            )
        if key not in self._disk.finished:
            self._hear(TrainerHalted(duty.round))
            return True
        update = self._disk.finished[key]
        yield self._draw.uniform(0.0, 0.5)
        self._disk.blobs.add(update.digest)
        yield 0.0
        self._hear(UpdateWritten(update))
        return True

    def _breaks(self) -> bool:
        return self._draw.random() < self.trouble
