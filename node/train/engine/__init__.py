"""Engines: the thing that turns micro-batches into trained weights. `torch` and `deepspeed` keep the same promises.

The promises: gradients are those of the mean loss over all tokens of the step, whatever the number of ranks; weights
enter and leave exactly, as fp32, on every rank count; and every method marked *collective* is called by all ranks
together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from shared.ids import Digest

Weights = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Token ids [rows, length + 1] (int64). The first `real` rows count; the others pad the last micro-batch.

    Of them all tokens but the first are predicted, or those where `predicted` [rows, length] (bool) says so. With
    `places` [rows, length] (int64, counted anew from each document's first token) none sees another document.
    """

    ids: torch.Tensor
    real: int
    predicted: torch.Tensor | None = None
    places: torch.Tensor | None = None


@dataclass(frozen=True, slots=True)
class Stepped:
    """What one optimizer step showed, the same on every rank: the mean loss in nats a token, the gradient's norm before
    clipping.

    `skipped`: the loss or a gradient of some rank was not finite, so weights and Adam are as they were, on every rank;
    `loss` and `gradient_norm` may then be inf or nan, and belong in no average. A skip with a finite loss under fp16 is
    ordinary: the gradients were scaled too high, and the scale is halved. Its first steps may be several of those.
    """

    loss: float
    gradient_norm: float
    skipped: bool = False


class Engine(Protocol):
    """A model, its optimizer, and the ranks they live on."""

    name: str

    def step(self, micro_batches: Sequence[MicroBatch], tokens: int, lr: float) -> Stepped:
        """Collective. One optimizer step; `tokens` is the number of tokens it predicts over all ranks.

        What is not finite is never learnt: see `Stepped.skipped`. The engine does not count; the loop decides when
        skips are too many.
        """
        ...

    def loss_sum(self, batch: MicroBatch) -> torch.Tensor:
        """Collective. Nats a token [rows, length] without training, zero in padding rows."""
        ...

    def read_weights(self) -> Iterator[tuple[str, Weights]]:
        """Collective. The exact fp32 trainables in name order, one at a time; empty arrays on ranks other than 0."""
        ...

    def load_weights(self, weights: Iterable[tuple[str, Weights]]) -> None:
        """Collective. Every rank reads the same trainables, in any order. The optimizer's state stays."""
        ...

    def pull(self, strength: float, towards: Iterable[tuple[str, Weights]]) -> None:
        """Collective. From now on steps also pull the weights towards these; strength 0 ends it.

        FedProx (arXiv:1812.06127): strength / 2 times the squared distance joins the loss. Costs a copy of the
        trainables on every rank. Raises OwnerMustAct where it cannot be done.
        """
        ...

    def forget(self) -> None:
        """Adam starts afresh."""
        ...

    def save_optimizer(self, path: Path) -> Digest:
        """This rank's part of the optimizer's state, as safetensors (see `moments`); the file's digest.

        Raises OwnerMustAct when the disk is full.
        """
        ...

    def load_optimizer(self, paths: Sequence[Path]) -> None:
        """What all ranks wrote, however many they were and whatever their engine.

        Raises ValueError when it does not fit.
        """
        ...

    def abandon(self) -> None:
        """Forget the gradients of a step whose micro-batches were not all read: it never happened."""
        ...
