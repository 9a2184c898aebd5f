"""What is new, what is a copy, and of what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from node.data.duplicates.index import Index, Verdict
from node.data.duplicates.signatures import signatures

POEM = "The quick brown fox jumps over the lazy dog while seven wise owls count the silver stars above the old mill"


def add(
    index: Index, source: str, texts: Sequence[str], fates: Sequence[int] | None = None, first: int = 0
) -> list[Verdict]:
    return index.add(source, range(first, first + len(texts)), signatures(texts), fates or [0] * len(texts))


def kinds(verdicts: Sequence[Verdict]) -> list[str]:
    return [verdict.kind for verdict in verdicts]


def test_the_same_words_are_a_copy_however_they_are_dressed(tmp_path: Path) -> None:
    with Index.open(tmp_path) as index:
        assert kinds(add(index, "notes", [POEM])) == ["new"]
        found = add(index, "mails", [POEM.upper(), POEM.replace(" ", "\n  "), POEM + "!"], first=7)
        assert found[:2] == [Verdict("exact", "notes", 0, 1.0)] * 2
        assert (found[2].kind, found[2].source, found[2].id) == ("near", "notes", 0)


def test_copies_within_one_batch_are_found_in_order(tmp_path: Path) -> None:
    with Index.open(tmp_path) as index:
        found = add(index, "notes", [POEM, "something else", POEM, "Something  else", POEM + "."], first=10)
        assert kinds(found) == ["new", "new", "exact", "exact", "near"]
        assert [verdict.id for verdict in found[2:]] == [10, 11, 10]


def test_the_fate_of_what_it_resembles_is_given_back(tmp_path: Path) -> None:
    with Index.open(tmp_path) as index:
        add(index, "notes", [POEM, "short text"], [3, 1])
        assert [verdict.fate for verdict in add(index, "notes", [POEM + "!", "Short text", "other"], [7, 7, 7])] == [
            3,
            1,
            0,
        ]
