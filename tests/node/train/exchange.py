"""One rank of the trials of test_exchange and test_fits: builds live engines and tries every way in and out.

`python -m tests.node.train.exchange RANK WORLD FOLDER CASES` writes FOLDER/result-RANK.json: {case: {what: value}}.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from node.logic.fit import Fit
from node.train import machine, weights
from node.train.engine import Engine, MicroBatch, deepspeed_config
from node.train.engine import loss as loss_module
from node.train.engine.deepspeed_engine import DeepSpeedEngine
from node.train.engine.torch_engine import TorchEngine
from node.train.job import Deal, deal
from node.train.machine import torch_type
from node.train.model import build, trainables
from node.train.ranks import Ranks
from tests.node.train.room import ODD_LLAMA, Room, closest, make_room, same_bits

PULL = 1e4  # so strong that the gradient of the loss is nothing beside it
DEVICE = machine.device_for(0)  # the CPU where DS_ACCELERATOR says so; a card for tests/gpu


@dataclass(frozen=True, slots=True)
class Case:
    """An engine to try: "lora, deepspeed zero-2, bf16"."""

    recipe: str  # full or lora
    precision: str
    fit: Fit
    approximate: bool = False  # 4 or 8 bits somewhere: losses are near, not equal

    @property
    def zero(self) -> int:
        return self.fit.zero or 0

    @property
    def dtype(self) -> torch.dtype:
        """What the model is built in."""
        return torch_type(self.precision) if self.zero else torch.float32


def engine_for(case: Case, room: Room, ranks: Ranks, share: Deal) -> tuple[torch.nn.Module, Engine]:
    home = torch.device("cpu") if case.zero == 3 else DEVICE  # as the trainer does
    model = build(room.base, room.job, case.dtype, home, "sdpa", nf4=case.fit.base == "nf4")
    if case.fit.recompute:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        if room.job.lora is not None:
            model.enable_input_require_grads()
    if case.zero:
        return model, DeepSpeedEngine(model, room.job, case.fit, share, ranks, DEVICE, case.precision)
    return model, TorchEngine(model, room.job, case.fit, ranks, DEVICE, case.precision)


def trial(room: Room, folder: Path, case: Case, ranks: Ranks) -> dict[str, Any]:
    """Everything we promise about one engine. Collective."""
    share = deal(room.job, replace(case.fit, micro_batch=1), ranks.world, on_card=False)
    model, engine = engine_for(case, room, ranks, share)
    one, two = room.noise(1, "one.safetensors"), room.noise(2, "two.safetensors")
    batches = micro_batches(ranks, share)
    found: dict[str, Any] = {"name": engine.name}

    engine.step(batches, share.tokens, 1e-2)  # the optimizer has a state before anything is loaded
    engine.load_weights(weights.read(one, room.job))
    found["different after load"] = same_bits(room.read(one), _read(engine)) if ranks.leads else _read(engine) or []
    found["stale working copies"] = _stale(model, room.read(one), case)
    loss = float(engine.loss_sum(MicroBatch(_ids(0)[None], 1)).sum())
    found["loss off by"] = abs(loss - _reference_loss(room, one, case))

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

    if case.precision != "fp16":  # DeepSpeed refuses it there
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


def micro_batches(ranks: Ranks, share: Deal) -> list[MicroBatch]:
    """This rank's part of one step, of fixed random text."""
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


def _stale(model: torch.nn.Module, wanted: dict[str, Any], case: Case) -> list[str]:
    """Trainables whose working copy (what the forward pass uses) is not the wanted value in the compute format."""
    import deepspeed

    stale = []
    for name, parameter in trainables(model).items():
        if case.zero == 3:
            replica = parameter.data.clone() if parameter.numel() else None  # persistent parameters are always here
            with deepspeed.zero.GatheredParameters([parameter]):
                values = parameter.data.clone() if replica is None else replica
        else:
            values = parameter.data
        if not torch.equal(values.cpu(), torch.from_numpy(wanted[name]).to(case.dtype)):
            stale.append(name)
    return stale


def _reference_loss(room: Room, path: Path, case: Case) -> float:
    """The same loss from an ordinary model that never was in an engine."""
    dtype = torch_type(case.precision)
    model = build(room.base, room.job, case.dtype, DEVICE, "sdpa", nf4=case.fit.base == "nf4")
    with torch.no_grad():
        for name, parameter in trainables(model).items():
            parameter.copy_(torch.from_numpy(room.read(path)[name]))
        if case.zero:
            model.to(dtype)
        ids = _ids(0)[None].to(DEVICE)
        with torch.autocast(DEVICE.type, dtype, enabled=not case.zero and dtype != torch.float32):
            logits = model(input_ids=ids[:, :-1]).logits
        return float(torch.nn.functional.cross_entropy(logits[0].float(), ids[0, 1:], reduction="sum"))


def stages() -> dict[str, Case]:
    """Plain torch and every ZeRO stage, in both recipes and number formats."""
    return {
        f"{recipe} {zero} {precision}": Case(recipe, precision, Fit("deepspeed" if zero else "torch", zero))
        for recipe, zero, precision in itertools.product(("full", "lora"), (0, 1, 2, 3), ("fp32", "bf16"))
    }


def fits() -> dict[str, Case]:
    """What makes a model fit into less memory; "plain" is what the exact ones are held against."""
    plain, zero = Fit("torch", 0), Fit("deepspeed", 3)
    spare: dict[str, Fit] = {
        "zero-3, recompute": replace(zero, recompute=True),
        "zero-1, optimizer": replace(zero, zero=1, offload="optimizer"),
        "zero-2, optimizer": replace(zero, zero=2, offload="optimizer"),
        "zero-3, optimizer": replace(zero, offload="optimizer"),
        "zero-3, parameters": replace(zero, offload="parameters"),
    }
    found = {f"{recipe} plain fp32": Case(recipe, "fp32", plain) for recipe in ("full", "lora")}
    found |= {f"full {name} fp32": Case("full", "fp32", fit) for name, fit in spare.items()}
    found["full zero-3, parameters, recompute bf16"] = Case(
        "full", "bf16", replace(zero, offload="parameters", recompute=True)
    )
    found["lora zero-3, parameters, recompute fp32"] = Case(
        "lora", "fp32", replace(zero, offload="parameters", recompute=True)
    )
    for stage in (0, 2, 3):
        eight = Fit("deepspeed" if stage else "torch", stage, optimizer="adamw8bit")
        found[f"full 8-bit Adam, zero-{stage} fp32"] = Case("full", "fp32", eight, approximate=True)
    for stage, precision in ((0, "fp32"), (2, "bf16")):
        four = Fit("deepspeed" if stage else "torch", stage, base="nf4", recompute=stage == 2)
        found[f"lora NF4, zero-{stage} {precision}"] = Case("lora", precision, four, approximate=True)
    return found


def on_a_card() -> dict[str, Case]:
    """The fits, and the number format that needs a card."""
    halves = {
        f"full zero-{stage} fp16": Case("full", "fp16", Fit("deepspeed" if stage else "torch", stage))
        for stage in (0, 2, 3)
    }
    return fits() | halves


def on_disk() -> dict[str, Case]:
    """Needs libaio and a compiler, or what they made."""
    return {
        "full plain fp32": Case("full", "fp32", Fit("torch", 0)),
        "full disk fp32": Case("full", "fp32", Fit("deepspeed", 3, offload="disk", folder=os.environ["FAST_FOLDER"])),
    }


CASES = {"stages": stages, "fits": fits, "card": on_a_card, "disk": on_disk}


def main(rank: int, world: int, folder: Path, cases: dict[str, Case]) -> None:
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    deepspeed_config.REPLICATED = 300  # so that even this small model has sharded and replicated parameters
    ranks = Ranks(rank, world, folder / "rendezvous")
    ranks.connect()
    mine = folder / f"rank-{rank}"
    if "full disk fp32" in cases:  # DeepSpeed leaves less than a megabyte in memory
        ODD_LLAMA.update(hidden_size=220, intermediate_size=351, head_dim=110)
    batch = 32 * min(world, 2)  # tokens: two micro-batches a step for each rank, some of them padding
    rooms = {"full": make_room(mine / "full", batch=batch), "lora": make_room(mine / "lora", lora=3, batch=batch)}
    results = {}
    for name, case in cases.items():
        results[name] = trial(rooms[case.recipe], mine, case, ranks)
        ranks.wait()
    (folder / f"result-{rank}.json").write_text(json.dumps(results))
    os._exit(0)  # as the trainer leaves: taking gloo's groups down may abort


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), CASES[sys.argv[4]]())
