"""A text cut into the windows that are trained on, and which window comes when.

Without a curriculum windows come scattered over the whole text, so that a short run sees a bit of everything. With one,
the easy ones come first in each pass: those of short documents, or of documents that say the same words over and over.
A run that is shorter than a pass meets only those.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.job import Curriculum

Ids = NDArray[np.uint32]
Predicted = NDArray[np.bool_]
_STRETCH = 64  # tokens


@dataclass(frozen=True, slots=True)
class Text:
    """One collection's training documents, joined."""

    name: str  # changes when anything in it does
    ids: Ids
    replies: NDArray[np.uint8] | None  # 1 where a token is to be learnt; None: all are
    documents: NDArray[np.float64]  # [n, 2]: the first place after it; its diversity


class Samples:
    """The windows of one text: `length` tokens to predict each, every token of the text in one of them."""

    def __init__(self, text: Text, length: int, curriculum: Curriculum = "none") -> None:
        self._text, self._length = text, length
        count = -(-len(text.ids) // length)
        self._predicted = _predicted(text, length, count)
        useful = np.flatnonzero(self._predicted)
        self._order = useful[_order(text, useful * length, curriculum)]

    @property
    def name(self) -> str:
        return self._text.name

    def __len__(self) -> int:
        return len(self._order)

    def predicted(self, positions: NDArray[np.int64]) -> int:
        """How many tokens these windows predict, together. Positions count on from pass to pass."""
        return int(self._predicted[self._order[positions % len(self)]].sum())

    def window(self, position: int) -> tuple[Ids, Predicted | None]:
        """Its ids [length + 1], of which the last is only guessed, and which of ids[1:] are predicted (None: all).

        What is missing at the text's end is filled from its beginning and not predicted.
        """
        start = int(self._order[position % len(self)]) * self._length
        places = np.arange(start, start + self._length + 1)
        if places[-1] < len(self._text.ids):
            ids = np.asarray(self._text.ids[places[0] : places[-1] + 1])
        else:
            ids = np.take(self._text.ids, places, mode="wrap")
        if self._text.replies is None and places[-1] < len(self._text.ids):
            return ids, None
        known = places[1:] < len(self._text.ids)
        if self._text.replies is not None:
            known &= np.take(self._text.replies, places[1:], mode="wrap") != 0
        return ids, known


def scattered(index: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """A fixed shuffle of range(count): strides of the golden ratio, which leave no part of the text for last."""
    stride = max(1, round(count * (math.sqrt(5) - 1) / 2))
    while math.gcd(stride, count) != 1:
        stride += 1
    return index * stride % count


def diversity(ids: Ids) -> float:
    """Different tokens in a stretch of 64, on average, as a share: the same measure for short and long documents."""
    if len(ids) < _STRETCH:
        return len(np.unique(ids)) / max(1, len(ids))
    stretches = np.sort(ids[: len(ids) // _STRETCH * _STRETCH].reshape(-1, _STRETCH), axis=1)
    return float((np.count_nonzero(np.diff(stretches, axis=1), axis=1) + 1).mean() / _STRETCH)


def _predicted(text: Text, length: int, count: int) -> NDArray[np.int64]:
    """How many tokens each window predicts."""
    starts = np.arange(count) * length
    if text.replies is None:
        return np.minimum(length, len(text.ids) - 1 - starts)
    after = np.append(text.replies[1:], np.uint8(0)).astype(np.int64)
    return np.add.reduceat(after, starts) if count else starts


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
