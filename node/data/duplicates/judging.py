"""From what is alike to what is a copy of what. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Alike:
    """A document of a batch and an earlier record that is as good as the same; the greater, the more so."""

    exact: bool
    similarity: float
    age: int  # minus the record's number: of equals the oldest
    fate: int


def settle(alike: Iterable[tuple[int, Alike]], base: int) -> dict[int, Alike]:
    """What each document that is a copy is a copy of; its fate the highest of all that it is alike to.

    In the order of documents, since whether one is new decides whether a later one can be its copy. The batch's
    documents are the records from `base` on.
    """
    found: dict[int, Alike] = {}
    fates: dict[int, int] = {}
    for document, other in alike:
        if -other.age - base in found:
            continue  # itself a copy
        found[document] = max(other, found.get(document, other))
        fates[document] = max(other.fate, fates.get(document, 0))
    return {document: Alike(best.exact, best.similarity, best.age, fates[document]) for document, best in found.items()}
