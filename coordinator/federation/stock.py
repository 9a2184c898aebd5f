"""Flower's own strategies: whole weights, float32, inflated from blobs into ArrayRecords and back.

Costs about (4.3 + nodes) times the model in memory (measured); asked before, so that a host that is too small hears it
in words. The next strategies need one line here, one in `state.REMEMBERED`, and their arrays put back in `restore`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import psutil
from flwr.app import Array, ArrayRecord
from flwr.serverapp.strategy import FedAvg, Strategy

from coordinator.federation.carrier import Outcome, Store
from coordinator.federation.parameters import Parameters, arguments
from shared.codec import safe
from shared.codec.bf16 import Float32
from shared.disk import require_space, size_words
from shared.errors import OwnerMustAct
from shared.ids import Digest
from shared.job import TensorSpec, UpdateKind

STOCK: dict[str, type[FedAvg]] = {"FedAvg": FedAvg}
_COPIES = 4.3  # of the model, besides one for each node


def require_memory(tensors: tuple[TensorSpec, ...], nodes: int) -> None:
    """Raise OwnerMustAct unless merging the whole weights of that many nodes fits this PC."""
    need = (_COPIES + nodes) * 4 * sum(math.prod(spec.shape) for spec in tensors)
    have = psutil.virtual_memory().available
    if need > have:
        raise OwnerMustAct(
            f"Merging whole weights from {nodes} PCs with a Flower strategy takes about {size_words(need)} of memory; "
            f"{size_words(have)} are free here. Use the DiLoCo strategy, whose memory does not grow, or a LoRA recipe."
        )


class Inflated:
    """Carries one of Flower's strategies."""

    update: UpdateKind = "weights"

    def __init__(self, name: str, parameters: Parameters, quorum: int, store: Store) -> None:
        self._stock = STOCK[name](**arguments(STOCK[name], parameters, quorum))
        self.strategy: Strategy = self._stock
        self._store = store

    def enough(self, nodes: int) -> None:
        """Sampling in Flower waits in a sleep loop for nodes that may never come: ask before."""
        require_memory(self._store.tensors, nodes)
        need = max(self._stock.min_available_nodes, self._stock.min_train_nodes)
        if nodes < need:
            raise OwnerMustAct(f"{type(self._stock).__name__} needs {need} PCs in a round; {nodes} are here.")

    def arrays(self, model: Digest) -> ArrayRecord:
        return self._inflate(model)

    def restore(self, model: Digest, state: Digest | None) -> None:
        """FedAvg remembers nothing."""
        assert state is None, state

    def reply(self, update: Digest) -> ArrayRecord:
        return self._inflate(update)

    def outcome(self, round_: int, model: Digest, merged: ArrayRecord) -> Outcome:
        """The strategy's arrays as a model blob, checked: a strategy is somebody else's code."""
        store = self._store
        where = safe.layout(store.tensors, "fp32")
        if set(merged) != {spec.name for spec in store.tensors}:
            raise OwnerMustAct(f"{type(self.strategy).__name__} returned other tensors than it was given.")
        require_space(store.blobs.root, where.size, "this round's model")
        with store.spooled("model") as path:
            digest = safe.write(path, _arrays(merged, where), where)
            safe.finite(path, where)
            before, _ = store.checked(model, "fp32")
            squares = 0.0
            for (_, new), (_, old) in zip(safe.read(path, where), safe.read(before, where), strict=True):
                new -= old
                squares += float(np.vdot(new, new))
            return Outcome(store.blobs.adopt(path, digest), None, None, math.sqrt(squares))

    def _inflate(self, digest: Digest) -> ArrayRecord:
        path, where = self._store.checked(digest, "fp32")
        return ArrayRecord({name: Array(values) for name, values in safe.read(path, where)})


def _arrays(record: ArrayRecord, where: safe.Layout) -> Iterator[tuple[str, Float32]]:
    for spec in where.tensors:
        yield spec.name, np.ascontiguousarray(record[spec.name].numpy(), np.float32).reshape(spec.shape)
