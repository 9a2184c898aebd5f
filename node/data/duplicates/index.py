"""The documents that the owner ever added, on disk: is this one new, a copy of another, or nearly one?

    records       one a document, in the order of `add`: its mark, source, id, fate, and what it is a copy of
    bins, bands   sketches of those that are new and have five words: what is compared, and by what it is found
    runs/         sorted entries (`matching`), made from the above

The length of `records` is all the state there is: `open(folder, at=length)` goes back to what the caller's own journal
says, whatever happened since. A document takes 48 bytes and, if it is new, 8 more for its mark and 672 for a sketch.
Memory is bounded by the batch and some megabytes. One process at a time.

A copy is not compared with: what resembles only a copy is new. Nor is a document of a removed source.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xxhash

from node.data.duplicates import matching
from node.data.duplicates.log import Log
from node.data.duplicates.runs import Runs
from node.data.duplicates.signatures import Signatures
from node.data.duplicates.sizes import BANDS, BINS
from node.data.duplicates.sources import Sources
from shared.disk import private_folder

Array = np.ndarray[Any, Any]
Kind = Literal["new", "exact", "near"]

THRESHOLD = 0.8  # Jaccard similarity of 5-grams of words from which two documents are copies
CHUNK = 1 << 15  # records read at a time where all are looked at

_KINDS: tuple[Kind, Kind, Kind] = ("new", "exact", "near")
_RECORD = np.dtype(
    [
        ("exact", "<u8", 2), ("id", "<u8"), ("source", "<u4"), ("of", "<u4"), ("of_source", "<u4"), ("row", "<u4"),
        ("kind", "u1"), ("sketched", "u1"), ("fate", "u1"), ("unused", "u1", 5),
    ]
)  # fmt: skip
_COMMIT = np.dtype([("length", "<u8"), ("check", "<u8")])


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a document is."""

    kind: Kind
    source: str = ""  # of a copy: the document it is a copy of
    id: int = 0
    similarity: float = 0.0
    fate: int = 0  # the highest among all that it is a copy of: give what must win the higher number


NEW = Verdict("new")


class Index:
    """See the module. Made by `Index.open`."""

    def __init__(self, folder: Path, at: int | None, ignoring: Collection[str]) -> None:
        private_folder(folder)
        self._sources = Sources(folder / "sources.json")
        self._commits = Log(folder / "commits", _COMMIT)
        self._safe = _committed(self._commits) if at is None else at  # records that no caller goes back behind
        self._records = Log(folder / "records", _RECORD, self._safe)
        rows = self._rows(self._safe)
        self._bins = Log(folder / "bins", (np.uint8, BINS), rows)
        self._bands = Log(folder / "bands", (np.uint32, BANDS), rows)
        self._ignored = [*self._sources.removed(), *self._sources.numbers(ignoring)]
        self._runs = Runs(folder / "runs", self._entries, self._safe)

    @classmethod
    def open(cls, folder: Path, at: int | None = None, ignoring: Collection[str] = ()) -> Index:
        """The index in `folder` (made if need be) as it was when it had `at` documents (None: at its last commit).

        Documents of the sources `ignoring` are not compared with: they are about to be replaced. Raises OwnerMustAct
        when the files hold less than they should.
        """
        return cls(folder, at, ignoring)

    @property
    def length(self) -> int:
        """Documents judged so far, copies included: what a journal must keep to come back here."""
        return self._records.length

    def add(self, source: str, ids: Sequence[int], signatures: Signatures, fates: Sequence[int]) -> list[Verdict]:
        """What each document is, in order, earlier ones of the same batch counted; new ones are remembered.

        `ids` are the caller's (0 to 2**64 - 1); `fates` (0 to 255) what becomes of each if it is new. Nothing lasts
        before `commit`. Raises OwnerMustAct when the disk is full: open the index anew after that.
        """
        base, number = self.length, self._sources.number(source)
        records = np.zeros(len(signatures), _RECORD)
        records["exact"], records["id"], records["source"], records["fate"] = signatures.exact, ids, number, fates
        sketched = signatures.sketched
        of = matching.keys(signatures.exact, signatures.bands, sketched)
        verdicts = self._judge(records, signatures, of, base)

        new = records["kind"] == 0
        sketched &= new
        records["sketched"] = sketched
        records["row"] = self._bins.length + np.cumsum(sketched) - sketched
        self._bins.append(signatures.bins[sketched])
        self._bands.append(signatures.bands[sketched])
        self._records.append(records)
        self._runs.put(matching.entries(of, base, new))
        return verdicts

    def commit(self) -> int:
        """Make all that was added last, whatever happens; returns `length`."""
        for log in (self._bins, self._bands, self._records):
            log.sync()
        self._commits.append(np.array([(self.length, _check(self.length))], _COMMIT))
        self._commits.sync()
        self._runs.flush(self._safe, self.length)  # the caller's journal may still be one commit behind
        self._safe = self.length
        return self.length

    def left_out(self, source: str) -> Counter[str]:
        """How many documents of which other sources were left out as copies of this one's."""
        number = self._sources.known(source)
        found: Counter[int] = Counter()
        for first in range(0, self.length, CHUNK):
            part = self._records.read(first, min(first + CHUNK, self.length))
            copies = part[(part["kind"] != 0) & (part["of_source"] == (-1 if number is None else number))]
            found.update(copies["source"].tolist())
        return Counter(
            {
                self._sources.name(other): found[other]
                for other in self._sources.living()
                if found[other] and other != number
            }
        )

    def remove(self, source: str) -> None:
        """Compare with this source's documents no more: at once, for good, without `commit`. Ask `left_out` first."""
        number = self._sources.known(source)
        if number is not None:
            self._sources.remove(source)
            self._ignored.append(number)

    def close(self) -> None:
        """What was not committed is forgotten when the index is opened again."""
        for log in (self._commits, self._records, self._bins, self._bands):
            log.close()

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _judge(self, records: Array, signatures: Signatures, of: matching.Keys, base: int) -> list[Verdict]:
        """The verdicts; what is found out is written into the batch's `records`."""
        lows = np.unique(of.low)
        every = np.ones(len(records), bool)
        found = [
            self._runs.find(lows, lows | np.uint64(0xFFFFFFFF), matching.CANDIDATES),
            matching.entries(of, base, every),
        ]
        pairs = matching.candidates(of, np.sort(np.concatenate(found)), base)
        others = np.unique(pairs.record)
        known = others[others < base]
        theirs, their_records = self._known(known, records, signatures, others[others >= base] - base)
        to = np.searchsorted(others, pairs.record)
        exact, likeness = matching.alike(signatures, pairs.document, theirs, to)
        compared = ~np.isin(their_records["source"], self._ignored)
        compared[len(known) :] = True  # of this batch
        copies = np.flatnonzero(compared[to] & (exact | (likeness >= THRESHOLD)))

        verdicts = [NEW] * len(records)
        records["of"], records["of_source"] = np.arange(base, base + len(records)), records["source"]
        document_of, record_of = pairs.document.tolist(), pairs.record.tolist()
        # In order: whether one is new decides what a later one may be a copy of.
        best: dict[int, tuple[bool, float, int, int]] = {}
        fates: dict[int, int] = {}
        for pair in copies.tolist():
            document, record = document_of[pair], record_of[pair]
            if record >= base and record - base in best:
                continue
            other = their_records[to[pair]]
            choice = (bool(exact[pair]), float(likeness[pair]), -record, pair)
            best[document] = max(best.get(document, choice), choice)
            fates[document] = max(fates.get(document, 0), int(other["fate"]))
        for document, (same, alike, record, pair) in best.items():
            other = their_records[to[pair]]
            source = self._sources.name(int(other["source"]))
            kind = _KINDS[1 if same else 2]
            verdicts[document] = Verdict(kind, source, int(other["id"]), 1.0 if same else alike, fates[document])
            mine = records[document : document + 1]
            mine["kind"], mine["of"], mine["of_source"], mine["fate"] = (
                1 if same else 2, -record, other["source"], fates[document],
            )  # fmt: skip
        return verdicts

    def _known(self, known: Array, records: Array, ours: Signatures, own: Array) -> tuple[Signatures, Array]:
        """The signatures (without bands) and records of `known` ones from the disk, then of `own` of the batch."""
        old = self._records.pick(known.tolist())
        bins = np.zeros((len(known) + len(own), BINS), np.uint8)
        sketched = old["sketched"].astype(bool)
        bins[: len(known)][sketched] = self._bins.pick(old["row"][sketched].tolist())
        bins[len(known) :] = ours.bins[own]
        both = np.concatenate([old, records[own]])
        return Signatures(both["exact"], np.empty((len(both), 0), np.uint32), bins), both

    def _entries(self, first: int, last: int) -> Array:
        """The entries of the new documents among records first..last, from the disk."""
        part = self._records.read(first, last)
        sketched = part["sketched"].astype(bool)
        bands = np.zeros((len(part), BANDS), np.uint32)
        bands[sketched] = self._bands.read(self._rows(first), self._rows(last))
        return matching.entries(matching.keys(part["exact"], bands, sketched), first, part["kind"] == 0)

    def _rows(self, length: int) -> int:
        """Sketches that the first `length` records have."""
        if length == 0:
            return 0
        last = self._records.pick([length - 1])[0]
        return int(last["row"]) + int(last["sketched"])


def _committed(commits: Log) -> int:
    """The length of the last commit that is whole."""
    for number in range(commits.length - 1, -1, -1):
        length, check = commits.pick([number])[0].tolist()
        if check == _check(length):
            return int(length)
    return 0


def _check(length: int) -> int:
    return xxhash.xxh3_64_intdigest(length.to_bytes(8, "little"))
