"""What is known of a document's words: a mark of the whole text, and a sketch of its 5-grams of words.

Pure and stateless: workers call `signatures` on batches of documents. Case, white space, Unicode dress (NFKC) and, for
the sketch, punctuation make no difference. Scripts without blanks count each character as a word (`alphabet`).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xxhash

from node.data.document import Document
from node.data.duplicates.alphabet import Table, ascii_table, hard, table
from node.data.duplicates.sizes import BANDS, BINS

Array = np.ndarray[Any, Any]

_COMMON = (("\u00df", "ss"), ("\u2026", "..."))  # hard ones that many texts have; replacing them is quicker


@dataclass(frozen=True, slots=True)
class Signatures:
    """Of n documents, in their order; about 560 bytes each."""

    exact: Array  # uint64[n, 2]: xxh3 (128 bits) of the normalised text
    bands: Array  # uint32[n, BANDS]: documents that share one are compared
    bins: Array  # uint8[n, BINS]: what is compared; all 0 in a text of fewer than 5 words, which has no sketch

    def __len__(self) -> int:
        return len(self.exact)

    @property
    def sketched(self) -> Array:
        """bool[n]"""
        return np.asarray(self.bins.any(axis=1))


def words_of(document: Document) -> str:
    """The text that is compared: of a conversation, what everybody said."""
    if document.messages:
        return "\n\n".join(message.content for message in document.messages)
    return document.text


def signatures(texts: Sequence[str]) -> Signatures:
    """Their signatures. About a megabyte of text a call is best; the first call in a process loads numba."""
    found = Signatures(
        np.zeros((len(texts), 2), np.uint64),
        np.zeros((len(texts), BANDS), np.uint32),
        np.zeros((len(texts), BINS), np.uint8),
    )
    folded = [_codes(text) for text in texts]
    plain = [place for place, codes in enumerate(folded) if codes.dtype == np.uint8]
    other = [place for place, codes in enumerate(folded) if codes.dtype != np.uint8]
    _sign(found, plain, [folded[place] for place in plain], ascii_table)
    _sign(found, other, [folded[place] for place in other], table)
    return found


def similarity(left: Array, right: Array) -> Array:
    """The Jaccard similarity of sketched documents, pair by pair: bins uint8[n, BINS] twice -> float64[n].

    Bins empty in both say nothing. Equal ones among the others say yes, less the one in 255 that is equal by chance.
    """
    have_left, have_right = left != 0, right != 0
    both = (have_left & have_right).sum(axis=1)
    either = (have_left | have_right).sum(axis=1)
    equal = ((left == right) & have_left).sum(axis=1)
    sure = (equal - both / 255) / (1 - 1 / 255)
    result: Array = np.clip(sure / np.maximum(either, 1), 0, 1)
    return result


def _codes(text: str) -> Array:
    """Code points, as bytes where all are ASCII. What the table cannot fold is folded here."""
    if text.isascii():
        return np.frombuffer(text.encode(), np.uint8)
    for common, folded in _COMMON:
        text = text.replace(common, folded)
    codes = _wide(text)
    if hard().take(codes).any():
        codes = _wide(unicodedata.normalize("NFKC", text).casefold())
    return codes


def _wide(text: str) -> Array:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def _sign(into: Signatures, places: list[int], texts: list[Array], classes: Callable[[], Table]) -> None:
    """Fill in the signatures of texts of one dtype."""
    if not texts:
        return
    from node.data.duplicates.kernel import sketch  # numba: only where sketches are made

    sizes = np.array([len(codes) for codes in texts], np.int64)
    ends = np.cumsum(sizes + 1) - 1
    begins = ends - sizes
    blank = np.full(1, ord(" "), texts[0].dtype)
    codes = np.concatenate([part for text in texts for part in (text, blank)])
    squeezed, stops = np.empty_like(codes), np.empty_like(ends)
    bands, bins = np.zeros((len(texts), BANDS), np.uint32), np.zeros((len(texts), BINS), np.uint8)
    sketch(codes, begins, ends, classes(), squeezed, stops, bands, bins)
    into.bands[places], into.bins[places] = bands, bins
    marks = b"".join(_mark(squeezed[begin:stop]) for begin, stop in zip(begins.tolist(), stops.tolist(), strict=True))
    into.exact[places] = np.frombuffer(marks, "<u8").reshape(-1, 2)


def _mark(squeezed: Array) -> bytes:
    """Of the normalised text; the same whether ASCII came as bytes or was folded from something wider."""
    if squeezed.dtype != np.uint8 and squeezed.max(initial=0) < 128:
        squeezed = squeezed.astype(np.uint8)
    return xxhash.xxh3_128_digest(squeezed.data)
