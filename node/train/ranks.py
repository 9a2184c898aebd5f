"""The ranks of one PC: one process per card. Rank 0 hears the agent and tells the others; the others only follow.

They meet in a file and talk over loopback (gloo for words and CPU tensors, NCCL between cards). This is the one
listener in the product without authentication: it is bound to the loopback interface and lives only while a job runs.
Words travel as JSON, never as pickles.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from node.train.machine import nccl_words

IDLE = timedelta(days=30)  # how long a rank may wait for the next order
STEP = timedelta(minutes=30)  # how long one collective may take
_WORDS = {
    "op", "job", "base", "data", "work", "fit", "round", "done", "model", "model_digest", "steps", "pull", "lost",
    "tensorboard", "care",
}  # fmt: skip


class Ranks:
    """This process's place among the ranks of the PC."""

    def __init__(self, rank: int, world: int, rendezvous: Path) -> None:
        self.rank, self.world = rank, world
        self._rendezvous = rendezvous
        self._words_group: dist.ProcessGroup | None = None
        if world > 1:
            self.connect()

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def connect(self) -> None:
        """Meet the other ranks (alone, too: DeepSpeed wants a group of one). Twice does no harm."""
        if dist.is_initialized():
            return
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        os.environ.update(RANK=str(self.rank), LOCAL_RANK=str(self.rank), WORLD_SIZE=str(self.world))
        if torch.cuda.is_available() and self.world > 1:
            for name, value in nccl_words(self.world, torch.cuda.can_device_access_peer).items():
                os.environ.setdefault(name, value)
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        method = f"file://{self._rendezvous.absolute()}"
        dist.init_process_group(backend, init_method=method, rank=self.rank, world_size=self.world, timeout=STEP)
        self._words_group = dist.new_group(backend="gloo", timeout=IDLE)

    def announce(self, words: dict[str, Any]) -> None:
        """Rank 0, before any collective: tell the others what to do now."""
        assert self.leads
        assert not set(words) - _WORDS, words
        if self.world == 1:
            return
        data = torch.frombuffer(bytearray(json.dumps(words).encode()), dtype=torch.uint8)
        dist.broadcast(torch.tensor([data.numel()]), 0, group=self._words_group)
        dist.broadcast(data, 0, group=self._words_group)

    def listen(self) -> dict[str, Any]:
        """The other ranks: what rank 0 announced. Raises RuntimeError when rank 0 is gone."""
        assert not self.leads
        size = torch.zeros(1, dtype=torch.int64)
        dist.broadcast(size, 0, group=self._words_group)
        data = torch.empty(int(size), dtype=torch.uint8)
        dist.broadcast(data, 0, group=self._words_group)
        words: dict[str, Any] = json.loads(data.numpy().tobytes())
        assert not set(words) - _WORDS, words
        return words

    def same(self, values: Sequence[float]) -> list[float]:
        """Rank 0's values, on every rank."""
        if self.world == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64)
        dist.broadcast(tensor, 0, group=self._words_group)
        return [float(value) for value in tensor]

    def total(self, values: Sequence[float]) -> list[float]:
        """The sums over all ranks."""
        if self.world == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(tensor, group=self._words_group)
        return [float(value) for value in tensor]

    def each(self, values: Sequence[float]) -> list[list[float]]:
        """Every rank's values (equally many), by rank."""
        if self.world == 1:
            return [list(values)]
        mine = torch.tensor(values, dtype=torch.float64)
        rows = [torch.empty_like(mine) for _ in range(self.world)]
        dist.all_gather(rows, mine, group=self._words_group)
        return [[float(value) for value in row] for row in rows]

    def wait(self) -> None:
        """Until every rank is here."""
        self.total([0.0])
