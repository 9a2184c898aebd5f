"""The loss of a micro-batch, and the memory it costs.

The logits of 4,096 tokens over 49,152 words are 800 MB in fp32, and backward wants them three times. So the head, the
model's last layer, answers with losses instead: it works through its rows a chunk at a time and keeps no logits, which
are computed again on the way back. It does so from inside the model's own forward: in ZeRO-3 its weights are whole only
then, and what is around the head (autocast, adapters, tied embeddings) need not be known here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as functional
from torch import nn
from torch.utils.checkpoint import checkpoint

from node.logic.memory import KEPT_LOGITS
from node.train.engine import MicroBatch

KEPT = KEPT_LOGITS
IGNORED = -100  # a target that is not predicted


@dataclass(frozen=True, slots=True)
class Losses:
    """For every predicted token [rows, length], fp32; zero where nothing is predicted."""

    trained: torch.Tensor  # what training makes small: nats, smoothed where the run wants it
    nats: torch.Tensor  # the true ones, without gradient where they differ from `trained`


def token_losses(model: nn.Module, batch: MicroBatch, device: torch.device, smoothing: float = 0.0) -> Losses:
    """The losses of `batch`. `model` is a transformers model for causal language modelling, or an engine around one.

    `smoothing` (arXiv:1512.00567) takes that share of the target's weight and spreads it over all words.
    """
    ids = batch.ids.to(device)
    wanted = targets(batch).to(device)
    with _answering_losses(_head(model), wanted.flatten(), smoothing):
        both = model(input_ids=ids[:, :-1].contiguous(), **_places(batch, device)).logits.view(*wanted.shape, 2)
    return Losses(both[..., 0], both[..., 1])


def _places(batch: MicroBatch, device: torch.device) -> dict[str, torch.Tensor]:
    """Where they begin anew, transformers lets no token see what came before."""
    return {} if batch.places is None else {"position_ids": batch.places.to(device)}


def targets(batch: MicroBatch) -> torch.Tensor:
    """The words to predict [rows, length], int64; IGNORED in padding rows and where nothing is predicted."""
    wanted = batch.ids[:, 1:].clone()
    if batch.predicted is not None:
        wanted[~batch.predicted] = IGNORED
    wanted[batch.real :] = IGNORED
    return wanted


def _head(model: nn.Module) -> nn.Module:
    """The layer that makes logits of hidden states."""
    inner: Any = getattr(model, "module", model)  # DeepSpeed's engine wraps it
    head: nn.Module = inner.get_output_embeddings()
    return head


@contextmanager
def _answering_losses(head: nn.Module, wanted: torch.Tensor, smoothing: float) -> Iterator[None]:
    """Meanwhile `head` makes of hidden states [..., d] the two losses [rows x length, 2] instead of logits."""
    logits, patched = head.forward, vars(head).get("forward")

    def losses(hidden: torch.Tensor) -> torch.Tensor:
        flat = hidden.flatten(0, -2)
        width = _width(head)
        if flat.shape[0] * width <= KEPT:
            return _losses(logits(flat), wanted, smoothing)
        rows = max(1, KEPT // width)

        def chunk(part: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
            return _losses(logits(part), words, smoothing)

        # A slice copies the whole gradient on the way back; `split` does so once for all its pieces.
        pairs = zip(flat.split(rows), wanted.split(rows), strict=True)
        if not torch.is_grad_enabled():
            return torch.cat([chunk(part, words) for part, words in pairs])
        return torch.cat(
            [checkpoint(chunk, part, words, use_reentrant=False, preserve_rng_state=False) for part, words in pairs]
        )

    head.forward = losses
    try:
        yield
    finally:
        if patched is None:
            del head.forward
        else:
            head.forward = patched


def _width(head: nn.Module) -> int:
    """Words in the vocabulary, also for an adapted head."""
    width: Any = getattr(head, "out_features", None)
    return int(width)


def _losses(logits: torch.Tensor, wanted: torch.Tensor, smoothing: float) -> torch.Tensor:
    """[rows, 2]: the loss that is trained, and the true one."""
    trained = _cross_entropy(logits.float(), wanted, smoothing)
    nats = trained.detach() if not smoothing else _cross_entropy(logits.detach().float(), wanted)
    return torch.stack([trained, nats], -1)


def _cross_entropy(logits: torch.Tensor, wanted: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
    return functional.cross_entropy(logits, wanted, reduction="none", ignore_index=IGNORED, label_smoothing=smoothing)
