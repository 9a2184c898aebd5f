"""What each step of a round reads: the order's next windows, laid ready while the step before is computed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from node.data.ledger import reading_from, reading_words
from node.data.order import Reading, Rows, Text, ahead, reading, together
from node.data.samples import Samples, Windows
from node.train.engine import MicroBatch
from node.train.job import Deal
from node.train.ranks import Ranks

Words = dict[str, Any]
AT_ONCE = 64  # steps whose windows are looked up together
LAID_READY = 4 << 20  # ids, or one step's, that are laid ready together: handing them over costs time


@dataclass(frozen=True, slots=True)
class Step:
    micro_batches: list[MicroBatch]  # this rank's
    tokens: int  # predicted in the whole step, over all ranks


@dataclass(frozen=True, slots=True)
class Laid:
    """Some steps' windows as they are stored, which is a quarter of what they are as a batch."""

    first: int  # of the steps
    tokens: list[int]  # predicted in each
    windows: Windows  # of this rank: all rows of each micro-batch of each step


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
        self._together = max(1, min(AT_ONCE, LAID_READY // (places.size * (deal.length + 1))))
        self._laid: Laid | None = None
        self._coming: tuple[int, Future[Laid]] | None = None
        self.waited = 0.0  # seconds that steps have waited for their windows, all together

    def step(self, number: int) -> Step:
        """The windows of the round's step `number`, counted from 0."""
        began = time.monotonic()
        laid = self._laid
        if laid is None or not laid.first <= number < laid.first + self._together:
            coming = self._coming[1] if self._coming is not None and self._coming[0] == number else None
            self._laid = laid = coming.result() if coming is not None else self._laid_out(number)
            self._coming = number + self._together, self._thread.submit(self._laid_out, number + self._together)
        at = number - laid.first
        first, size = at * len(self._real), self._places.shape[1]
        batches = [_batch(laid.windows, (first + micro) * size, size, real) for micro, real in enumerate(self._real)]
        step = Step(batches, laid.tokens[at])
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

    def _laid_out(self, number: int) -> Laid:
        """The steps from `number` on that are laid ready together."""
        count = self._together
        rows = self._rows_to(number + count)[self._place(number) : self._place(number + count)]
        mine = (np.arange(count)[:, None, None] * self._deal.sequences + self._places).ravel()
        tokens = np.empty(len(rows), np.int64)
        parts: list[tuple[NDArray[np.bool_], Windows]] = []
        for which, samples in enumerate(self._samples):
            these = rows[:, 0] == which
            tokens[these] = samples.predicted(rows[these, 1])
            here = these[mine]
            if here.any():
                parts.append((here, samples.at(samples.starts(rows[mine[here], 1]))))
        return Laid(number, tokens.reshape(count, -1).sum(axis=1).tolist(), _joined(parts))

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


def _batch(windows: Windows, first: int, size: int, real: int) -> MicroBatch:
    """Those from `first` on as a micro-batch."""
    rows = slice(first, first + size)
    ids = torch.from_numpy(windows.ids[rows].astype(np.int64))
    predicted = None if windows.predicted is None else windows.predicted[rows]
    places = None if windows.places is None else torch.from_numpy(windows.places[rows])
    if predicted is None or predicted.all():
        return MicroBatch(ids, real, places=places)
    return MicroBatch(ids, real, torch.from_numpy(predicted), places)


def _joined(parts: list[tuple[NDArray[np.bool_], Windows]]) -> Windows:
    """Windows of several texts, each where it belongs (True)."""
    if len(parts) == 1:
        return parts[0][1]
    ((here, one), *_) = parts
    ids = np.empty((len(here), one.ids.shape[1]), one.ids.dtype)
    predicted = np.ones((len(ids), ids.shape[1] - 1), np.bool_)
    places = None if one.places is None else np.empty(predicted.shape, np.int64)
    for here, these in parts:
        ids[here] = these.ids
        if these.predicted is not None:
            predicted[here] = these.predicted
        if places is not None and these.places is not None:
            places[here] = these.places
    return Windows(ids, predicted, places)
