"""What each step of a round reads: the order's next windows, laid ready while the step before is computed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from node.data.ledger import reading_from, reading_words
from node.data.order import Reading, Rows, Text, ahead, reading, together
from node.data.samples import Samples
from node.train.engine import MicroBatch
from node.train.job import Deal
from node.train.ranks import Ranks

Words = dict[str, Any]
AT_ONCE = 64  # steps whose windows are looked up together


@dataclass(frozen=True, slots=True)
class Step:
    micro_batches: list[MicroBatch]  # this rank's
    tokens: int  # predicted in the whole step, over all ranks


@dataclass(frozen=True, slots=True)
class Start:
    """What was read before the round began, what is owed, and (`text` of a Place) what the round has read itself."""

    read: Reading = field(default_factory=Reading)
    owed: Reading = field(default_factory=Reading)
    text: Words = field(default_factory=dict)
    step: int = 0


class Feed:
    """The windows of one round. The same on every rank; a context manager."""

    def __init__(self, samples: Sequence[Samples], deal: Deal, ranks: Ranks, start: Start) -> None:
        self._samples, self._deal, self._rank, self._world = samples, deal, ranks.rank, ranks.world
        self._texts = [Text(each.name, len(each)) for each in samples]
        self._known = {text.name: text.windows for text in self._texts}
        # Texts came or went in the middle of the round: go on with those that are here now.
        changed = bool(start.text) and start.text["texts"] != self._known
        self._begun = reading_from(start.text["read" if changed else "begun"]) if start.text else Reading()
        self._since = start.step if changed else start.text.get("since", 0)
        self._read, self._owed = together([start.read, self._begun]), start.owed
        self._rows: Rows = np.empty((0, 2), np.int64)
        self._thread = ThreadPoolExecutor(1, "feed")
        self._next: tuple[int, Future[Step]] | None = None
        self.waited = 0.0  # seconds that steps have waited for their windows, all together

    def step(self, number: int) -> Step:
        """The windows of the round's step `number`, counted from 0."""
        began = time.monotonic()
        coming = self._next[1] if self._next is not None and self._next[0] == number else None
        step = coming.result() if coming is not None else self._laid_out(number)
        self._next = number + 1, self._thread.submit(self._laid_out, number + 1)
        self.waited += time.monotonic() - began
        return step

    def read(self, steps: int) -> Reading:
        """What the round has read once that many steps are done."""
        return reading(self._texts, self._rows_to(steps)[: self._place(steps)], self._begun)

    def text(self, steps: int) -> Words:
        """The same, to be kept in the middle of the round."""
        begun, read = reading_words(self._begun), reading_words(self.read(steps))
        return {"texts": self._known, "begun": begun, "since": self._since, "read": read}

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)

    def _laid_out(self, number: int) -> Step:
        rows = self._rows_to(number + 1)[self._place(number) : self._place(number + 1)]
        tokens = sum(each.predicted(rows[rows[:, 0] == which, 1]) for which, each in enumerate(self._samples))
        return Step([self._batch(rows, places) for places in self._deal.places(self._rank, self._world)], tokens)

    def _batch(self, rows: Rows, places: list[int]) -> MicroBatch:
        """A micro-batch, filled up with the step's first window."""
        real = [place for place in places if place < len(rows)]
        windows = [
            self._samples[which].window(position) for which, position in rows[[*real, *[0] * (len(places) - len(real))]]
        ]
        ids = torch.from_numpy(np.stack([ids for ids, _ in windows]).astype(np.int64))
        if all(predicted is None for _, predicted in windows):
            return MicroBatch(ids, len(real))
        every = np.ones(self._deal.length, np.bool_)
        predicted = np.stack([every if these is None else these for _, these in windows])
        return MicroBatch(ids, len(real), torch.from_numpy(predicted))

    def _place(self, step: int) -> int:
        """Where in the order that step begins."""
        return (step - self._since) * self._deal.sequences

    def _rows_to(self, step: int) -> Rows:
        """The order, at least to the beginning of that step."""
        needed = self._place(step)
        if len(self._rows) < needed:
            more = max(needed, 2 * len(self._rows), AT_ONCE * self._deal.sequences)
            self._rows = ahead(self._texts, self._read, self._owed, more)
        return self._rows
