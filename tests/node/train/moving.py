"""One rank of a PC whose cards change: `python -m tests.node.train.moving RANK WORLD FOLDER ZERO FROM TO`.

Goes on from the checkpoint FOLDER/FROM (or trains two steps where FROM is "-"), writes it again as FOLDER/TO, takes one
more step, and tells what it showed in FOLDER/TO/result.json.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path

import torch

from node.logic.fit import Fit
from node.train import weights
from node.train.engine import Engine
from node.train.engine.deepspeed_engine import DeepSpeedEngine
from node.train.engine.torch_engine import TorchEngine
from node.train.job import Deal, deal
from node.train.model import build
from node.train.ranks import Ranks
from tests.node.train.exchange import DEVICE as CPU
from tests.node.train.exchange import micro_batches
from tests.node.train.room import Room, make_room


def main(rank: int, world: int, folder: Path, zero: int, source: str, target: str) -> None:
    warnings.simplefilter("ignore")
    room = make_room(folder / f"{target}-rank-{rank}", lora=None)
    ranks = Ranks(rank, world, folder / f"{target}.rendezvous")
    share = deal(room.job, Fit(), world, on_card=False)
    engine = engine_for(room, zero, share, ranks)
    batches = micro_batches(ranks, share)
    if source == "-":
        engine.load_weights(weights.read(room.model, room.job))
        for _ in range(2):
            engine.step(batches, share.tokens, 1e-3)
    else:
        engine.load_weights(weights.read(folder / source / "weights.safetensors", room.job))
        engine.load_optimizer(sorted((folder / source).glob("rank-*")))
    out = folder / target
    out.mkdir(exist_ok=True)
    engine.save_optimizer(out / f"rank-{rank}.safetensors")
    if ranks.leads:
        weights.write(out / "weights.safetensors", room.job, "fp32", engine.read_weights())
    else:
        weights.take_part(engine.read_weights())
    stepped = engine.step(batches, share.tokens, 1e-3)
    if ranks.leads:
        (out / "result.json").write_text(json.dumps({"loss": stepped.loss, "norm": stepped.gradient_norm}))
    ranks.wait()


def engine_for(room: Room, zero: int, share: Deal, ranks: Ranks) -> Engine:
    fit = Fit(engine="deepspeed" if zero else "torch", zero=zero)
    model = build(room.base, room.job, torch.float32, CPU, "sdpa")
    if zero:
        return DeepSpeedEngine(model, room.job, fit, share, ranks, CPU, "fp32")
    return TorchEngine(model, room.job, fit, ranks, CPU, "fp32")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), sys.argv[5], sys.argv[6])
    sys.stdout.flush()
    os._exit(0)
