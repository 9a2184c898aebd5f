"""How fast copies are found, beside datasketch: the same documents, the same shingles, the same planted near-copies."""

from __future__ import annotations

import gzip
import random
import re
import statistics
import sysconfig
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from node.data.duplicates.index import Index
from node.data.duplicates.signatures import signatures
from tests.benchmarks.report import Figure

MEGABYTES = 10.0
LONGEST = 20_000  # characters of a document
BATCH = 1 << 20  # characters signed at a time
TIMES = 5  # that ours is measured; datasketch takes seconds, so once
THRESHOLD = 0.8
SHARES = (0.002, 0.005, 0.01, 0.08)  # of words changed: similarities about 0.98, 0.95, 0.9, and 0.5, which is no copy
PLACES = ((Path("/usr/share/man"), "man*/*.gz"), (Path("/usr/share/doc"), "*/*"))


@dataclass(frozen=True, slots=True)
class Planted:
    """The documents, and of which earlier one each planted one was made."""

    texts: list[str]
    of: dict[int, int]

    @property
    def megabytes(self) -> float:
        return sum(len(text.encode()) for text in self.texts) / 1e6


@dataclass(frozen=True, slots=True)
class Finding:
    """What one of the two found, and the CPU seconds it took."""

    copies: dict[int, int]  # the document, and of which earlier one it is a copy
    seconds: float


def measure(folder: Path, megabytes: float = MEGABYTES) -> Figure:
    """MB/s of ours over datasketch's, in CPU time of one process."""
    planted = plant(megabytes)
    began = time.process_time()
    signatures(["so that the compiled loop is there"])
    loading = time.process_time() - began
    runs = [ours(folder / str(number), planted.texts) for number in range(TIMES)]
    theirs = datasketch(planted.texts)
    seconds = statistics.median(run.seconds for run in runs)
    truth = Truth(planted)
    detail = (
        f"{len(planted.texts):,} documents, {planted.megabytes:.1f} MB of manual pages, package papers and Python, "
        f"{len(planted.of)} of them planted (0.2 to 1 % of the words changed, or 8 %); "
        f"ours {planted.megabytes / seconds:.0f} MB/s, {truth.words(runs[0])}; "
        f"datasketch {planted.megabytes / theirs.seconds:.1f} MB/s, {truth.words(theirs)}; "
        f"numba's loop was ready after {loading:.1f} s, not counted"
    )
    return Figure("data_dedup", theirs.seconds / seconds, "x", 10, "higher", detail)


def ours(folder: Path, texts: list[str]) -> Finding:
    """Signatures by the batch, an index on disk, a commit a batch."""
    batches = list(_batches(texts))
    began = time.process_time()
    copies: dict[int, int] = {}
    with Index.open(folder) as index:
        for first, last in batches:
            part = texts[first:last]
            verdicts = index.add("all", range(first, last), signatures(part), [0] * len(part))
            index.commit()
            copies.update({number: found.id for number, found in enumerate(verdicts, first) if found.kind != "new"})
    return Finding(copies, time.process_time() - began)


def datasketch(texts: list[str]) -> Finding:
    """128 permutations, bands loose enough to find nearly all, each candidate verified by its estimate."""
    from datasketch import MinHash, MinHashLSH

    began = time.process_time()
    lsh = MinHashLSH(threshold=THRESHOLD, num_perm=128, weights=(0.1, 0.9))
    kept: dict[int, MinHash] = {}
    copies: dict[int, int] = {}
    for number, text in enumerate(texts):
        made = MinHash(num_perm=128, seed=1)
        made.update_batch([shingle.encode() for shingle in shingles(text)])
        found = [(made.jaccard(kept[other]), -other) for other in lsh.query(made)]
        if found and max(found)[0] >= THRESHOLD:
            copies[number] = -max(found)[1]
        else:
            lsh.insert(number, made)
            kept[number] = made
    return Finding(copies, time.process_time() - began)


_WORD = re.compile(r"\w+")


def shingles(text: str) -> set[str]:
    """5-grams of words."""
    words = _WORD.findall(text.casefold())
    return {" ".join(words[first : first + 5]) for first in range(len(words) - 4)}


class Truth:
    """The real similarity of two documents."""

    def __init__(self, planted: Planted) -> None:
        self._texts = planted.texts
        self._should = [pair for pair in planted.of.items() if self.jaccard(*pair) >= THRESHOLD]

    def jaccard(self, one: int, other: int) -> float:
        left, right = shingles(self._texts[one]), shingles(self._texts[other])
        return len(left & right) / max(1, len(left | right))

    def words(self, finding: Finding) -> str:
        """Of the planted documents that are near-copies, how many are found; of those found, how many are right."""
        recall = sum(copy in finding.copies for copy, _ in self._should) / len(self._should)
        right = sum(self.jaccard(*pair) >= THRESHOLD for pair in finding.copies.items())
        return f"recall {recall:.3f}, precision {right / len(finding.copies):.3f} ({len(finding.copies)} found)"


def plant(megabytes: float) -> Planted:
    """Real text; after every tenth document a copy of an earlier one with words changed."""
    chance = random.Random(5)
    texts: list[str] = []
    of: dict[int, int] = {}
    size = 0
    for text in _real():
        texts.append(text)
        size += len(text)
        if len(texts) % 10 == 9:
            original = chance.choice(
                [number for number in range(max(0, len(texts) - 500), len(texts)) if number not in of]
            )
            of[len(texts)] = original
            texts.append(_changed(texts[original], chance.choice(SHARES), chance))
            size += len(texts[-1])
        if size >= megabytes * 1e6:
            return Planted(texts, of)
    raise RuntimeError(f"There are not {megabytes} MB of manual pages and papers on this machine.")


def _changed(text: str, share: float, chance: random.Random) -> str:
    words = text.split(" ")
    for _ in range(round(share * len(words))):
        words[chance.randrange(len(words))] = f"other{chance.randrange(10**6)}"
    return " ".join(words)


def _real() -> Iterator[str]:
    python = Path(sysconfig.get_path("stdlib")).rglob("*.py")
    paths = chain(*(sorted(place.glob(pattern)) for place, pattern in PLACES), sorted(python))
    for path in random.Random(1).sample(found := list(paths), len(found)):
        try:
            data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            text = data.decode()[:LONGEST]
        except (OSError, ValueError):
            continue
        if len(text) > 1000:
            yield text


def _batches(texts: list[str]) -> Iterator[tuple[int, int]]:
    first = size = 0
    for number, text in enumerate(texts):
        size += len(text)
        if size > BATCH:
            yield first, number + 1
            first, size = number + 1, 0
    if first < len(texts):
        yield first, len(texts)
