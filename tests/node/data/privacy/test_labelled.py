"""On the labelled set, hardly anything is missed or blanked by mistake, in each kind and language."""

from __future__ import annotations

from collections import Counter

from node.data.privacy import Kind, Options, Privacy
from tests.node.data.privacy import sentences
from tests.node.data.privacy.labelled import OWN_LIST, labelled, score


def test_the_labelled_set_holds_each_kind_in_each_language() -> None:
    there = Counter((page.language, label.kind) for page in labelled(240, seed=11) for label in page.labels[0])

    assert {*there} == {(language, kind) for language in sentences.LANGUAGES for kind in Kind}


def test_what_is_private_is_found_and_little_else() -> None:
    privacy = Privacy(Options(words=OWN_LIST))

    result = score((page, privacy.hits(page.document)) for page in labelled(300, seed=11))

    assert result.recall >= 0.99, result.missed
    assert result.precision >= 0.99, result.wrong
    assert result.worst("recall") >= (0.8, "")
    assert result.worst("precision") >= (0.8, "")


def test_labels_are_where_they_say() -> None:
    page = next(page for page in labelled(60, seed=3) if any(label.kind == Kind.EMAIL for label in page.labels[0]))
    text = page.document.text

    assert all(text[label.start : label.end].strip() for label in page.labels[0])
    assert all("[" not in text[label.start] for label in page.labels[0])
