"""The documents on disk: a record each, and a sketch of each that can be a copy's original.

    records       in the order they came: mark, source, id, fate, and whose copy it is
    bins, bands   sketches, in the same order: what is compared, and by what it is found

All three only grow; a record says how many sketches come before it, so the number of records is all there is to know.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np

from node.data.duplicates import matching
from node.data.duplicates.log import Log
from node.data.duplicates.signatures import Signatures
from node.data.duplicates.sizes import BANDS, BINS
from shared.disk import private_folder

Array = np.ndarray[Any, Any]

NEW, EXACT, NEAR, GONE = range(4)  # GONE: was new, of a source that is removed
RECORD = np.dtype(
    [
        ("exact", "<u8", 2), ("id", "<u8"), ("source", "<u4"), ("of_source", "<u4"), ("row", "<u4"),
        ("kind", "u1"), ("sketched", "u1"), ("fate", "u1"), ("unused", "u1"),
    ]
)  # fmt: skip
_CHUNK = 1 << 13  # records (and their sketches, 4 MB) looked at a time


class Files:
    """What a document is and was found to be."""

    def __init__(self, folder: Path, length: int) -> None:
        """Cut to `length` records. Raises OwnerMustAct when there are fewer."""
        private_folder(folder)
        self.folder = folder
        with ExitStack() as opened:
            self._records = opened.enter_context(Log(folder / "records", RECORD, length))
            rows = self.rows(length)
            self._bins = opened.enter_context(Log(folder / "bins", (np.uint8, BINS), rows))
            self._bands = opened.enter_context(Log(folder / "bands", (np.uint32, BANDS), rows))
            self._opened = opened.pop_all()

    @property
    def length(self) -> int:
        return self._records.length

    def rows(self, length: int) -> int:
        """Sketches that the first `length` records have."""
        if length == 0:
            return 0
        last = self._records.pick([length - 1])[0]
        return int(last["row"]) + int(last["sketched"])

    def append(self, records: Array, signatures: Signatures) -> None:
        """A batch. Which have a sketch to keep is written into `records` here."""
        kept = (records["kind"] == NEW) & signatures.sketched
        records["sketched"], records["row"] = kept, self._bins.length + np.cumsum(kept) - kept
        self._bins.append(signatures.bins[kept])
        self._bands.append(signatures.bands[kept])
        self._records.append(records)

    def pick(self, numbers: Array) -> tuple[Array, Array]:
        """These records, and their bins."""
        records = self._records.pick(numbers.tolist())
        bins = np.zeros((len(records), BINS), np.uint8)
        sketched = records["sketched"].astype(bool)
        bins[sketched] = self._bins.pick(records["row"][sketched].tolist())
        return records, bins

    def entries(self, first: int, last: int) -> Array:
        """What the new documents among records first..last are found by (`matching.entries`)."""
        if first == last:
            return np.empty(0, np.uint64)
        records = self._records.read(first, last)
        sketched = records["sketched"].astype(bool)
        bands = np.zeros((len(records), BANDS), np.uint32)
        bands[sketched] = self._bands.read(self.rows(first), self.rows(last))
        return matching.entries(matching.keys(records["exact"], bands, sketched), first, records["kind"] == NEW)

    def parts(self) -> Iterator[Array]:
        """All records, some at a time."""
        for first in range(0, self.length, _CHUNK):
            yield self._records.read(first, min(first + _CHUNK, self.length))

    def without(self, gone: Collection[int], folder: Path) -> None:
        """Write them anew into `folder`, without the sketches of these sources. Every record keeps its number."""
        with closing(Files(folder, 0)) as files:
            for number, records in enumerate(self.parts()):
                first = number * _CHUNK
                rows = self.rows(first), self.rows(first + len(records))
                sketched = records["sketched"].astype(bool)
                bands = np.zeros((len(records), BANDS), np.uint32)
                bins = np.zeros((len(records), BINS), np.uint8)
                bands[sketched], bins[sketched] = self._bands.read(*rows), self._bins.read(*rows)
                made = records.copy()
                made["kind"][(made["kind"] == NEW) & np.isin(made["source"], list(gone))] = GONE
                files.append(made, Signatures(made["exact"], bands, bins))
            files.sync()

    def sync(self) -> None:
        for log in (self._bins, self._bands, self._records):
            log.sync()

    def close(self) -> None:
        self._opened.close()
