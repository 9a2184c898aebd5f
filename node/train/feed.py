"""What each step of a round reads: the order's next windows, laid ready while the step before is computed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from node.data.ledger import reading_from, reading_words
from node.data.order import Reading, Rows, Text, ahead, reading, together
from node.data.samples import Samples
from node.train.engine import MicroBatch
from node.train.job import Deal
from node.train.ranks import Ranks

Words = dict[str, Any]
AT_ONCE = 64  # steps whose windows are looked up together
LAID_READY = 8 << 20  # bytes of ids, or one step's, that are laid ready together: handing them over costs time


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
        self._samples, self._deal = samples, deal
        self._texts = [Text(each.name, len(each)) for each in samples]
        self._known = {text.name: text.windows for text in self._texts}
        # Texts came or went in the middle of the round: go on with those that are here now.
        changed = bool(start.text) and start.text["texts"] != self._known
        self._begun = reading_from(start.text["read" if changed else "begun"]) if start.text else Reading()
        self._since = start.step if changed else start.text.get("since", 0)
        self._read, self._owed = together([start.read, self._begun]), start.owed
        self._rows: Rows = np.empty((0, 2), np.int64)
        self._thread = ThreadPoolExecutor(1, "feed")
        places = np.array(deal.places(ranks.rank, ranks.world))  # [micro-batches, rows]
        self._real = (places < deal.sequences).sum(axis=1).tolist()
        self._places = np.where(places < deal.sequences, places, 0)  # filled up with the step's first window
        step_bytes = 8 * places.size * (deal.length + 1)
        self._together = max(1, min(AT_ONCE, LAID_READY // step_bytes))
        self._ready: dict[int, Step] = {}
        self._next: tuple[int, Future[dict[int, Step]]] | None = None
        self.waited = 0.0  # seconds that steps have waited for their windows, all together

    def step(self, number: int) -> Step:
        """The windows of the round's step `number`, counted from 0."""
        if number not in self._ready:
            began = time.monotonic()
            coming = self._next[1] if self._next is not None and self._next[0] == number else None
            self._ready = coming.result() if coming is not None else self._laid_out(number)
            after = number + self._together
            self._next = after, self._thread.submit(self._laid_out, after)
            self.waited += time.monotonic() - began
        return self._ready.pop(number)

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

    def _laid_out(self, number: int) -> dict[int, Step]:
        """The steps from `number` on that are laid ready together."""
        steps, sequences = self._together, self._deal.sequences
        rows = self._rows_to(number + steps)[self._place(number) : self._place(number + steps)]
        tokens = np.zeros(len(rows), np.int64)
        mine = rows[(np.arange(steps)[:, None] * sequences + self._places.reshape(1, -1)).ravel()]
        ids = np.empty((len(mine), self._deal.length + 1), np.int64)
        predicted = np.ones((len(mine), self._deal.length), np.bool_)
        for which, samples in enumerate(self._samples):
            every, here = rows[:, 0] == which, np.flatnonzero(mine[:, 0] == which)
            tokens[every] = samples.predicted(rows[every, 1])
            samples.fill(mine[here, 1], here, ids, predicted)
        in_step = tokens.reshape(steps, sequences).sum(axis=1).tolist()
        batches = self._batches(ids, predicted)
        return {number + at: Step([next(batches) for _ in self._real], in_step[at]) for at in range(steps)}

    def _batches(self, ids: NDArray[np.int64], predicted: NDArray[np.bool_]) -> Iterator[MicroBatch]:
        """Micro-batches, one after the other; they share the memory of both arrays."""
        micro = self._places.shape[1]
        every: list[bool] = np.all(predicted.reshape(-1, micro * self._deal.length), axis=1).tolist()
        pieces = zip(torch.from_numpy(ids).split(micro), torch.from_numpy(predicted).split(micro), every, strict=True)
        for (these, learnt, all_of_them), real in zip(pieces, cycle(self._real)):
            yield MicroBatch(these, real, None if all_of_them else learnt)

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
