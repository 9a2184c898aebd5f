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
    # A slice, even of everything, copies the logits' gradient on the way back; `split` does so once for all its pieces.
    whole = flat.shape[0] <= _ROWS
    pieces = [
        functional.cross_entropy(part.float(), words, reduction="none", ignore_index=-100)
        for part, words in ([(flat, wanted)] if whole else zip(flat.split(_ROWS), wanted.split(_ROWS), strict=True))
    ]
    return torch.cat(pieces).view(targets.shape)
