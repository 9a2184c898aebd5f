"""DiLoCo as a Flower strategy: nodes send differences, which are merged by reference and never held in memory.

A reply's arrays are one uint8[32]: the digest of the update's blob. The mean, weighted by tokens, goes through the
outer step; what is then shipped is the *encoded, already scaled* delta, and the coordinator adds that same encoded
delta to its own copy as every node does, so all models stay equal bit for bit.

For a LoRA run, A and B are averaged apart: the mean of the products is not the product of the means, so that merge is
an approximation (the model card says so).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from logging import INFO
from pathlib import Path

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy
from flwr.serverapp.strategy.strategy_utils import aggregate_metricrecords, validate_message_reply_consistency
from flwr.supercore import log

from coordinator.federation import state as saved
from coordinator.federation.carrier import Outcome, Store
from shared.codec import safe
from shared.codec.bf16 import BLOCK, Float32
from shared.disk import replacing, require_space
from shared.ids import Digest
from shared.job import UpdateKind
from shared.maths.apply import add_delta
from shared.maths.average import Part, mean
from shared.maths.outer import Nesterov, Outer

NAME = "DiLoCo"
WEIGHT = "num-examples"  # Flower's word; we fill in tokens


def reference(digest: Digest) -> ArrayRecord:
    """The record that stands for a blob."""
    return ArrayRecord({"digest": Array(np.frombuffer(bytes.fromhex(digest), np.uint8))})


def referred(record: ArrayRecord) -> Digest:
    """The blob that a record stands for."""
    values = record["digest"].numpy()
    assert len(record) == 1, record
    assert (values.dtype, values.shape) == (np.uint8, (32,)), values
    return Digest(values.tobytes().hex())


class DiLoCo(Strategy):  # type: ignore[misc]
    """Every node in every round; the outer step of `outer`."""

    def __init__(self, outer: Outer, store: Store) -> None:
        self.outer, self._store = outer, store
        self._base: Digest | None = None
        self._state: Digest | None = None
        self.merged: Outcome | None = None

    def restore(self, base: Digest, state: Digest | None) -> None:
        """The model and the memory that the next merge starts from."""
        self._base, self._state, self.merged = base, state, None

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        return self._to_all(MessageType.TRAIN, server_round, arrays, config, grid)

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        return self._to_all(MessageType.EVALUATE, server_round, arrays, config, grid)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        good = [reply for reply in replies if not reply.has_error()]
        contents = [reply.content for reply in good]
        if not contents:
            return None, None
        validate_message_reply_consistency(contents, WEIGHT, check_arrayrecord=True)
        parts = []
        for reply, content in zip(good, contents, strict=True):
            (arrays,), (metrics,) = content.array_records.values(), content.metric_records.values()
            path, where = self._store.update(referred(arrays), self._store.codec)
            parts.append(Part(reply.metadata.src_node_id, path, float(metrics[WEIGHT]), where))
        self.merged = self._merge(server_round, parts)
        return reference(self.merged.model), aggregate_metricrecords(contents, WEIGHT)

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord | None:
        contents = [reply.content for reply in replies if not reply.has_error()]
        if not contents:
            return None
        validate_message_reply_consistency(contents, WEIGHT, check_arrayrecord=False)
        return aggregate_metricrecords(contents, WEIGHT)

    def summary(self) -> None:
        log(INFO, "\t└──> DiLoCo, outer step %s, updates in %s", self.outer, self._store.codec)

    def _to_all(
        self, kind: str, round_: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        config["server-round"] = round_
        record = RecordDict({"arrays": arrays, "config": config})
        return [Message(record, node, kind, group_id=str(round_)) for node in grid.get_node_ids()]

    def _merge(self, round_: int, parts: list[Part]) -> Outcome:
        """Fold, step, encode, add: each block is read once for each node and written once."""
        assert self._base is not None, "restore comes first"
        store, blobs = self._store, self._store.blobs
        coded, whole = safe.layout(store.tensors, store.codec), safe.layout(store.tensors, "fp32")
        base, _ = store.checked(self._base, "fp32")
        require_space(blobs.root, coded.size + 2 * whole.size, "this round's model")
        with store.spooled("delta") as delta, store.spooled("state") as state, store.spooled("model") as model:
            with replacing(delta) as file, safe.Writer(file, coded) as writer:
                norm, remembered = self._steps(round_, mean(parts, coded), writer, state)
            delta_digest = writer.digest
            model_digest = add_delta(base, delta, model, store.tensors, store.codec)
            if remembered is not None:
                blobs.adopt(state, remembered)
            return Outcome(blobs.adopt(model, model_digest), blobs.adopt(delta, delta_digest), remembered, norm)

    def _steps(
        self, round_: int, means: Iterator[Float32], delta: safe.Writer, state: Path
    ) -> tuple[float, Digest | None]:
        """Send every block of the mean through the outer step into `delta`; the norm, and the new memory's digest."""
        squares, start = 0.0, 0
        with ExitStack() as open_files:
            memory = _Memory(self._store, self._state, state, round_, open_files) if self._remembers else None
            for block in means:
                momentum = None if memory is None else memory.recall(start, block.size)
                step, momentum = self.outer.step(block, momentum)
                if memory is not None and momentum is not None:
                    memory.keep(momentum)
                squares += float(np.vdot(step, step))
                delta.put(step)
                start += block.size
        return math.sqrt(squares), None if memory is None else memory.digest

    @property
    def _remembers(self) -> bool:
        return isinstance(self.outer, Nesterov)


class _Memory:
    """Nesterov's momentum: read block by block from the last state, written block by block to the next."""

    def __init__(self, store: Store, old: Digest | None, new: Path, round_: int, open_files: ExitStack) -> None:
        self._old = None
        if old is not None:
            path = store.blobs.require(old)
            self._old = path, saved.check(path, NAME, store.tensors)[0]
        where = saved.layout(NAME, store.tensors, {"round": round_})
        self._writer = open_files.enter_context(safe.Writer(open_files.enter_context(replacing(new)), where))
        self._block, self._unused = np.empty(min(BLOCK, where.count), np.float32), np.empty(0, np.uint16)

    def recall(self, start: int, size: int) -> Float32:
        """The momentum of these values; zeros before the first round."""
        block = self._block[:size]
        if self._old is None:
            block.fill(0)
        else:
            safe.fill(*self._old, start, block, self._unused)
        return block

    def keep(self, momentum: Float32) -> None:
        self._writer.put(momentum)

    @property
    def digest(self) -> Digest:
        return self._writer.digest


class ByReference:
    """Carries DiLoCo: digests in, digests out."""

    update: UpdateKind = "difference"

    def __init__(self, outer: Outer, store: Store) -> None:
        self.strategy = DiLoCo(outer, store)
        self._store = store

    def enough(self, nodes: int) -> None:
        """Any number will do: the quorum is the round machine's."""

    def arrays(self, model: Digest) -> ArrayRecord:
        self._store.blobs.require(model)
        return reference(model)

    def restore(self, round_: int, model: Digest, remembered: Digest | None) -> None:
        self.strategy.restore(model, remembered)

    def reply(self, update: Digest) -> ArrayRecord:
        self._store.update(update, self._store.codec)
        return reference(update)

    def outcome(self, round_: int, model: Digest, merged: ArrayRecord) -> Outcome:
        outcome = self.strategy.merged
        assert outcome is not None
        assert outcome.model == referred(merged)
        return outcome
