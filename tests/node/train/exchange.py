"""One rank of the weight-exchange trials: builds live engines and tries every way in and out. Run by test_exchange.

`python -m tests.node.train.exchange RANK WORLD FOLDER` writes FOLDER/result.json: {case: {what: value}}.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from node.train import weights
from node.train.engine import Engine, MicroBatch, deepspeed_engine
from node.train.engine import loss as loss_module
from node.train.engine.deepspeed_engine import DeepSpeedEngine
from node.train.engine.torch_engine import TorchEngine
from node.train.job import Deal, Fit, deal
from node.train.machine import torch_type
from node.train.model import build, trainables
from node.train.ranks import Ranks
from tests.node.train.room import Room, closest, make_room, same_bits

PULL = 1e4  # so strong that the gradient of the loss is nothing beside it
CPU = torch.device("cpu")


def trial(room: Room, folder: Path, zero: int, precision: str, ranks: Ranks) -> dict[str, Any]:
    """Everything we promise about one engine. Collective."""
    fit = Fit(engine="deepspeed" if zero else "torch", zero=zero, micro_batch=1)
    share = deal(room.job, fit, ranks.world, on_card=False)
    sharded = torch_type(precision) if zero else torch.float32
    model = build(room.base, room.job, sharded, CPU, "sdpa")
    engine: Engine
    if zero:
        engine = DeepSpeedEngine(model, room.job, fit, share, ranks, CPU, precision)
    else:
        engine = TorchEngine(model, room.job, fit, ranks, CPU, precision)
    one, two = room.noise(1, "one.safetensors"), room.noise(2, "two.safetensors")
    batches = _batches(room, ranks, share)
    found: dict[str, Any] = {"name": engine.name}

    engine.step(batches, share.tokens, 1e-2)  # the optimizer has a state before anything is loaded
    engine.load_weights(weights.read(one, room.job))
    found["different after load"] = same_bits(room.read(one), _read(engine)) if ranks.leads else _read(engine) or []
    found["stale working copies"] = _stale(model, room.read(one), precision, zero, engine)
    loss = float(engine.loss_sum(MicroBatch(_ids(0)[None], 1)).sum())
    found["loss off by"] = abs(loss - _reference_loss(room, one, precision, zero))

    engine.step(batches, share.tokens, 0.0)
    kept = _read(engine)
    found["moved by a step without learning"] = closest(room.read(one), kept) if ranks.leads else 0.0
    engine.step(batches, share.tokens, 1e-3)
    moved = _read(engine)
    found["moved by a step"] = closest(room.read(one), moved) if ranks.leads else 0.0

    parts = [folder.parent / f"optimizer-{rank}.safetensors" for rank in range(ranks.world)]
    engine.load_weights(weights.read(two, room.job))
    engine.save_optimizer(parts[ranks.rank])
    ranks.wait()
    engine.step(batches, share.tokens, 1e-3)
    once = _read(engine)
    engine.forget()
    engine.step(batches, share.tokens, 1e-3)
    engine.load_weights(weights.read(two, room.job))
    engine.load_optimizer(parts)
    engine.step(batches, share.tokens, 1e-3)
    again = _read(engine)
    found["different when repeated from a checkpoint"] = same_bits(once, again) if ranks.leads else []

    engine.load_weights(weights.read(two, room.job))
    engine.load_optimizer(parts)
    with contextlib.suppress(Halted):
        engine.step(Halting(batches), share.tokens, 1e-3)
    engine.abandon()
    found["moved by an abandoned step"] = (
        same_bits(room.read(two), _read(engine)) if ranks.leads else _read(engine) or []
    )
    engine.step(batches, share.tokens, 1e-3)
    again = _read(engine)
    found["different after an abandoned step"] = same_bits(once, again) if ranks.leads else []

    engine.load_weights(weights.read(one, room.job))
    engine.pull(PULL, weights.read(two, room.job))
    apart = np.sqrt(
        sum(np.square(a - b).sum() for a, b in zip(_values(room.read(one)), _values(room.read(two)), strict=True))
    )
    found["pulled"] = engine.step(batches, share.tokens, 0.0).gradient_norm / (PULL * float(apart))
    engine.pull(0.0, ())
    found["let go"] = engine.step(batches, share.tokens, 0.0).gradient_norm / (PULL * float(apart))

    for what, spoil in (("gradient", _spoilt_gradient), ("loss", _spoilt_loss)):
        engine.load_weights(weights.read(two, room.job))
        engine.load_optimizer(parts)
        with spoil(model) if ranks.rank == ranks.world // 2 else contextlib.nullcontext():
            found[f"skipped for its {what}"] = engine.step(batches, share.tokens, 1e-3).skipped
        kept = _read(engine)
        found[f"moved by a skipped {what}"] = same_bits(room.read(two), kept) if ranks.leads else []
        assert not engine.step(batches, share.tokens, 1e-3).skipped
        after = _read(engine)
        found[f"different after a skipped {what}"] = same_bits(once, after) if ranks.leads else []

    found["losses"] = _learn(engine, room, one, batches, share)
    usual, loss_module.KEPT = loss_module.KEPT, 2000  # seven rows at a time
    found["losses in chunks"] = _learn(engine, room, one, batches, share)
    loss_module.KEPT = usual
    return found


def _learn(engine: Engine, room: Room, start: Path, batches: list[MicroBatch], share: Deal) -> list[float]:
    engine.load_weights(weights.read(start, room.job))
    engine.forget()
    return [engine.step(batches, share.tokens, 1e-2).loss for _ in range(4)]


@contextlib.contextmanager
def _spoilt_gradient(model: torch.nn.Module) -> Iterator[None]:
    """One value of one gradient is not a number."""

    def spoil(gradient: torch.Tensor) -> torch.Tensor:
        gradient = gradient.clone()
        gradient.view(-1)[0] = float("nan")
        return gradient

    hook = next(iter(trainables(model).values())).register_hook(spoil)
    yield
    hook.remove()


@contextlib.contextmanager
def _spoilt_loss(model: torch.nn.Module) -> Iterator[None]:
    """The first token's loss is infinite, its gradient is an honest zero."""

    def spoil(_: Any, __: Any, out: Any) -> Any:
        first = torch.arange(len(out.logits))[:, None] < 1  # the head answers with losses [tokens, 2]
        out.logits = out.logits.masked_fill(first, float("inf"))
        return out

    hook = model.register_forward_hook(spoil)
    yield
    hook.remove()


class Halted(Exception):
    pass


class Halting(list[MicroBatch]):
    """Micro-batches that end with the owner's pause before the last is read."""

    def __iter__(self) -> Iterator[MicroBatch]:
        yield from self[:-1]
        raise Halted


def _batches(room: Room, ranks: Ranks, share: Any) -> list[MicroBatch]:
    batches = []
    for places in share.places(ranks.rank, ranks.world):
        real = [place for place in places if place < share.sequences]
        rows = [_ids(place) for place in real] + [_ids(0)] * (len(places) - len(real))
        batches.append(MicroBatch(torch.stack(rows), len(real)))
    return batches


def _ids(place: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(place).integers(0, 250, 17))


def _values(tensors: dict[str, Any]) -> list[Any]:
    return [values for _, values in sorted(tensors.items())]


def _read(engine: Engine) -> dict[str, Any]:
    return {name: values.copy() for name, values in engine.read_weights() if values.size}


def _stale(model: torch.nn.Module, wanted: dict[str, Any], precision: str, zero: int, engine: Any) -> list[str]:
    """Trainables whose working copy (what the forward pass uses) is not the wanted value in the compute format."""
    import deepspeed

    dtype = torch_type(precision) if zero else torch.float32
    stale = []
    for name, parameter in trainables(model).items():
        if zero == 3:
            replica = parameter.data.clone() if parameter.numel() else None  # persistent parameters are always here
            with deepspeed.zero.GatheredParameters([parameter]):
                values = parameter.data.clone() if replica is None else replica
        else:
            values = parameter.data
        if not torch.equal(values, torch.from_numpy(wanted[name]).to(dtype)):
            stale.append(name)
    return stale


def _reference_loss(room: Room, path: Path, precision: str, zero: int) -> float:
    """The same loss from an ordinary model that never was in an engine."""
    dtype = torch_type(precision)
    model = build(room.base, room.job, dtype if zero else torch.float32, CPU, "sdpa")
    with torch.no_grad():
        for name, parameter in trainables(model).items():
            parameter.copy_(torch.from_numpy(room.read(path)[name]))
        if zero:
            model.to(dtype)
        ids = _ids(0)[None]
        with torch.autocast("cpu", dtype, enabled=not zero and dtype != torch.float32):
            logits = model(input_ids=ids[:, :-1]).logits
        return float(torch.nn.functional.cross_entropy(logits[0].float(), ids[0, 1:], reduction="sum"))


def main(rank: int, world: int, folder: Path) -> None:
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    deepspeed_engine.REPLICATED = 300  # so that even this small model has sharded and replicated parameters
    ranks = Ranks(rank, world, folder / "rendezvous")
    ranks.connect()
    mine = folder / f"rank-{rank}"
    rooms = {"full": make_room(mine / "full"), "lora": make_room(mine / "lora", lora=3)}
    results = {}
    for recipe, zero, precision in itertools.product(rooms, (0, 1, 2, 3), ("fp32", "bf16")):
        results[f"{recipe} {zero} {precision}"] = trial(rooms[recipe], mine, zero, precision, ranks)
        ranks.wait()
    (folder / f"result-{rank}.json").write_text(json.dumps(results))
    os._exit(0)  # as the trainer leaves: taking gloo's groups down may abort


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
