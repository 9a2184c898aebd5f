"""Plain torch: one rank per card (or the CPU), gradients averaged once a step. Trainables are kept in fp32.

Half precision is autocast, so the fp32 trainables are the masters themselves and nothing can go stale.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from node.logic.fit import Fit
from node.train.engine import MicroBatch, Stepped, Weights, moments
from node.train.engine.loss import token_losses
from node.train.engine.moments import Piece
from node.train.engine.optimizer import adamw, forget_state
from node.train.model import trainables
from node.train.ranks import Ranks
from shared.ids import Digest
from shared.job import Job

_BUCKET = 1 << 24  # values in one all-reduce: 64 MB


class TorchEngine:
    """Keeps the promises of `Engine`. Every rank holds the whole model."""

    def __init__(
        self, model: nn.Module, job: Job, fit: Fit, ranks: Ranks, device: torch.device, precision: str
    ) -> None:
        self.name = "torch"
        self._model, self._ranks, self._device, self._clip = model, ranks, device, job.clip
        self._smoothing = job.label_smoothing
        self._trainables = trainables(model)
        self._optimizer = adamw(self._trainables.values(), job, fit.optimizer)
        self._half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
        self._scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")
        self._strength, self._anchors = 0.0, dict[str, torch.Tensor]()

    def step(self, micro_batches: Sequence[MicroBatch], tokens: int, lr: float) -> Stepped:
        self._model.train()
        loss = 0.0
        for batch in micro_batches:
            with self._autocast():
                losses = token_losses(self._model, batch, self._device, self._smoothing)
                piece = losses.trained.sum() / tokens
            self._scaler.scale(piece).backward()
            loss += float(losses.nats.detach().sum() / tokens)
        self._share_gradients()
        self._scaler.unscale_(self._optimizer)
        for name, anchor in self._anchors.items():
            gradient = self._trainables[name].grad
            assert gradient is not None
            gradient.add_(self._trainables[name].detach() - anchor, alpha=self._strength)
        norm = float(nn.utils.clip_grad_norm_(self._trainables.values(), self._clip))
        loss = self._ranks.total([loss])[0]
        skipped = not math.isfinite(loss) or not math.isfinite(norm)  # both are sums over all ranks
        if not skipped:
            for group in self._optimizer.param_groups:
                group["lr"] = lr
            self._scaler.step(self._optimizer)
        self._scaler.update()
        self._optimizer.zero_grad(set_to_none=True)
        return Stepped(loss, norm, skipped)

    def loss_sum(self, batch: MicroBatch) -> torch.Tensor:
        self._model.eval()
        with torch.no_grad(), self._autocast():
            return token_losses(self._model, batch, self._device).nats.cpu()

    def read_weights(self) -> Iterator[tuple[str, Weights]]:
        for name, parameter in self._trainables.items():
            yield name, parameter.detach().cpu().numpy() if self._ranks.leads else np.empty(0, np.float32)

    def load_weights(self, weights: Iterable[tuple[str, Weights]]) -> None:
        with torch.no_grad():
            for name, values in weights:
                self._trainables[name].copy_(torch.from_numpy(values))

    def pull(self, strength: float, towards: Iterable[tuple[str, Weights]]) -> None:
        self._strength = strength
        self._anchors = {n: torch.from_numpy(w).to(self._device) for n, w in towards} if strength else {}

    def forget(self) -> None:
        forget_state(self._optimizer)

    def save_optimizer(self, path: Path) -> Digest:
        """Every rank has all of it, so rank 0 writes it."""
        pieces = self._pieces() if self._ranks.leads else []
        return moments.save(self._optimizer, pieces, path, self._scaler.state_dict())

    def load_optimizer(self, paths: Sequence[Path]) -> None:
        if scale := moments.load(self._optimizer, self._pieces(), paths):
            self._scaler.load_state_dict(dict(scale))

    def abandon(self) -> None:
        self._optimizer.zero_grad(set_to_none=True)

    def _pieces(self) -> list[Piece]:
        return [Piece(name, 0, value.numel(), value, 0) for name, value in self._trainables.items()]

    def _autocast(self) -> AbstractContextManager[object]:
        return nullcontext() if self._half is None else torch.autocast(self._device.type, self._half)

    def _share_gradients(self) -> None:
        """Sum gradients over the ranks: each piece of the loss was already divided by all tokens of the step."""
        if self._ranks.world == 1:
            return
        bucket: list[torch.Tensor] = []
        for parameter in self._trainables.values():
            assert parameter.grad is not None
            bucket.append(parameter.grad)
            if sum(gradient.numel() for gradient in bucket) >= _BUCKET:
                _sum_over_ranks(bucket)
                bucket = []
        _sum_over_ranks(bucket)


def _sum_over_ranks(gradients: list[torch.Tensor]) -> None:
    if not gradients:
        return
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    at = 0
    for gradient in gradients:
        gradient.copy_(flat[at : at + gradient.numel()].view_as(gradient))
        at += gradient.numel()
