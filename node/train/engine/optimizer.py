"""AdamW for a job. How its state is kept on the disk is in `moments`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from node.logic.fit import OptimizerName
from shared.job import Job


def adamw(
    parameters: Iterable[nn.Parameter], job: Job, name: OptimizerName, in_main_memory: Any | None = None
) -> torch.optim.Optimizer:
    """Weight decay on matrices only, as is the custom: norms and biases are not pulled to zero.

    `in_main_memory`: DeepSpeed's class for Adam beside a card, where there is one; torch's does the same more slowly.
    """
    listed = list(parameters)
    groups: list[dict[str, Any]] = [
        {"params": [p for p in listed if p.dim() >= 2], "weight_decay": job.weight_decay},
        {"params": [p for p in listed if p.dim() < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if name == "adamw8bit":
        from bitsandbytes.optim import AdamW8bit

        optimizer: torch.optim.Optimizer = AdamW8bit(groups, lr=job.lr, betas=job.betas, eps=1e-8)
        return optimizer
    if in_main_memory is not None:
        beside: torch.optim.Optimizer = in_main_memory(groups, lr=job.lr, betas=job.betas, eps=1e-8)
        return beside
    return torch.optim.AdamW(groups, lr=job.lr, betas=job.betas, eps=1e-8, fused=True)


def forget_state(optimizer: torch.optim.Optimizer) -> None:
    """As new: the next step creates the moments afresh."""
    optimizer.state.clear()
