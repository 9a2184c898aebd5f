"""Flower's own strategies: whole weights, float32, inflated from blobs into ArrayRecords and back.

Costs many times the model in memory (`Stock.copies`); asked before, so that a host that is too small hears it in words.
Another strategy needs one line in `STOCK` and one in `state.REMEMBERED`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from flwr.app import Array, ArrayRecord, ConfigRecord
from flwr.serverapp import strategy as flower
from flwr.serverapp.strategy import Strategy

from coordinator.federation import memory, state
from coordinator.federation.carrier import Outcome, Store
from coordinator.federation.grid import RoundGrid
from coordinator.federation.parameters import Parameters, arguments
from shared.codec import safe
from shared.codec.bf16 import Float32
from shared.disk import require_space, size_words
from shared.errors import OwnerMustAct
from shared.ids import Digest, node_id
from shared.job import TensorSpec, UpdateKind


@dataclass(frozen=True, slots=True)
class Stock:
    """One of Flower's strategies."""

    kind: type[Strategy]
    copies: float  # of the model (float32) in memory at the worst moment, measured with 64 MB and 3 and 6 nodes
    each: float = 1  # and so many for each node
    wraps: bool = False  # another strategy: `wraps: NAME` in the run file, FedAvg without it
    mod: str = ""  # the client mod that it cannot do without


STOCK: dict[str, Stock] = {
    "FedAvg": Stock(flower.FedAvg, 4.3),
    "FedAvgM": Stock(flower.FedAvgM, 6),
    "FedAdam": Stock(flower.FedAdam, 16.5),
    "FedAdagrad": Stock(flower.FedAdagrad, 16.5),
    "FedYogi": Stock(flower.FedYogi, 16.5),
    "FedProx": Stock(flower.FedProx, 4.3),
    "FedMedian": Stock(flower.FedMedian, 2.5),
    "FedTrimmedAvg": Stock(flower.FedTrimmedAvg, 2.5),
    "Krum": Stock(flower.Krum, 2.5, each=3),
    "MultiKrum": Stock(flower.MultiKrum, 2.5, each=3),
    "Bulyan": Stock(flower.Bulyan, 2.5, each=3),
    "QFedAvg": Stock(flower.QFedAvg, 5.5),
    "DifferentialPrivacyServerSideFixedClipping": Stock(
        flower.DifferentialPrivacyServerSideFixedClipping, 8, wraps=True
    ),
    "DifferentialPrivacyServerSideAdaptiveClipping": Stock(
        flower.DifferentialPrivacyServerSideAdaptiveClipping, 8, wraps=True
    ),
    "DifferentialPrivacyClientSideFixedClipping": Stock(
        flower.DifferentialPrivacyClientSideFixedClipping, 2, each=0, wraps=True, mod="fixedclipping_mod"
    ),
    "DifferentialPrivacyClientSideAdaptiveClipping": Stock(
        flower.DifferentialPrivacyClientSideAdaptiveClipping, 2, each=0, wraps=True, mod="adaptiveclipping_mod"
    ),
}


def require_memory(name: str, parameters: Parameters, tensors: tuple[TensorSpec, ...], nodes: int) -> None:
    """Raise OwnerMustAct unless merging the whole weights of that many nodes fits this PC."""
    parts = [STOCK[name], *([STOCK[inner(parameters)[0]]] if STOCK[name].wraps else [])]
    need = sum(part.copies + part.each * nodes for part in parts) * 4 * sum(math.prod(spec.shape) for spec in tensors)
    have = psutil.virtual_memory().available
    if need > have:
        raise OwnerMustAct(
            f"Merging whole weights from {nodes} PCs with {name} takes about {size_words(need)} of memory; "
            f"{size_words(have)} are free here. Use the DiLoCo strategy, whose memory does not grow, or a LoRA recipe."
        )


def build(name: str, parameters: Parameters, quorum: int) -> Strategy:
    """A strategy as new. Raises OwnerMustAct when a name or a parameter is not one that Flower takes."""
    entry = STOCK[name]
    state.require_known(name)
    own = {key: value for key, value in parameters.items() if not (entry.wraps and key == "wraps")}
    chosen: dict[str, Any] = dict(arguments(entry.kind, own, quorum))
    if entry.wraps:
        chosen["strategy"] = build(*inner(parameters), quorum)
    if name == "QFedAvg":
        chosen["train_loss_key"] = "loss"  # what nodes call it
    try:
        return entry.kind(**chosen)
    except ValueError as error:
        raise OwnerMustAct(f"{name}: {error}") from error


def inner(parameters: Parameters) -> tuple[str, Parameters]:
    """The strategy that is wrapped: `wraps: FedAdam`, `wraps: {name: FedAdam, eta: 0.01}`, or FedAvg."""
    said = parameters.get("wraps", "FedAvg")
    words = {"name": said} if isinstance(said, str) else dict(said) if isinstance(said, dict) else {}
    name = words.pop("name", None)
    choices = [name for name, entry in STOCK.items() if not entry.wraps]
    if name not in choices:
        raise OwnerMustAct(
            f"`wraps` is {said!r}; write the name of a strategy, or {{name: NAME, and its parameters}}. "
            f"Choose {', '.join(choices)}."
        )
    return name, words


class Inflated:
    """Carries one of Flower's strategies: a new object for every question, with its memory put back."""

    update: UpdateKind = "weights"

    def __init__(self, name: str, parameters: Parameters, quorum: int, store: Store) -> None:
        self._name, self._parameters, self._quorum, self._store = name, parameters, quorum, store
        self.strategy: Strategy = build(name, parameters, quorum)
        innermost: Any = getattr(self.strategy, "strategy", self.strategy)
        self._least = max(innermost.min_available_nodes, innermost.min_train_nodes)
        self._arrays = ArrayRecord()

    def enough(self, nodes: int) -> None:
        """Sampling in Flower waits in a sleep loop for nodes that may never come: ask before."""
        require_memory(self._name, self._parameters, self._store.tensors, nodes)
        if nodes < self._least:
            raise OwnerMustAct(f"{self._name} needs {self._least} PCs in a round; {nodes} are here.")

    def arrays(self, model: Digest) -> ArrayRecord:
        return self._arrays

    def restore(self, round_: int, model: Digest, remembered: Digest | None) -> None:
        """In Flower the object that merges is the one that configured: it saw the model that nodes started from."""
        self.strategy = build(self._name, self._parameters, self._quorum)
        self._arrays = self._inflate(model)
        if remembered is not None:
            self._arrays = memory.load(self._store.blobs.require(remembered), self.strategy, self._arrays)
        anybody = RoundGrid(self._store.run)
        anybody.present(node_id(str(number).encode()) for number in range(self._least))
        self.strategy.configure_train(round_, self._arrays, ConfigRecord(), anybody)

    def reply(self, update: Digest) -> ArrayRecord:
        return _inflated(*self._store.update(update, "fp32"))

    def outcome(self, round_: int, model: Digest, merged: ArrayRecord) -> Outcome:
        """The strategy's arrays as a model blob, checked: a strategy is somebody else's code."""
        store = self._store
        where = safe.layout(store.tensors, "fp32")
        if set(merged) != {spec.name for spec in store.tensors}:
            raise OwnerMustAct(f"{self._name} returned other tensors than it was given.")
        require_space(store.blobs.root, 6 * where.size, "this round's model and the strategy's memory")
        with store.spooled("model") as path, store.spooled("state") as kept:
            digest = safe.write(path, _arrays(merged, where), where)
            safe.finite(path, where)
            before, _ = store.checked(model, "fp32")
            squares = 0.0
            for (_, new), (_, old) in zip(safe.read(path, where), safe.read(before, where), strict=True):
                new -= old
                squares += float(np.vdot(new, new))
            remembered = store.blobs.adopt(kept) if memory.save(kept, self.strategy, merged) else None
            return Outcome(store.blobs.adopt(path, digest), None, remembered, math.sqrt(squares))

    def _inflate(self, digest: Digest) -> ArrayRecord:
        return _inflated(*self._store.checked(digest, "fp32"))


def _inflated(path: Path, where: safe.Layout) -> ArrayRecord:
    return ArrayRecord({name: Array(values) for name, values in safe.read(path, where)})


def _arrays(record: ArrayRecord, where: safe.Layout) -> Iterator[tuple[str, Float32]]:
    for spec in where.tensors:
        yield spec.name, np.ascontiguousarray(record[spec.name].numpy(), np.float32).reshape(spec.shape)
