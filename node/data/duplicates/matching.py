"""Which documents are worth comparing, and how alike they are. Pure: arrays in, arrays out.

An *entry* is one uint64: 32 bits of a key (a band, or the mark of the whole text), then the record's number. So a
sorted array of entries answers "which records have this key?" by a range.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from node.data.duplicates.runs import ranges
from node.data.duplicates.signatures import Signatures, similarity

Array = np.ndarray[Any, Any]

CANDIDATES = 64  # records looked at for one key, and compared with one document: the oldest, the likeliest
_PAIRS = 4096  # compared at a time
LOW = np.uint64(0xFFFFFFFF)  # the bits of an entry that are the record's number
_HALF = np.uint64(32)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Of each pair a document of the batch and an earlier record. Sorted by document, then record."""

    document: Array  # int64: place in the batch
    record: Array  # int64


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of a batch, one after the other."""

    document: Array  # int64: whose key it is
    low: Array  # uint64: the key's first possible entry

    @property
    def high(self) -> Array:
        """The key's last possible entry."""
        result: Array = self.low | LOW
        return result


def keys(exact: Array, bands: Array, sketched: Array) -> Keys:
    """Of each document one for its mark and, if it has a sketch, one for each band."""
    marks = exact[:, :1] << _HALF
    low = np.concatenate([marks, bands.astype(np.uint64) << _HALF], axis=1)
    present = np.ones(low.shape, bool)
    present[:, 1:] = sketched[:, None]
    document, _ = np.nonzero(present)
    return Keys(document, low[present])


def entries(of: Keys, base: int, new: Array) -> Array:
    """uint64: the entries of the new documents (bool[n]) of a batch whose first record is `base`. Not sorted."""
    chosen = new[of.document]
    result: Array = of.low[chosen] | (of.document[chosen] + base).astype(np.uint64)
    return result


def candidates(known: Array, own: Array, base: int) -> Pairs:
    """Each document of a batch with the earlier records that share most keys with it.

    `known` are the entries of earlier records with any of the batch's keys, `own` all of the batch, whose first record
    is `base`.
    """
    every = np.sort(np.concatenate([known, own]))
    again = every[1:] >> _HALF == every[:-1] >> _HALF
    shared = np.zeros(len(every), bool)
    shared[1:] = again
    shared[:-1] |= again
    every = every[shared]  # most keys are one record's alone
    later = every[every & LOW >= base]
    which, numbers = ranges(every, later & ~LOW, later | LOW, CANDIDATES)
    record, document = (numbers & LOW).astype(np.int64), (later & LOW).astype(np.int64)[which] - base
    earlier = record < base + document
    codes, many = np.unique(document[earlier] << 32 | record[earlier], return_counts=True)
    document = codes >> 32
    if len(codes) and np.bincount(document).max() > CANDIDATES:
        order = np.lexsort((codes, -many, document))
        rank = np.arange(len(codes)) - np.searchsorted(document, document)  # `document` is sorted in either order
        codes = np.sort(codes[order[rank < CANDIDATES]])
    return Pairs(codes >> 32, codes & 0xFFFFFFFF)


def alike(ours: Signatures, of: Array, exact: Array, bins: Array, to: Array) -> tuple[Array, Array]:
    """Pair by pair, of ours[of[i]] and exact[to[i]], bins[to[i]]: bool, the same text; float64, how alike."""
    same = (ours.exact[of] == exact[to]).all(axis=1)
    likeness = np.empty(len(of))
    for first in range(0, len(of), _PAIRS):
        part = slice(first, first + _PAIRS)
        likeness[part] = similarity(ours.bins[of[part]], bins[to[part]])
    return same, likeness
