"""A card is given back within a layer's time: `halt` ends the step under way, however long it would take.

Between two micro-batches all ranks ask together. Where one rank trains alone with plain torch, every layer asks, too,
on its way forward and back; sharded engines would be left with half-gathered weights there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from node.train.engine import MicroBatch
from node.train.ranks import Ranks


class Halted(Exception):
    """The owner, or the host, wants the round to end. `Engine.abandon` clears up."""


class MicroBatches(list[MicroBatch]):
    """Those of one step. Reading them raises Halted, on all ranks together, but not before the first."""

    def __init__(self, batches: Sequence[MicroBatch], ranks: Ranks, halted: Callable[[], bool]) -> None:
        super().__init__(batches)
        self._ranks, self._halted = ranks, halted

    def __iter__(self) -> Iterator[MicroBatch]:
        for number in range(len(self)):
            if number and self._ranks.same([float(self._halted())])[0]:
                raise Halted
            yield self[number]


def ask_in_layers(model: nn.Module, halted: Callable[[], bool]) -> None:
    """While the model trains, each layer raises Halted once `halted()` is true."""

    def ask(layer: nn.Module, *_: Any) -> None:
        if layer.training and halted():
            raise Halted

    def ask_on_the_way_back(layer: nn.Module, _: Any, output: Any) -> None:
        hidden = output[0] if isinstance(output, tuple) else output
        if isinstance(hidden, torch.Tensor) and hidden.requires_grad:
            hidden.register_hook(lambda _: ask(layer))

    for layers in [module for module in model.modules() if isinstance(module, nn.ModuleList)]:
        for layer in layers:
            layer.register_forward_pre_hook(ask)
            layer.register_forward_hook(ask_on_the_way_back)
