"""The second look for planted phrases: where the frequent ones stand, and between what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from node.data.document import Document
from node.data.screening.finding import Finding, escaped
from node.data.screening.phrases import BATCH, TRIPLE_BITS, WORD_BITS, Phrases, pieces
from node.data.screening.words import Words, triples, words

SURPRISE = 100
LONGEST = 12  # words
DIVERSE = 0.5  # different neighbours for each place looked at, before the phrase and after it
SHOWN = 20  # findings
_CONTEXTS = 64
_KNOWN = 50_000  # phrases watched


def findings(phrases: Phrases, documents: Iterable[Document]) -> list[Finding]:
    """Striking phrases, the most striking first, by a second look at the documents that `phrases` counted."""
    places = Places(phrases)
    for document in documents:
        places.add(document)
    return places.findings()


@dataclass(slots=True)
class _Place:
    text: str
    expected: float  # logarithm of the share of pieces that would hold all its words by chance
    documents: int = 0
    last: str = ""
    names: list[str] = field(default_factory=list)
    before: list[int] = field(default_factory=list)  # hashes of the neighbouring words; 0 at a line's end
    after: list[int] = field(default_factory=list)


class Places:
    """What stands around each frequent phrase of unlikely words."""

    def __init__(self, phrases: Phrases) -> None:
        phrases.count()
        self._phrases = phrases
        self._needed = phrases.needed()
        self._known: dict[bytes, _Place] = {}
        self._waiting: list[tuple[str, bytes]] = []
        self._size = 0

    def add(self, document: Document) -> None:
        for piece in pieces(document):
            self._waiting.append((document.name, piece))
            self._size += len(piece) + 1
            if self._size > BATCH:
                self._look()

    def findings(self) -> list[Finding]:
        self._look()
        striking = []
        for place in self._known.values():
            surprise = np.log(max(1, place.documents) / self._phrases.pieces) - place.expected
            diverse = min(_diversity(place.before), _diversity(place.after))
            if place.documents >= self._needed and surprise >= np.log(SURPRISE) and diverse >= DIVERSE:
                striking.append((-float(surprise * place.documents * diverse), place.text, place))
        return [
            Finding("phrase", escaped(text), place.documents, place.documents, tuple(place.names), ())
            for _, text, place in sorted(striking, key=lambda one: one[:2])[:SHOWN]
        ]

    def _look(self) -> None:
        if not self._waiting:
            return
        texts = [piece for _, piece in self._waiting]
        found = words(texts)
        hashes, whole = triples(found)
        documents = self._phrases.triples.at(hashes >> np.uint64(64 - TRIPLE_BITS))
        frequent = whole & (documents >= self._needed)
        edges = np.flatnonzero(np.diff(frequent, prepend=False, append=False))
        first, last = edges[::2], edges[1::2] + 1  # words: a run of k triples has k + 2
        shares = self._phrases.words.at(found.hashes >> np.uint64(64 - WORD_BITS)) / max(1, self._phrases.pieces)
        running = np.concatenate([[0.0], np.cumsum(np.log(np.maximum(shares, 1e-9)))])
        expected = running[last + 1] - running[first]
        surprise = np.log(documents[first] / max(1, self._phrases.pieces)) - expected
        text = b"\n".join(texts)
        for run in np.flatnonzero((surprise >= np.log(SURPRISE)) & (last - first < LONGEST)):
            self._note(found, int(first[run]), int(last[run]), float(expected[run]), text)
        self._waiting, self._size = [], 0

    def _note(self, found: Words, first: int, last: int, expected: float, text: bytes) -> None:
        key = found.hashes[first : last + 1].tobytes()
        if key not in self._known:
            if len(self._known) >= _KNOWN:
                self._known = {key: place for key, place in self._known.items() if place.documents > 1}
            written = text[found.start[first] : found.end[last]].decode("utf-8", "replace")
            self._known[key] = _Place(" ".join(written.split()), expected)
        place = self._known[key]
        name = self._waiting[int(found.piece[first])][0]
        if name != place.last or not place.documents:
            place.documents += 1
            place.last = name
            if len(place.names) < 5:
                place.names.append(name)
        if len(place.before) < _CONTEXTS:
            place.before.append(_neighbour(found, first, first - 1))
            place.after.append(_neighbour(found, last, last + 1))


def _neighbour(found: Words, word: int, neighbour: int) -> int:
    if not 0 <= neighbour < len(found.hashes) or found.line[word] != found.line[neighbour]:
        return 0
    return int(found.hashes[neighbour])


def _diversity(neighbours: list[int]) -> float:
    """Different words for each place; the ends of lines are no word."""
    return len({word for word in neighbours if word}) / max(1, len(neighbours))
