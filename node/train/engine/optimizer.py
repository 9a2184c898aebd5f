"""AdamW for a job, and its state as plain tensors in a file of our own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from node.train.job import OptimizerName
from shared.disk import private_folder
from shared.job import Job


def adamw(parameters: Iterable[nn.Parameter], job: Job, name: OptimizerName) -> torch.optim.Optimizer:
    """Weight decay on matrices only, as is the custom: norms and biases are not pulled to zero."""
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
    return torch.optim.AdamW(groups, lr=job.lr, betas=job.betas, eps=1e-8, fused=True)


def save_state(optimizer: torch.optim.Optimizer, keys: Sequence[torch.Tensor], path: Path) -> None:
    """Write the state belonging to `keys` (the tensors the optimizer steps on), by their place in the list."""
    tensors: dict[str, torch.Tensor] = {}
    for place, key in enumerate(keys):
        for name, value in optimizer.state.get(key, {}).items():
            tensors[f"{place:05d}.{name}"] = torch.as_tensor(value).detach().to("cpu").contiguous().clone()
    private_folder(path.parent)
    beside = path.with_suffix(".new")
    save_file(tensors, beside)
    beside.replace(path)


def load_state(optimizer: torch.optim.Optimizer, keys: Sequence[torch.Tensor], path: Path) -> None:
    """Put back what `save_state` wrote. Raises ValueError when a tensor is of another shape."""
    forget_state(optimizer)
    with safe_open(path, "pt") as handle:
        for full in handle.keys():  # noqa: SIM118  a file handle, not a dict
            place, name = full.split(".", 1)
            if int(place) >= len(keys):
                raise ValueError(f"{path} belongs to a larger model")
            key, value = keys[int(place)], handle.get_tensor(full)
            if name in ("exp_avg", "exp_avg_sq", "state1", "state2") and value.numel() != key.numel():
                raise ValueError(f"{path} belongs to another model")
            keep_on = torch.device("cpu") if name == "step" and not _on_card(optimizer) else key.device
            optimizer.state[key][name] = value.to(keep_on)


def forget_state(optimizer: torch.optim.Optimizer) -> None:
    """As new: the next step creates the moments afresh."""
    optimizer.state.clear()


def _on_card(optimizer: torch.optim.Optimizer) -> bool:
    return any(p.is_cuda for group in optimizer.param_groups for p in group["params"])
