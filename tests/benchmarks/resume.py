"""How soon a trainer that was killed trains again, beside one that starts with nothing to go on from.

Both start the same process with the same model; the killed one also checks and loads its checkpoint. The other, to be
fair, has the same bytes read from the disk beside it.
"""

from __future__ import annotations

import os
import signal
import statistics
import time
from pathlib import Path

from shared.models.trainables import Recipe
from tests.benchmarks.models import room_of
from tests.benchmarks.report import Figure, cpu_seconds
from tests.node.train.room import Room, Trainer

MODEL = "potluck-25m"
TIMES = 5
FULL: Recipe = {"kind": "full"}


def measure(folder: Path) -> Figure:
    """The median over TIMES of the ratios, turn by turn."""
    room = room_of(folder, MODEL, FULL, sequence=64, batch=64, steps=1_000_000, rounds=1, lr=1e-4)
    back, fresh, work, other_work = [], [], [], []
    killed = started(room, "killed")
    for turn in range(TIMES):
        trainer = killed[1]
        began = time.monotonic()
        trainer.kill()
        killed = started(room, "killed", began)
        back.append(killed[0])
        work.append(killed[2])
        seconds, processor = starting(room, f"fresh-{turn}")
        fresh.append(seconds)
        other_work.append(processor)
    killed[1].kill()
    ratios = [one / other for one, other in zip(back, fresh, strict=True)]
    size = sum(file.stat().st_size for file in newest(room, "killed").iterdir())
    detail = (
        f"{MODEL}, every weight, a checkpoint of {size / 1e6:.0f} MB; killed (-9) and training again after "
        f"{_list(back)} s; started with nothing to go on from and the same bytes read {_list(fresh)} s; "
        f"ratios {min(ratios):.2f} to {max(ratios):.2f}; of processor time "
        f"{statistics.median(work) / statistics.median(other_work):.2f}"
    )
    return Figure("resume", statistics.median(ratios), "ratio", 1.5, "lower", detail).explained(
        "checking digests and loading Adam's state cost more than reading the bytes"
    )


def started(room: Room, name: str, began: float | None = None) -> tuple[float, Trainer, float]:
    """A trainer that trains, a checkpoint behind it: seconds until it told of its first step (from `began`), and of its
    processor."""
    began = began or time.monotonic()
    trainer = Trainer(room.folder / f"{name}-processes")
    trainer.ask(room.open_words(name, engine="torch") | {"care": {"checkpoint_steps": 10}})
    before = newest_step(room, name)
    trainer.tell(room.train_words(out=name))
    fact = trainer.until("progress")
    seconds, processor = time.monotonic() - began, cpu_seconds(trainer.processes[0].pid)
    assert fact["step"] > before, "it began anew"
    while newest_step(room, name) <= before:
        time.sleep(0.02)
    os.kill(trainer.processes[0].pid, signal.SIGSTOP)  # its part is done: it must not slow down the other
    return seconds, trainer, processor


def starting(room: Room, name: str) -> tuple[float, float]:
    """Seconds until a trainer with an empty folder told of its first step, and to read the killed one's checkpoint; and
    of its processor, to that step."""
    began = time.monotonic()
    trainer = Trainer(room.folder / f"{name}-processes")
    trainer.ask(room.open_words(name, engine="torch") | {"care": {"checkpoint_steps": 1_000_000}})
    trainer.tell(room.train_words(out=name))
    trainer.until("progress")
    seconds, processor = time.monotonic() - began, cpu_seconds(trainer.processes[0].pid)
    trainer.kill()
    began = time.monotonic()
    for file in newest(room, "killed").iterdir():
        with open(file, "rb") as stream:
            while stream.read(1 << 20):
                pass
    return seconds + time.monotonic() - began, processor


def newest(room: Room, name: str) -> Path:
    return max((room.folder / name / "checkpoint").glob("round-*-step-*"))


def newest_step(room: Room, name: str) -> int:
    found = (room.folder / name / "checkpoint").glob("round-*-step-*")
    return max((int(path.name[-8:]) for path in found), default=0)


def _list(seconds: list[float]) -> str:
    return "/".join(f"{one:.1f}" for one in seconds)
