"""Made-up texts of a known likeness."""

from __future__ import annotations

import random
from collections.abc import Sequence

from node.data.duplicates.index import Index, Verdict
from node.data.duplicates.signatures import signatures

POEM = "The quick brown fox jumps over the lazy dog while seven wise owls count the silver stars above the old mill"


def prose(seed: int, words: int) -> list[str]:
    """Words drawn from two thousand, as if somebody had written them."""
    chance = random.Random(seed)
    return [f"w{int(2000 * chance.random() ** 2)}" for _ in range(words)]


def changed(words: Sequence[str], places: int, seed: int) -> list[str]:
    """With so many words changed, each far from the others."""
    made = list(words)
    for number in range(places):
        made[(2 * number + 1) * len(made) // (2 * places)] = f"changed{seed}x{number}"
    return made


def jaccard(left: Sequence[str], right: Sequence[str]) -> float:
    """The real one, of 5-grams."""
    one, other = ({tuple(words[at : at + 5]) for at in range(len(words) - 4)} for words in (left, right))
    return len(one & other) / len(one | other)


def add(
    index: Index, source: str, texts: Sequence[str], fates: Sequence[int] | None = None, first: int = 0
) -> list[Verdict]:
    return index.add(source, range(first, first + len(texts)), signatures(texts), fates or [0] * len(texts))


def kinds(verdicts: Sequence[Verdict]) -> list[str]:
    return [verdict.kind for verdict in verdicts]
