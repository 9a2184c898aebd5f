"""A text cut into the windows that are trained on, and which window comes when.

Without a curriculum windows come scattered over the whole text, so that a short run sees a bit of everything. With one,
the easy ones come first in each pass: those of short documents, or of documents that say the same words over and over.
A run that is shorter than a pass meets only those.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from shared.job import Curriculum

Ids = NDArray[np.unsignedinteger[Any]]
Predicted = NDArray[np.bool_]
_STRETCH = 64  # tokens
_AT_ONCE = 1 << 16  # windows looked through together


@dataclass(frozen=True, slots=True)
class Text:
    """One collection's training documents, joined."""

    name: str  # changes when anything in it does
    ids: Ids
    replies: NDArray[np.uint8] | None  # 1 where a token is to be learnt; None: all are
    documents: NDArray[np.float64]  # [n, 2]: the first place after it; its diversity


@dataclass(frozen=True, slots=True)
class Windows:
    """Some windows of `length` tokens to predict."""

    ids: Ids  # [n, length + 1]; the last is only guessed
    predicted: Predicted | None  # [n, length]: which of ids[:, 1:] are learnt; None: all
    places: NDArray[np.int64] | None  # [n, length]: of ids[:, :-1] in their documents; None: simply counted


class Samples:
    """The windows of one text: `length` tokens to predict each, every token of the text in one of them.

    They need no memory but where replies or a curriculum choose among them: then a few numbers for each.
    """

    def __init__(self, text: Text, length: int, curriculum: Curriculum = "none", *, apart: bool = False) -> None:
        """`apart`: tokens are to see their own document only, so windows tell their places in it."""
        self._text, self._length = text, length
        self._ids = np.asarray(text.ids)  # slicing a memmap itself costs more than copying a window
        self._every = _stretches(self._ids, length + 1)
        self._every_reply = None if text.replies is None else _stretches(np.asarray(text.replies), length)
        self._ends = text.documents[:, 0].astype(np.int64) if apart else None
        self._chosen: NDArray[np.int64] | None = None  # the windows in their order; None: all of them, scattered
        self._predicted: NDArray[np.uint32] | None = None
        count = -(-len(text.ids) // length)
        if text.replies is not None:
            self._predicted = _replies(text.replies, length, count)
        self._count = count - (len(text.ids) == (count - 1) * length + 1)  # of one token nothing is predicted
        if self._predicted is not None or curriculum != "none":
            useful = np.arange(self._count) if self._predicted is None else np.flatnonzero(self._predicted)
            self._chosen = useful[_order(text, useful * length, curriculum)]
            self._count = len(useful)

    @property
    def name(self) -> str:
        return self._text.name

    def __len__(self) -> int:
        return self._count

    def predicted(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many tokens each of these windows predicts. Positions count on from pass to pass."""
        starts = self.starts(positions)
        if self._predicted is not None:
            return self._predicted[starts // self._length].astype(np.int64)
        return np.minimum(self._length, len(self._ids) - 1 - starts)

    def starts(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where in the text these windows begin."""
        places = positions % self._count
        windows = scattered(places, self._count) if self._chosen is None else self._chosen[places]
        return windows * self._length

    def at(self, starts: NDArray[np.int64]) -> Windows:
        """The windows there. What is missing at the text's end is filled from its beginning and not predicted."""
        size, replies = len(self._ids), self._text.replies
        if starts.max() + self._length < size:
            predicted = None if self._every_reply is None else self._every_reply[starts + 1] != 0
            return Windows(self._every[starts], predicted, self._places(starts))
        places = starts[:, None] + np.arange(self._length + 1)
        predicted = places[:, 1:] < size
        if replies is not None:
            predicted &= np.take(replies, places[:, 1:], mode="wrap") != 0
        return Windows(np.take(self._ids, places, mode="wrap"), predicted, self._places(starts))

    def _places(self, starts: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Counted anew where a document begins; one that began before its window counts from there."""
        if self._ends is None:
            return None
        found = np.tile(np.arange(self._length), (len(starts), 1))
        first, last = (np.searchsorted(self._ends, starts + more, "left") for more in (1, self._length))
        for row, start in enumerate(starts.tolist()):
            for end in (self._ends[first[row] : last[row]] - start).tolist():
                found[row, end:] = np.arange(self._length - end)
        return found


def _stretches(numbers: NDArray[Any], length: int) -> NDArray[Any]:
    """[every place, length]: a view of the numbers that needs no memory."""
    return sliding_window_view(numbers, length) if len(numbers) >= length else np.empty((0, length), numbers.dtype)


def scattered(index: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """A fixed shuffle of range(count): strides of the golden ratio, which leave no part of the text for last."""
    return index * _stride(count) % count


@cache
def _stride(count: int) -> int:
    stride = max(1, round(count * (math.sqrt(5) - 1) / 2))
    while math.gcd(stride, count) != 1:
        stride += 1
    return stride


def diversity(ids: Ids) -> float:
    """Different tokens in a stretch of 64, on average, as a share: the same measure for short and long documents."""
    if len(ids) < _STRETCH:
        return len(np.unique(ids)) / max(1, len(ids))
    stretches = np.sort(ids[: len(ids) // _STRETCH * _STRETCH].reshape(-1, _STRETCH), axis=1)
    return float((np.count_nonzero(np.diff(stretches, axis=1), axis=1) + 1).mean() / _STRETCH)


def _replies(replies: NDArray[np.uint8], length: int, count: int) -> NDArray[np.uint32]:
    """How many tokens of replies each window predicts."""
    found = np.zeros(count, np.uint32)
    for first in range(0, count, _AT_ONCE):
        stop = min(count, first + _AT_ONCE)
        after = np.zeros((stop - first) * length, np.uint8)
        these = replies[first * length + 1 : stop * length + 1]
        after[: len(these)] = these
        found[first:stop] = after.reshape(-1, length).sum(axis=1, dtype=np.uint32)
    return found


def _order(text: Text, starts: NDArray[np.int64], curriculum: Curriculum) -> NDArray[np.int64]:
    """Which window comes first, second, ... in a pass."""
    order = scattered(np.arange(len(starts)), max(1, len(starts)))
    if curriculum == "none":
        return order
    ends = text.documents[:, 0]
    document = np.minimum(np.searchsorted(ends, starts, side="right"), len(ends) - 1)
    lengths = np.diff(ends, prepend=0.0)
    hard = (lengths if curriculum == "length" else text.documents[:, 1])[document]
    return order[np.argsort(hard[order], kind="stable")]
