"""The loss of a micro-batch, and the memory it costs."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import nn

from node.train.engine import MicroBatch

_ROWS = 2048  # logits in fp32 at a time: 2,048 x 49,152 values are 400 MB


def token_losses(model: nn.Module, batch: MicroBatch, device: torch.device) -> torch.Tensor:
    """Nats for every predicted token [rows, length], fp32; zero in padding rows."""
    ids = batch.ids.to(device)
    logits = model(input_ids=ids[:, :-1].contiguous()).logits
    targets = ids[:, 1:].clone()
    targets[batch.real :] = -100
    flat, wanted = logits.flatten(0, 1), targets.flatten()
    pieces = [
        functional.cross_entropy(
            flat[at : at + _ROWS].float(), wanted[at : at + _ROWS], reduction="none", ignore_index=-100
        )
        for at in range(0, flat.shape[0], _ROWS)
    ]
    return torch.cat(pieces).view(targets.shape)
