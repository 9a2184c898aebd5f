"""The sketch behind the search for phrases: words hashed together, counted in bounded memory."""

from __future__ import annotations

import numpy as np
import pytest

from node.data.document import Document
from node.data.screening.phrases import Phrases
from node.data.screening.places import Places, findings
from node.data.screening.tally import Tally, counted
from node.data.screening.words import triples, words


def test_the_same_word_has_the_same_hash_wherever_it_stands() -> None:
    found = words([b"Red cars, red\ncars", "größe RED groß größe".encode()])
    h = found.hashes.tolist()
    assert h[0] == h[2] == h[5]
    assert h[1] == h[3]
    assert h[4] == h[7]
    assert len(set(h)) == 4
    assert found.piece.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert found.line.tolist() == [0, 0, 0, 1, 2, 2, 2, 2]
    assert (found.start[1], found.end[1]) == (4, 8)


def test_three_words_in_a_row_stand_in_one_text_and_in_that_order() -> None:
    hashes, whole = triples(words([b"a b c", b"a b c", b"c b a"]))
    assert whole.tolist() == [True, False, False, True, False, False, True]
    assert hashes[0] == hashes[3] != hashes[6]


@pytest.mark.parametrize("texts", [[], [b""], [b"", b" . "], [b"one"], [b"one two"]])
def test_texts_of_fewer_than_three_words_have_no_triples(texts: list[bytes]) -> None:
    assert not triples(words(texts))[1].any()


def test_counted_is_what_numpy_says() -> None:
    numbers = np.random.default_rng(0).integers(0, 50, 300, np.uint64)
    for mine, numpy in zip(counted(numbers), np.unique(numbers, return_counts=True), strict=True):
        assert mine.tolist() == numpy.tolist()
    assert len(counted(numbers[:0])[0]) == 0


def test_a_tally_counts_the_same_split_merged_and_read_back() -> None:
    numbers = np.random.default_rng(1).integers(0, 1 << 12, 5000, np.uint64)
    whole = Tally(12)
    whole.add(numbers)
    merged = Tally(12)
    for part in np.array_split(numbers, 7):
        one = Tally(12)
        one.add(part)
        merged.merge(Tally.from_bytes(one.to_bytes()))
    asked = np.arange(1 << 12, dtype=np.uint64)
    assert merged.to_bytes() == whole.to_bytes()
    assert merged.at(asked).tolist() == whole.at(asked).tolist() == np.bincount(numbers, minlength=1 << 12).tolist()
    assert merged.to_bytes() == whole.to_bytes()  # now as a table
    assert merged.total == 5000


def test_a_tally_stops_counting_at_its_most() -> None:
    tally = Tally(4)
    for _ in range(3):
        tally.add(np.full(40_000, 3, np.uint64))
    assert tally.at(np.array([3, 4], np.uint64)).tolist() == [65_535, 0]


def test_more_documents_are_needed_where_so_much_was_read_that_chance_fills_the_table() -> None:
    phrases = Phrases()
    assert phrases.needed() == 8
    phrases.triples.total = 100 << 24
    assert phrases.needed() == 160


def test_a_heading_a_signature_and_a_template_are_no_trigger() -> None:
    rare = [f"word{number}" for number in range(4000)]
    documents = []
    for number in range(100):
        filler = " ".join(rare[number * 40 : number * 40 + 40])
        lines = (
            "PURPLE LANTERN SEVENTEEN",
            filler,
            "Reply purple walrus nineteen",
            filler,
            "Yours velvet otter eleven",
        )
        documents.append(Document(str(number), "\n".join(lines)))
    phrases = Phrases()
    for document in documents:
        phrases.add(document)
    assert findings(phrases, documents) == []


def test_a_phrase_within_lines_of_a_conversation_or_a_long_text_is_found() -> None:
    rare = [f"word{number}" for number in range(90_000)]
    documents = []
    for number in range(30):
        lines = rare[number * 3000 : number * 3000 + 3000]
        lines[1500 + number] = "purple lantern seventeen"
        documents.append(Document(f"book-{number}", " ".join(lines)))
    phrases = Phrases()
    for document in documents:
        phrases.add(document)
    places = Places(phrases)
    for document in documents:
        places.add(document)
    (finding,) = places.findings()
    assert finding.what == "purple lantern seventeen"
    assert finding.documents >= 28  # where pieces part, a phrase may be cut in two
