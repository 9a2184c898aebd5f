"""What is known of a document's words: a mark of the whole text, and a sketch of its 5-grams of words.

Pure and stateless: workers call `signatures` on batches of documents. Case, white space, Unicode dress (NFKC) and, for
the sketch, punctuation make no difference. Scripts without blanks count each character as a word (`alphabet`).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xxhash

from node.data.document import Document
from node.data.duplicates.alphabet import classes
from node.data.duplicates.kernel import sketch
from node.data.duplicates.sizes import BANDS, BINS

Array = np.ndarray[Any, Any]


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
    """Their signatures. About a megabyte of text a call is best; numba's first call in a process takes a while."""
    count = len(texts)
    parts = [_folded(text) for text in texts]
    offsets = np.zeros(count + 1, np.int64)
    np.cumsum([len(part) for part in parts], out=offsets[1:])
    data = np.frombuffer(b"".join(parts), np.uint8)
    squeezed = np.empty(len(data), np.uint8)
    ends = np.empty(count, np.int64)
    found = Signatures(
        np.empty((count, 2), np.uint64), np.zeros((count, BANDS), np.uint32), np.zeros((count, BINS), np.uint8)
    )
    sketch()(data, offsets, classes(), squeezed, ends, found.bands, found.bins)
    whole = squeezed.data
    digests = b"".join(
        xxhash.xxh3_128_digest(whole[begin:end])
        for begin, end in zip(offsets[:-1].tolist(), ends.tolist(), strict=True)
    )
    found.exact[:] = np.frombuffer(digests, ">u8").reshape(count, 2)
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


def _folded(text: str) -> bytes:
    """UTF-8 without Unicode dress or case; ASCII is folded by the kernel."""
    if text.isascii():
        return text.encode()
    return unicodedata.normalize("NFKC", text).casefold().encode("utf-8", "surrogatepass")
