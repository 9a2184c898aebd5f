"""Whether our trainer is as fast as a bare DeepSpeed script with the same model, settings and text.

Both processes live side by side and take turns, a burst of steps each, so that a busy moment of the machine hits both.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.demo.friends import free_ports
from shared.models.trainables import Recipe
from tests.benchmarks.models import room_of
from tests.benchmarks.report import Figure, cpu_seconds
from tests.node.train.room import Room, Trainer

MODEL = "potluck-25m"
SEQUENCE, BATCH, MICRO, ZERO = 256, 512, 2, 3
STEPS = 6  # in a burst; the first only starts the clock
TURNS = 8
FULL: Recipe = {"kind": "full"}


def measure(folder: Path) -> Figure:
    """The trainer's tokens a second over the bare script's: the median of the turns' ratios."""
    room = prepare(folder)
    with Trainer(folder / "trainer") as trainer, bare(room) as script:
        opened = trainer.ask(room.open_words(engine="deepspeed", zero=ZERO, micro_batch=MICRO))
        assert json.loads(_line(script))["ready"]
        pairs = []
        for turn in range(1, TURNS + 1):
            before = their_burst(script) if turn % 2 else None  # they take turns at being first
            mine = our_burst(trainer, room, turn)
            pairs.append((mine, before or their_burst(script)))
        codes = trainer.close()
    assert codes == [0]
    ratios = [mine.speed / other.speed for mine, other in pairs]
    ours, theirs = (sum(burst.processor for burst in bursts) for bursts in zip(*pairs, strict=True))
    detail = (
        f"{opened['parameters'] / 1e6:.0f} M parameters, {opened['engine']}, {opened['dtype']}, one rank, one thread, "
        f"steps of {BATCH} tokens; tokens/s turn by turn: ours {_list([mine.speed for mine, _ in pairs])}, "
        f"bare {_list([other.speed for _, other in pairs])}; ratios {min(ratios):.2f} to {max(ratios):.2f}; "
        f"processor time for the same tokens, bare over ours: {theirs / ours:.3f}"
    )
    return Figure("worker_vs_bare", statistics.median(ratios), "ratio", 0.97, "higher", detail).explained(
        "the ratio of processor times says how much more the trainer works; the rest is the machine's other load"
    )


def prepare(folder: Path) -> Room:
    return room_of(folder, MODEL, FULL, sequence=SEQUENCE, batch=BATCH, steps=STEPS, rounds=TURNS, lr=1e-4)


@contextmanager
def bare(room: Room) -> Iterator[subprocess.Popen[str]]:
    settings = room.folder / "bare.json"
    words = {
        "lr": 1e-4, "sequence": SEQUENCE, "micro": MICRO, "micro_batches": BATCH // SEQUENCE // MICRO, "steps": STEPS,
        "zero": ZERO,
    }  # fmt: skip
    settings.write_text(json.dumps(words))
    environment = {
        **os.environ, "DS_ACCELERATOR": "cpu", "CUDA_VISIBLE_DEVICES": "", "GLOO_SOCKET_IFNAME": "lo",
        "OMP_NUM_THREADS": "1", "RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_ports()),
    }  # fmt: skip
    with open(room.folder / "bare.log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.bare_deepspeed", str(room.base), str(room.data), str(settings)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def our_burst(trainer: Trainer, room: Room, turn: int) -> Burst:
    """From the first progress told to the last: everything the loop does is in it."""
    trainer.tell(room.train_words(round_number=turn, out=f"update-{turn}"))
    pid, share, moments = trainer.processes[0].pid, 0.0, []
    while share < 1:
        fact = trainer.until("progress")
        share = fact["share"]
        moments.append(Moment.now(pid, fact["tokens"]))
    trainer.until("trained")
    return Burst.between(moments[0], moments[-1])


def their_burst(script: subprocess.Popen[str]) -> Burst:
    assert script.stdin is not None
    print("go", file=script.stdin, flush=True)
    moments = [Moment.now(script.pid, json.loads(_line(script))["tokens"]) for _ in range(STEPS)]
    return Burst.between(moments[0], moments[-1])


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a process stood when it told of a step."""

    at: float  # monotonic seconds
    processor: float  # seconds used so far
    tokens: int

    @classmethod
    def now(cls, pid: int, tokens: int) -> Moment:
        return cls(time.monotonic(), cpu_seconds(pid), tokens)


@dataclass(frozen=True, slots=True)
class Burst:
    speed: float  # tokens a second
    processor: float  # seconds a token

    @classmethod
    def between(cls, first: Moment, last: Moment) -> Burst:
        tokens = last.tokens - first.tokens
        assert tokens, "a burst of one step cannot be timed"
        return cls(tokens / (last.at - first.at), (last.processor - first.processor) / tokens)


def _line(script: subprocess.Popen[str]) -> str:
    """The script's next JSON line (DeepSpeed prints others)."""
    assert script.stdout is not None
    for line in script.stdout:
        if line.startswith("{"):
            return line
    raise AssertionError("the bare script ended; see bare.log")


def _list(speeds: list[float]) -> str:
    return "/".join(f"{speed:.0f}" for speed in speeds)
