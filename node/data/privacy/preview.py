"""Random samples of what would be blanked, for the owner's eyes on his own PC. They are private: never sent or kept."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

from node.data.document import Document
from node.data.privacy.blank import blanked
from node.data.privacy.kinds import Hit, Kind
from node.data.privacy.stage import Privacy

_AROUND = 40  # characters to either side


@dataclass(frozen=True, slots=True)
class Sample:
    """One finding with a few words around it."""

    document: str
    kind: Kind
    before: str
    after: str


def preview(documents: Iterable[Document], count: int, seed: int, privacy: Privacy) -> list[Sample]:
    """At most `count` of all findings, each as likely as any other; the same ones for the same `seed`."""
    chance = random.Random(seed)  # noqa: S311  which sample is shown is no secret
    kept: list[Sample] = []
    seen = 0
    for document in documents:
        texts = (document.text, *(message.content for message in document.messages))
        for text, hits in zip(texts, privacy.hits(document), strict=True):
            for number in range(len(hits)):
                seen += 1
                place = len(kept) if len(kept) < count else chance.randrange(seen)
                if place < count:
                    kept[place : place + 1] = [_sample(document.name, text, hits, number)]
    return kept


def _sample(name: str, text: str, hits: list[Hit], number: int) -> Sample:
    hit = hits[number]
    start, end = _cut(text, hit.start, -1), _cut(text, hit.end, 1)
    inside = [
        Hit(max(one.start, start) - start, min(one.end, end) - start, one.kind)
        for one in _near(hits, number)
        if one.start < end and one.end > start
    ]
    shown = text[start:end]
    return Sample(name, hit.kind, _line(shown), _line(blanked(shown, inside)))


def _near(hits: list[Hit], number: int) -> list[Hit]:
    return hits[max(0, number - _AROUND) : number + _AROUND]


def _cut(text: str, at: int, step: int) -> int:
    """A word's edge about _AROUND characters away."""
    edge = max(0, at - _AROUND) if step < 0 else min(len(text), at + _AROUND)
    part = text[edge:at] if step < 0 else text[at:edge]
    if edge in (0, len(text)) or not (blank := part.find(" ") if step < 0 else part.rfind(" ") + 1):
        return edge
    return edge + blank + 1 if step < 0 else at + blank - 1


def _line(text: str) -> str:
    return " ".join(text.split())
