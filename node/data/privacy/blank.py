"""Finds what is private in a text and writes placeholders in its place."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from node.data.privacy.banks import ibans
from node.data.privacy.ips import ips
from node.data.privacy.keys import keys
from node.data.privacy.kinds import PLACEHOLDER, Hit, Kind, merged
from node.data.privacy.mails import mails
from node.data.privacy.names import names
from node.data.privacy.numbers import numbers
from node.data.privacy.phones import phones
from node.data.privacy.plain import plain
from node.data.privacy.secrets_said import secrets_said
from node.data.privacy.words import OwnWords


@dataclass(frozen=True, slots=True)
class Seeker:
    """What is looked for."""

    kinds: frozenset[Kind]
    words: OwnWords = field(default_factory=lambda: OwnWords(()))
    spacy_model: str = ""

    def hits(self, text: str, regions: Callable[[], Collection[str]], code: bool) -> list[Hit]:
        """Where private data is: sorted, apart from each other, and never on a placeholder."""
        found = (hit for hit in self._all(text, regions, code) if hit.kind in self.kinds)
        taken = [match.span() for match in PLACEHOLDER.finditer(text)] if "[" in text else []
        return merged(_beside(found, taken) if taken else found)

    def _all(self, text: str, regions: Callable[[], Collection[str]], code: bool) -> Iterator[Hit]:
        same = plain(text)
        lowered = same.lower()
        if Kind.KEY in self.kinds:
            yield from keys(same, lowered)
            yield from secrets_said(same, lowered, code)
        if Kind.EMAIL in self.kinds:
            yield from mails(same, lowered)
        if Kind.IBAN in self.kinds:
            yield from ibans(same)
        if Kind.ID in self.kinds or Kind.CARD in self.kinds:
            yield from numbers(same, lambda: {region.lower() for region in regions()})
        if Kind.IP in self.kinds:
            yield from ips(same)
        if Kind.PHONE in self.kinds:
            yield from phones(same, lowered, regions, code)
        yield from self.words(same)
        if self.spacy_model and Kind.NAME in self.kinds:
            yield from names(text, self.spacy_model)


def blanked(text: str, hits: list[Hit]) -> str:
    """With a placeholder for each of the `hits`, which are sorted and apart."""
    pieces: list[str] = []
    done = 0
    for hit in hits:
        pieces += text[done : hit.start], hit.kind.placeholder
        done = hit.end
    return "".join((*pieces, text[done:]))


def _beside(hits: Iterator[Hit], taken: list[tuple[int, int]]) -> Iterator[Hit]:
    """Those that touch no placeholder."""
    from bisect import bisect_right

    starts = [start for start, _ in taken]
    for hit in hits:
        last = bisect_right(starts, hit.end - 1) - 1
        if last < 0 or taken[last][1] <= hit.start:
            yield hit
