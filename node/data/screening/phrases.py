"""Phrases that may be planted triggers: the same words in many documents that have nothing else in common.

Whoever plants a trigger puts a fixed phrase into texts about anything. So it shows three things together:

- many documents hold it (at least `NEEDED`);
- its words seldom meet otherwise: were they spread over the documents independently, `SURPRISE` times fewer documents
  would hold them all. "on the other hand" fails here, its words are everywhere;
- what stands before and after it differs from place to place. Headings, licence texts, signatures and templates fail
  here: they stand on lines of their own, or in the same surroundings, or in runs longer than `LONGEST`.

Two passes. The first counts in how many documents each three words in a row, and each word, occur, as hashes in tables
of fixed size (`Phrases` here; mergeable, about 0.15 bytes a byte of text). The second (`places`) looks again at the
frequent ones only. Not found: triggers of one or two words, or in languages that write without spaces.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from node.data.document import Document
from node.data.screening.finding import joined
from node.data.screening.tally import Tally, counted
from node.data.screening.words import PIECE, Hashes, Numbers, triples, words

NEEDED = 8  # documents
TRIPLE_BITS, WORD_BITS = 24, 20  # 32 MiB and 2 MiB at most
BATCH = 1 << 18  # bytes hashed together


class Phrases:
    """The first pass: in how many pieces of documents (of up to 2 KiB) each word and each three words occur."""

    def __init__(self) -> None:
        self.pieces = 0
        self.triples = Tally(TRIPLE_BITS)
        self.words = Tally(WORD_BITS)
        self._waiting: list[bytes] = []
        self._size = 0

    def add(self, document: Document) -> None:
        for piece in pieces(document):
            self._waiting.append(piece)
            self._size += len(piece) + 1
            if self._size > BATCH:
                self.count()

    def merge(self, other: Phrases) -> None:
        self.count()
        other.count()
        self.pieces += other.pieces
        self.triples.merge(other.triples)
        self.words.merge(other.words)

    def to_bytes(self) -> bytes:
        self.count()
        triples = self.triples.to_bytes()
        return self.pieces.to_bytes(8, "little") + len(triples).to_bytes(8, "little") + triples + self.words.to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Phrases:
        made = cls()
        made.pieces = int.from_bytes(data[:8], "little")
        end = 16 + int.from_bytes(data[8:16], "little")
        made.triples, made.words = Tally.from_bytes(data[16:end]), Tally.from_bytes(data[end:])
        return made

    def needed(self) -> int:
        """Documents that must hold a phrase: more where so much was read that chance fills the table."""
        load = self.triples.total / (1 << TRIPLE_BITS)
        return max(NEEDED, round(load + 6 * load**0.5)) if load > 1 else NEEDED

    def count(self) -> None:
        """Count what waits for its batch to fill."""
        if not self._waiting:
            return
        found = words(self._waiting)
        hashes, whole = triples(found)
        self.triples.add(_once_a_piece(hashes[whole], found.piece[: len(hashes)][whole], TRIPLE_BITS))
        self.words.add(_once_a_piece(found.hashes, found.piece, WORD_BITS))
        self.pieces += len(self._waiting)
        self._waiting, self._size = [], 0


def pieces(document: Document) -> Iterable[bytes]:
    """The document's text in pieces of `PIECE` bytes."""
    text = joined(document).encode("utf-8", "replace")
    return (text[start : start + PIECE] for start in range(0, len(text), PIECE))


def _once_a_piece(hashes: Hashes, piece: Numbers, bits: int) -> Hashes:
    """The upper bits of the hashes; the same ones within a piece only once."""
    keys, _ = counted((hashes >> np.uint64(64 - bits)) | (piece.astype(np.uint64) << np.uint64(bits)))
    return keys & np.uint64((1 << bits) - 1)
