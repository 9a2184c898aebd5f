"""Load what the trainer made with the usual tools, and measure it as the trainer does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch

from node.data.tokens import collect
from node.train.measure import held_out
from shared.result import adapter_config
from tests.node.train.room import Room


def loss_of_folder(room: Room, folder: Path) -> float:
    """Nats a token of the Hugging Face model in `folder` on the room's held-out text."""
    from transformers import AutoModelForCausalLM

    return _loss(room, AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=torch.float32))


def loss_of_adapter(room: Room, adapter: Path, folder: Path) -> float:
    """The same for the room's base with that adapter file."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    folder.mkdir()
    shutil.copy(adapter, folder / "adapter_model.safetensors")
    assert room.job.lora is not None
    names = [tensor.name for tensor in room.job.tensors]
    words = adapter_config(room.job.lora, room.job.lora_alpha, names, str(room.base))
    (folder / "adapter_config.json").write_text(json.dumps(words))
    base = AutoModelForCausalLM.from_pretrained(room.base, local_files_only=True, dtype=torch.float32)
    return _loss(room, PeftModel.from_pretrained(base, folder))


def _loss(room: Room, model: torch.nn.Module) -> float:
    tokens = collect([room.data], room.base / "tokenizer.json")
    held = held_out(tokens, room.job, room.base / "tokenizer.json")
    assert held is not None
    nats = 0.0
    with torch.no_grad():
        for window, scored in zip(held.windows, held.scored, strict=True):
            logits = model(input_ids=window[None, :-1]).logits[0]
            losses = torch.nn.functional.cross_entropy(logits, window[1:], reduction="none")
            nats += float(losses[scored].double().sum())
    return nats / held.tokens
