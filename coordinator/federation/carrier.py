"""How arrays get from blobs into a Flower strategy and back: by reference (ours) or inflated (Flower's own).

The wire always carries safetensors blobs. `Carrier` is all that the service knows about a strategy's arrays.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from flwr.app import ArrayRecord
from flwr.serverapp.strategy import Strategy

from shared.blobs import Blobs
from shared.codec import safe
from shared.disk import private_folder
from shared.ids import Digest, RunId
from shared.job import Codec, TensorSpec, UpdateKind


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a round came to; every digest is a blob that is already in the folder."""

    model: Digest
    delta: Digest | None  # previous model + delta = model; None: nodes fetch the model whole
    state: Digest | None  # what the strategy must remember
    norm: float  # L2 norm of what was added to the model


@dataclass(frozen=True, slots=True)
class Store:
    """The blob folder, and what this run's files look like."""

    blobs: Blobs
    run: RunId
    tensors: tuple[TensorSpec, ...]
    codec: Codec  # of updates and deltas; models are float32

    def checked(self, digest: Digest, codec: Codec) -> tuple[Path, safe.Layout]:
        """A file of the run's tensors. Raises Refused when it is missing or is not that."""
        path = self.blobs.require(digest)
        return path, safe.check(path, self.tensors, codec)

    def update(self, digest: Digest, codec: Codec) -> tuple[Path, safe.Layout]:
        """A friend's file of the run's tensors. Whether it is that friend's own was looked at when it came."""
        path = self.blobs.require(digest)
        return path, safe.check(path, self.tensors, codec, safe.origin_of(path))

    @contextmanager
    def spooled(self, name: str) -> Iterator[Path]:
        """A path to write a coming blob to, on the blobs' disk, seen by nobody; gone afterwards unless adopted.

        Each process has its own: one whose coordinator was killed may still be at work beside its successor.
        """
        path = private_folder(self.blobs.root / "spool") / f"{self.run}.{os.getpid()}.{name}"
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what a child of this run left half written when it was killed."""
        for path in (self.blobs.root / "spool").glob(f"*{self.run}.*"):
            path.unlink(missing_ok=True)


class Carrier(Protocol):
    """One strategy and the way its arrays travel."""

    strategy: Strategy
    update: UpdateKind

    def enough(self, nodes: int) -> None:
        """Raise OwnerMustAct unless the strategy can choose among this many nodes (Flower would wait for ever)."""

    def arrays(self, model: Digest) -> ArrayRecord:
        """The model as `configure_train` and `configure_evaluate` see it."""

    def restore(self, round_: int, model: Digest, remembered: Digest | None) -> None:
        """Put the strategy where it stands at the beginning of a round. Comes before every other question about it."""

    def reply(self, update: Digest) -> ArrayRecord:
        """One node's answer as `aggregate_train` sees it."""

    def outcome(self, round_: int, model: Digest, merged: ArrayRecord) -> Outcome:
        """Make blobs of what `aggregate_train` returned; `model` is the one before."""
