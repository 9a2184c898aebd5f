"""The documents that the owner ever added, on disk: is this one new, a copy of another, or nearly one?

    sources.json  the sources' names and which are removed     generation   which of the folders below counts
    commits       lengths that are on the disk for good        0/, 1/ ...   documents (`files`) and runs/ (`runs`)

The number of documents judged so far is all the state there is: `open(folder, at=length)` goes back to what the
caller's own journal says, whatever happened since. A document takes 40 bytes; one that is new 8 more for its mark and,
if it has five words, 672 for its sketch. Memory is bounded by the batch and some megabytes. One process at a time.

A copy is not compared with: what resembles only a copy is new. Nor is a document of a removed source.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xxhash

from node.data.duplicates import matching
from node.data.duplicates.files import EXACT, NEAR, NEW, RECORD, Files
from node.data.duplicates.judging import Alike, settle
from node.data.duplicates.log import Log
from node.data.duplicates.runs import Runs
from node.data.duplicates.signatures import Signatures
from node.data.duplicates.sources import Sources
from shared.disk import private_folder, write

Array = np.ndarray[Any, Any]
Kind = Literal["new", "exact", "near"]

STALE = matching.CANDIDATES // 4  # removed sources that the files may still hold
THRESHOLD = 0.8  # Jaccard similarity of 5-grams of words from which two documents are copies
_KINDS: dict[int, Kind] = {NEW: "new", EXACT: "exact", NEAR: "near"}
_COMMIT = np.dtype([("length", "<u8"), ("check", "<u8")])


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a document is."""

    kind: Kind
    source: str = ""  # of a copy: the document it is a copy of
    id: int = 0
    similarity: float = 0.0
    fate: int = 0  # the highest among all that it is a copy of: give what must win the higher number


class Index:
    """See the module. Made by `Index.open`."""

    def __init__(self, folder: Path, at: int | None, ignoring: Collection[str]) -> None:
        self._folder = private_folder(folder)
        self._sources = Sources(folder / "sources.json")
        self._ignored = [*self._sources.removed(), *self._sources.numbers(ignoring)]
        self._commits = Log(folder / "commits", _COMMIT)
        with ExitStack() as opened:
            opened.callback(self._commits.close)
            committed = _committed(self._commits)
            self._safe = committed if at is None else at  # records that no caller goes back behind
            if self._safe < committed:
                self._note(self._safe)
            self._open(self._safe)
            opened.pop_all()

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
        return self._files.length

    def add(self, source: str, ids: Sequence[int], signatures: Signatures, fates: Sequence[int]) -> list[Verdict]:
        """What each document is, in order, earlier ones of the same batch counted; new ones are remembered.

        `ids` are the caller's (0 to 2**64 - 1); `fates` (0 to 255) what becomes of each if it is new. Nothing lasts
        before `commit`. Raises OwnerMustAct when the disk is full: open the index anew after that.
        """
        base, number = self.length, self._sources.number(source)
        records = np.zeros(len(signatures), RECORD)
        records["exact"], records["id"], records["fate"] = signatures.exact, ids, fates
        records["source"] = records["of_source"] = number
        keys = matching.keys(signatures.exact, signatures.bands, signatures.sketched)
        earlier, alike = self._alike(records, signatures, keys)
        verdicts = [Verdict("new")] * len(records)
        for document, its in settle(alike, base).items():
            other = earlier[-its.age]
            kind = EXACT if its.exact else NEAR
            source = self._sources.name(int(other["source"]))
            verdicts[document] = Verdict(_KINDS[kind], source, int(other["id"]), its.similarity, its.fate)
            for name, value in (("kind", kind), ("of_source", other["source"]), ("fate", its.fate)):
                records[name][document] = value
        self._files.append(records, signatures)
        self._runs.put(matching.entries(keys, base, records["kind"] == NEW))
        return verdicts

    def commit(self) -> int:
        """Make all that was added last, whatever happens; returns `length`."""
        self._files.sync()
        self._note(self.length)
        self._runs.flush(self._safe, self.length)  # the caller's journal may still be one commit behind
        self._safe = self.length
        return self.length

    def left_out(self, source: str) -> Counter[str]:
        """How many documents of which other sources were left out as copies of this one's: ask before its removal."""
        number = self._sources.known(source)
        found: Counter[int] = Counter()
        if number is not None:
            for part in self._files.parts():
                copies = np.isin(part["kind"], (EXACT, NEAR)) & (part["of_source"] == number)
                found.update(part["source"][copies].tolist())
        living = self._sources.living()
        return Counter(
            {self._sources.name(other): found[other] for other in living if found[other] and other != number}
        )

    def remove(self, source: str) -> None:
        """Compare with this source's documents no more: at once and for good, without `commit`.

        Their sketches go when they are more than half of all, or of STALE sources: for each key the oldest CANDIDATES
        alone are looked at, and those who are gone must not be all of them. What is kept is that there was a document.
        """
        number = self._sources.known(source)
        if number is None:
            return
        self._sources.remove(source)
        self._ignored.append(number)
        kept = dead = 0
        stale: set[int] = set()
        for part in self._files.parts():
            gone = np.isin(part["source"], self._sources.removed())
            dead += int(part["sketched"][gone].sum())
            kept += int(part["sketched"][~gone].sum())
            stale.update(np.unique(part["source"][gone & (part["kind"] == NEW)]).tolist())
        if (dead > kept or len(stale) >= STALE) and self.length == self._safe:
            self._compact()

    def close(self) -> None:
        """What was not committed is forgotten when the index is opened again."""
        self._commits.close()
        self._files.close()

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _note(self, length: int) -> None:
        """From now on this is the last commit."""
        self._commits.append(np.array([(length, _check(length))], _COMMIT))
        self._commits.sync()

    def _open(self, length: int) -> None:
        """The documents of this generation; what is left of others goes."""
        path = self._folder / "generation"
        self._generation = int(path.read_bytes()) if path.exists() else 0
        for folder in self._folder.glob("[0-9]*"):
            if folder.name != str(self._generation):
                shutil.rmtree(folder)
        self._files = Files(self._folder / str(self._generation), length)
        self._runs = Runs(self._files.folder / "runs", self._files.entries, length)

    def _compact(self) -> None:
        """Write all but the sketches of removed sources into the next generation. A crash leaves this one or that."""
        following = str(self._generation + 1)
        shutil.rmtree(self._folder / following, ignore_errors=True)
        self._files.without(self._sources.removed(), self._folder / following)
        self._files.close()
        write(self._folder / "generation", following.encode())
        self._open(self._safe)

    def _alike(
        self, records: Array, signatures: Signatures, keys: matching.Keys
    ) -> tuple[dict[int, Any], Iterator[tuple[int, Alike]]]:
        """Earlier records by number, and each document of the batch with those that are alike, in order."""
        base = self.length
        lows = np.sort(keys.low)
        lows = lows[np.diff(lows, prepend=lows[:1] ^ matching.LOW) != 0]
        known = self._runs.find(lows, lows | matching.LOW, matching.CANDIDATES)
        own = matching.entries(keys, base, np.ones(len(records), bool))
        pairs = matching.candidates(known, own, base)

        numbers = np.unique(pairs.record)
        old, recent = numbers[numbers < base], numbers[numbers >= base] - base
        found, bins = self._files.pick(old)
        others = np.concatenate([found, records[recent]])
        bins = np.concatenate([bins, signatures.bins[recent]])
        compared = ~np.isin(others["source"], self._ignored)
        compared[len(old) :] = True
        to = np.searchsorted(numbers, pairs.record)
        exact, likeness = matching.alike(signatures, pairs.document, others["exact"], bins, to)
        chosen = np.flatnonzero(compared[to] & (exact | (likeness >= THRESHOLD)))
        columns = pairs.document, pairs.record, others["fate"][to], exact, likeness
        return dict(zip(numbers.tolist(), others, strict=True)), (
            (document, Alike(same, 1.0 if same else similarity, -record, fate))
            for document, record, fate, same, similarity in zip(
                *(all_[chosen].tolist() for all_ in columns), strict=True
            )
        )


def _committed(commits: Log) -> int:
    """The length of the last commit that is whole."""
    for number in range(commits.length - 1, -1, -1):
        length, check = commits.pick([number])[0].tolist()
        if check == _check(length):
            return int(length)
    return 0


def _check(length: int) -> int:
    return xxhash.xxh3_64_intdigest(length.to_bytes(8, "little"))
