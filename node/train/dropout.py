"""Dropout by forward hooks, so that no parameter has another name: on the embeddings, and on what each layer adds.

What is dropped depends on the run, the round, the step, the rank and nothing else: a step that is done again after a
crash drops the same values. A layer computed again on the way back does, too: torch's checkpoints bring the random
state back.
"""

from __future__ import annotations

import hashlib
from typing import Any

import torch
import torch.nn.functional as functional
from torch import nn

from shared.ids import RunId

_BRANCHES = ("self_attn", "attention", "attn", "mlp")  # what the families we train call a layer's two branches


def add_dropout(model: nn.Module, share: float) -> None:
    """From now on, while it trains, `model` drops that share of its embeddings and of its residual branches."""
    if not share:
        return
    inner: Any = model
    inner.get_input_embeddings().register_forward_hook(_dropping(share))
    for branch in branches(model):
        branch.register_forward_hook(_dropping(share))


def branches(model: nn.Module) -> list[nn.Module]:
    """Each layer's attention and feed-forward part. Layers are the members of lists that hold such parts."""
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    found = [part for layers in lists for layer in layers for name, part in layer.named_children() if name in _BRANCHES]
    assert found, "a family whose layers we do not know"
    return found


def seed(run: RunId, round_number: int, step: int, rank: int) -> None:
    """Everything random in this rank's next step follows from these four."""
    digest = hashlib.sha256(f"{run}/{round_number}/{step}/{rank}".encode()).digest()
    torch.manual_seed(int.from_bytes(digest[:8], "big", signed=True))


def _dropping(share: float) -> Any:
    """A hook. Attention answers with a tuple whose first part is what it adds."""

    def drop(module: nn.Module, inputs: Any, output: Any) -> Any:
        if not module.training:
            return output
        if isinstance(output, tuple):
            return functional.dropout(output[0], share), *output[1:]
        return functional.dropout(output, share)

    return drop
