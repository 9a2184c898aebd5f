"""How fp16's losses are scaled is part of a checkpoint: a restart does not search for the scale again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from node.logic.fit import Fit
from node.train.engine import MicroBatch
from node.train.engine.torch_engine import TorchEngine
from node.train.model import build, trainables
from node.train.ranks import Ranks
from tests.node.train.room import Room, make_room

pytestmark = pytest.mark.slow
CPU = torch.device("cpu")
BATCH = [MicroBatch(torch.arange(17)[None], 1)]


def engine(room: Room) -> TorchEngine:
    model = build(room.base, room.job, torch.float32, CPU, "sdpa")
    return TorchEngine(model, room.job, Fit("torch", 0), Ranks(0, 1, room.folder / "unused"), CPU, "fp16")


def test_the_scale_is_kept(tmp_path: Path) -> None:
    room = make_room(tmp_path / "room")
    first = engine(room)
    assert not first.step(BATCH, 16, 1e-3).skipped
    before = first._scaler.get_scale()
    spoilt = next(iter(trainables(first._model).values())).register_hook(lambda gradient: gradient * float("inf"))
    assert first.step(BATCH, 16, 1e-3).skipped
    spoilt.remove()
    assert first._scaler.get_scale() == before / 2
    first.save_optimizer(tmp_path / "rank-0.safetensors")

    again = engine(room)
    again.load_optimizer([tmp_path / "rank-0.safetensors"])
    assert not again.step(BATCH, 16, 1e-3).skipped
    assert again._scaler.get_scale() == before / 2
