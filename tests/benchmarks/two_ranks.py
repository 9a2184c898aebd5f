"""One of two ranks of the benchmarks `engines` and `exchange`, one thread each: live engines that take turns.

`python -m tests.benchmarks.two_ranks RANK FOLDER WHAT`; rank 0's last line is JSON. Each turn measures every
contestant once, so that a busy moment of the machine hits all of them.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as functional

from node.logic.fit import Fit
from node.train import weights
from node.train.engine import Engine, MicroBatch
from node.train.engine.deepspeed_engine import DeepSpeedEngine
from node.train.engine.loss import token_losses
from node.train.engine.optimizer import adamw
from node.train.engine.torch_engine import TorchEngine
from node.train.job import deal
from node.train.machine import torch_type
from node.train.model import build, trainables
from node.train.ranks import Ranks
from shared.job import Job, parse

CPU = torch.device("cpu")
WORLD = 2
TURNS = 5
STEPS = 2  # of each contestant in a turn
Step = Callable[[list[MicroBatch]], None]


def engine_at(zero: int, base: Path, job: Job, ranks: Ranks, precision: str) -> Engine:
    fit = Fit("deepspeed" if zero else "torch", zero)
    share = deal(job, fit, WORLD, on_card=False)
    model = build(base, job, torch_type(precision) if zero else torch.float32, CPU, "sdpa")
    if zero:
        return DeepSpeedEngine(model, job, fit, share, ranks, CPU, precision)
    return TorchEngine(model, job, fit, ranks, CPU, precision)


def engines(folder: Path, job: Job, ranks: Ranks) -> dict[str, list[float]]:
    """Seconds of each contestant's bursts."""
    base = folder / "base"
    precision = "bf16"
    plain = functional.linear
    contestants: dict[str, Step] = {"DDP": ddp(base, job), "FSDP2": fsdp(base, job)}
    for name, zero in (("torch", 0), ("ZeRO-1", 1), ("ZeRO-2", 2), ("ZeRO-3", 3)):
        contestants[name] = ours(engine_at(zero, base, job, ranks, precision), job)
    patched = functional.linear  # ZeRO-3 puts its own in for the whole process; the others must not have it
    share = deal(job, Fit(), WORLD, on_card=False)
    draw = torch.Generator().manual_seed(ranks.rank)
    ids = torch.randint(0, 4000, (share.micro, job.sequence + 1), generator=draw)
    batches = [MicroBatch(ids, share.micro)] * share.micro_batches
    names = list(contestants)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(TURNS + 1):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            functional.linear = patched if name == "ZeRO-3" else plain
            ranks.wait()
            started = time.monotonic()
            for _ in range(STEPS):
                contestants[name](batches)
            ranks.wait()
            if turn:  # the first is for warming up
                seconds[name].append(time.monotonic() - started)
    return seconds


def ours(engine: Engine, job: Job) -> Step:
    tokens = deal(job, Fit(), WORLD, on_card=False).tokens

    def step(batches: list[MicroBatch]) -> None:
        assert not engine.step(batches, tokens, 1e-4).skipped

    return step


def ddp(base: Path, job: Job) -> Step:
    """What one would write with torch alone: DistributedDataParallel, fp32 weights, bf16 by autocast."""
    model = build(base, job, torch.float32, CPU, "sdpa")
    optimizer = adamw(trainables(model).values(), job, "adamw")
    wrapped = torch.nn.parallel.DistributedDataParallel(model)

    def step(batches: list[MicroBatch]) -> None:
        for batch in batches:
            with torch.autocast("cpu", torch.bfloat16):
                losses = token_losses(wrapped, batch, CPU)
                loss = losses.trained.mean() / len(batches)
            loss.backward()
            float(loss.detach())
        torch.nn.utils.clip_grad_norm_(wrapped.parameters(), job.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def fsdp(base: Path, job: Job) -> Step:
    """torch's own sharding (FSDP2), a unit for each layer; fp32 shards, computed in bf16."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    model: Any = build(base, job, torch.float32, CPU, "sdpa")
    words = {"mesh": init_device_mesh("cpu", (WORLD,)), "mp_policy": MixedPrecisionPolicy(torch.bfloat16)}
    for layer in model.model.layers:
        fully_shard(layer, **words)
    fully_shard(model, **words)
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, betas=job.betas, weight_decay=job.weight_decay)

    def step(batches: list[MicroBatch]) -> None:
        for batch in batches:
            loss = token_losses(model, batch, CPU).trained.mean() / len(batches)
            loss.backward()
            float(loss.detach())
        torch.nn.utils.clip_grad_norm_(parameters, job.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def exchange(folder: Path, job: Job, ranks: Ranks) -> dict[str, list[float]]:
    """Seconds for the full weights out of a live ZeRO-3 engine into a file, for a file into it, for a file's copy."""
    engine = engine_at(3, folder / "base", job, ranks, "bf16")
    model, out, copy = (folder / name for name in ("model.safetensors", "out.safetensors", "copy.safetensors"))
    engine.load_weights(weights.read(model, job))
    seconds: dict[str, list[float]] = {"export": [], "load": [], "copy": [], "flushed copy": []}

    def export() -> None:
        if ranks.leads:
            weights.write(out, job, "fp32", engine.read_weights())
        else:
            weights.take_part(engine.read_weights())

    def copied(flushed: bool) -> None:
        if ranks.leads:
            with open(out, "rb") as source, open(copy, "wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
                target.flush()
                if flushed:
                    os.fsync(target.fileno())

    acts: dict[str, Callable[[], None]] = {
        "export": export, "load": lambda: engine.load_weights(weights.read(out, job)), "copy": lambda: copied(False),
        "flushed copy": lambda: copied(True),
    }  # fmt: skip
    for turn in range(TURNS + 1):
        for name, act in acts.items():
            if ranks.leads and name != "load":
                (out if name == "export" else copy).unlink(missing_ok=True)
            os.sync()  # nobody pays for what another one left to be written
            ranks.wait()
            started = time.monotonic()
            act()
            ranks.wait()
            if turn:
                seconds[name].append(time.monotonic() - started)
    if ranks.leads:
        assert out.read_bytes() == model.read_bytes(), "weights came out changed"
    return seconds


def main(rank: int, folder: Path, what: str) -> None:
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    job = parse((folder / "job.json").read_bytes())
    ranks = Ranks(rank, WORLD, folder / "rendezvous")
    assert dist.is_initialized()
    seconds = {"engines": engines, "exchange": exchange}[what](folder, job, ranks)
    if ranks.leads:
        values = sum(math.prod(tensor.shape) for tensor in job.tensors)
        print(json.dumps({"seconds": seconds, "parameters": values}), flush=True)
    ranks.wait()
    os._exit(0)  # as the trainer leaves


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
