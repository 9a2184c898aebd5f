"""With `attention: documents` a token sees its own document only, in every kind of model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from node.train.engine import MicroBatch
from node.train.engine.loss import token_losses
from node.train.model import build
from shared.models.trainables import trainables
from tests.node.train.room import make_job
from tests.shared.families import KINDS, make_folder

CPU = torch.device("cpu")


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3", "gpt-neox", "gpt-j"])
def test_a_document_in_a_window_is_read_as_if_it_stood_alone(tmp_path: Path, kind: str) -> None:
    assert kind in KINDS
    base = make_folder(tmp_path / "base", kind)
    config = json.loads((base / "config.json").read_bytes())
    job = make_job(trainables(config, {"kind": "full"}), None, attention="documents")
    model = build(base, job, torch.float32, CPU, "sdpa").eval()
    ids = torch.randint(3, 250, (2, 25), generator=torch.Generator().manual_seed(1))
    places = torch.cat([torch.arange(10), torch.arange(14)])[None].expand(2, -1).clone()
    places[1] = torch.arange(24)  # the other row is one document
    with torch.no_grad():
        together = token_losses(model, MicroBatch(ids, 2, places=places), CPU).nats
        alone = token_losses(model, MicroBatch(ids[:1, 10:], 1), CPU).nats
        mixed = token_losses(model, MicroBatch(ids, 2), CPU).nats
    assert torch.allclose(together[:1, 10:], alone, atol=1e-5)
    assert torch.allclose(together[:1, :10], mixed[:1, :10], atol=1e-5)
    assert torch.allclose(together[1], mixed[1], atol=1e-5)
    assert not torch.allclose(together[:1, 10:], mixed[:1, 10:], atol=1e-3)
