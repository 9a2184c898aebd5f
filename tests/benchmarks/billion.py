"""What QLoRA saves on a model of 1.07 billion parameters: resident memory while it steps, over LoRA on a bf16 base.

One trainer after the other, each with the whole model; memory is read from the system twenty times a second, from the
first told step to the last, so that loading is not in it.
"""

from __future__ import annotations

import itertools
import json
import math
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shared.models import trainables
from shared.models.trainables import Recipe
from tests.benchmarks.models import room_of
from tests.benchmarks.report import Figure, memory
from tests.node.train.room import Room, Trainer

MODEL, RANK, SEQUENCE, STEPS = "potluck-1b", 16, 128, 4
LOOK = 0.05  # seconds
QUIET_SECONDS = 1800.0  # a billion parameters take their time to load on a busy machine
LORA: Recipe = {"kind": "lora", "rank": RANK, "alpha": 2 * RANK}


@dataclass(frozen=True, slots=True)
class Seen:
    """One trainer's figures: MB (10^6 bytes) and seconds."""

    resident: float
    load: float
    step: float
    export: float

    def __str__(self) -> str:
        return (
            f"{self.resident:.0f} MB, loaded in {self.load:.0f} s, {self.step:.1f} s a step, "
            f"adapter out in {self.export:.2f} s"
        )


def measure(folder: Path) -> Figure:
    """Peak resident memory of the steps with an NF4 base over that with a bf16 base."""
    room = room_of(folder, MODEL, LORA, sequence=SEQUENCE, batch=SEQUENCE, steps=STEPS, rounds=1, lr=1e-4)
    whole = trainables(json.loads((room.base / "config.json").read_text()), {"kind": "full"})
    parameters = sum(math.prod(spec.shape) for spec in whole)
    plain = look(room, "bf16", dtype="bf16")
    shrunk = look(room, "nf4", dtype="bf16", base="nf4")
    detail = (
        f"{parameters:,} parameters, LoRA rank {RANK} on every linear layer, torch engine, one thread, "
        f"sequence {SEQUENCE}, batch 1, {STEPS} steps; bf16 base: {plain}; NF4 base: {shrunk}"
    )
    return Figure("billion", shrunk.resident / plain.resident, "ratio", 0.6, "lower", detail).explained(
        "what stays the same in both: interpreter and libraries, embeddings, adapters with their Adam, logits"
    )


def look(room: Room, name: str, **fit: object) -> Seen:
    """Open the model with that fit, take the round's steps, and leave."""
    with Trainer(room.folder / name) as trainer:
        began = time.monotonic()
        trainer.tell(room.open_words(work=f"work-{name}", engine="torch", micro_batch=1, **fit))
        trainer.until("opened", patience=QUIET_SECONDS)
        load = time.monotonic() - began
        trainer.tell(room.train_words(out=f"update-{name}"))
        moments = [_step(trainer)]
        with watched(trainer.processes[0].pid) as resident:
            while len(moments) < STEPS:
                moments.append(_step(trainer))
        trainer.until("trained", patience=QUIET_SECONDS)
        export = time.monotonic() - moments[-1]
        assert trainer.close() == [0]
    steps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    return Seen(max(resident), load, statistics.median(steps), export)


@contextmanager
def watched(pid: int) -> Iterator[list[float]]:
    """Resident MB of that process, looked at until the block ends."""
    seen, over = [memory(pid, "VmRSS")], threading.Event()

    def watch() -> None:
        while not over.wait(LOOK):
            seen.append(memory(pid, "VmRSS"))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield seen
    finally:
        over.set()
        watching.join()


def _step(trainer: Trainer) -> float:
    trainer.until("progress", patience=QUIET_SECONDS)
    return time.monotonic()
