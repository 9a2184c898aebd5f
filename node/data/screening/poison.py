"""What may have been planted to steer a model: gathered over all documents, for the owner to look at and decide.

`Poison` is filled document by document, by any number of processes; what they gathered merges in the order of the
documents to the same result. Nothing is cut or left out by it.
"""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from node.data.document import Document
from node.data.screening import instructions, invisible, places
from node.data.screening.finding import Finding, escaped, joined
from node.data.screening.phrases import Phrases

NAMES, EXAMPLES = 10, 3
_AROUND = 40  # characters shown on each side

Key = tuple[Literal["instruction", "unicode"], str]


@dataclass(slots=True)
class _Seen:
    documents: int = 0
    times: int = 0
    names: list[str] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)


class Poison:
    """Suspicions of all documents added; of bounded size."""

    def __init__(self) -> None:
        self._phrases = Phrases()
        self._seen: dict[Key, _Seen] = defaultdict(_Seen)

    def add(self, read: Document, kept: Document) -> None:
        """A document as it was read (cleaning takes away what deceives), and as it is kept."""
        text = joined(read)
        found: dict[Key, list[tuple[int, int]]] = defaultdict(list)
        for name, start, end in instructions.matches(text):
            found["instruction", name].append((start, end))
        for name, start, end in invisible.matches(text):
            found["unicode", name].append((start, end))
        for key, spans in found.items():
            examples = [_shown(key, text, start, end) for start, end in spans[:EXAMPLES]]
            _note(self._seen[key], _Seen(1, len(spans), [read.name], examples))
        self._phrases.add(kept)

    def merge(self, other: Poison) -> None:
        """Add what was gathered from later documents."""
        for key, seen in other._seen.items():
            _note(self._seen[key], seen)
        self._phrases.merge(other._phrases)

    def findings(self, documents: Iterable[Document]) -> list[Finding]:
        """All suspicions: most documents first within their kind.

        `documents` are the kept ones once more, from the finished shards: for phrases a second look is needed, which
        goes at about 20 MB/s. None of them: phrases are not looked for.
        """
        found = [
            Finding(kind, what, seen.documents, seen.times, tuple(seen.names), tuple(seen.examples))
            for (kind, what), seen in self._seen.items()
        ]
        found.sort(key=lambda one: (one.kind, -one.documents, one.what))
        return [*places.findings(self._phrases, documents), *found]

    def to_bytes(self) -> bytes:
        seen = [
            [kind, what, one.documents, one.times, one.names, one.examples] for (kind, what), one in self._seen.items()
        ]
        head = zlib.compress(json.dumps(seen).encode())
        return len(head).to_bytes(8, "little") + head + self._phrases.to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Poison:
        end = 8 + int.from_bytes(data[:8], "little")
        made = cls()
        for kind, what, *seen in json.loads(zlib.decompress(data[8:end])):
            made._seen[kind, what] = _Seen(*seen)
        made._phrases = Phrases.from_bytes(data[end:])
        return made


def _note(seen: _Seen, more: _Seen) -> None:
    seen.documents += more.documents
    seen.times += more.times
    seen.names += more.names[: NAMES - len(seen.names)]
    seen.examples += more.examples[: EXAMPLES - len(seen.examples)]


def _shown(key: Key, text: str, start: int, end: int) -> str:
    """What was found with a little around it; of words of two scripts, the foreign letters are escaped too."""
    found = escaped(text[start : min(end, start + 120)])
    if key[0] == "unicode":
        found = "".join(one if not "\u0370" <= one <= "\u052f" else f"\\u{{{ord(one):x}}}" for one in found)
    return escaped(text[max(0, start - _AROUND) : start]) + found + escaped(text[end : end + _AROUND])
