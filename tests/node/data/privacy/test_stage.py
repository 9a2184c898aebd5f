"""The stage: what it counts, what it leaves as it is, how it is told what to look for, and that its time is linear."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.data.document import Document, Message
from node.data.privacy import CANNOT, Kind, Options, Privacy, preview, read_words
from node.data.privacy.kinds import Hit, merged
from shared.errors import OwnerMustAct
from tests.node.data.privacy.labelled import OWN_LIST, labelled

PRIVACY = Privacy(Options(words=OWN_LIST))
PIECES = st.sampled_from(
    [
        "anna@example.org",
        "+49 551 391234",
        "[EMAIL]",
        "password=",
        "a1b2c3d4!",
        "4111111111111111",
        "tel. ",
        "10.200.0.1",
        " ",
        "\n",
        "-",
        "@",
        ":",
        "Bubi",
        "0",
        "https://",
        "?token=",
        "DE89370400440532013000",
        "SSN ",
        "536-90-4399",
        "[",
        "]",
        "99",
        "(at)",
        " dot ",
        "org",
        "-----BEGIN PRIVATE KEY-----\n",
    ]
)


@given(st.lists(PIECES, max_size=25).map("".join))
def test_a_second_time_changes_nothing(text: str) -> None:
    once = PRIVACY(Document("a", text), Counter())

    assert isinstance(once, Document)
    assert PRIVACY(once, Counter()) is once


def test_documents_that_are_blanked_stay_as_they_are() -> None:
    for page in labelled(60, seed=5):
        once = PRIVACY(page.document, Counter())
        assert isinstance(once, Document)
        assert PRIVACY(once, Counter()) is once


def test_each_message_is_blanked_and_all_is_counted() -> None:
    counts: Counter[str] = Counter()
    talk = tuple(Message("user", said) for said in ("mail a.b@example.org or c.d@example.org", "ok", "Bubi"))

    went = PRIVACY(Document("chat", messages=talk, kind="chat"), counts)

    assert isinstance(went, Document)
    assert [message.content for message in went.messages] == ["mail [EMAIL] or [EMAIL]", "ok", "[NAME]"]
    assert went.messages[1] is talk[1]
    assert counts == {"blanked: EMAIL": 2, "blanked: NAME": 1, "blanked: documents": 1}


def test_nothing_private_is_the_same_object() -> None:
    counts: Counter[str] = Counter()
    document = Document("a", "Nothing to see here.")

    assert PRIVACY(document, counts) is document
    assert not counts


def test_only_the_kinds_that_are_on_are_looked_for() -> None:
    privacy = Privacy(Options(kinds=(Kind.IP,), words=("Bubi",)))

    went = privacy(Document("a", "Bubi a.b@example.org 203.0.113.77"), Counter())

    assert isinstance(went, Document)
    assert went.text == "Bubi a.b@example.org [IP]"


def test_overlapping_findings_become_one_of_the_kind_that_comes_first() -> None:
    hits = [Hit(5, 9, Kind.PHONE), Hit(0, 6, Kind.NAME), Hit(8, 12, Kind.KEY), Hit(12, 14, Kind.IP)]

    assert merged(hits) == [Hit(0, 12, Kind.KEY), Hit(12, 14, Kind.IP)]


def test_the_version_names_what_the_findings_hang_on() -> None:
    assert "phonenumbers" in PRIVACY.version
    assert "python-stdnum" in PRIVACY.version


def test_previews_are_random_and_the_same_for_a_seed() -> None:
    documents = [page.document for page in labelled(40, seed=9)]

    once, again, other = (preview(documents, 12, seed, PRIVACY) for seed in (1, 1, 2))

    assert len(once) == 12
    assert once == again
    assert once != other
    assert all(sample.kind.placeholder in sample.after for sample in once)
    assert all(sample.kind.placeholder not in sample.before for sample in once)
    assert max(len(sample.before) for sample in once if sample.kind is not Kind.KEY) < 180


def test_the_owners_list_is_a_plain_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("\ufeff# people\nAnna\n\n  Weg 5 \n", encoding="utf-8")

    assert read_words(path) == ("Anna", "Weg 5")


@pytest.mark.parametrize(
    ("content", "says"), [(b"x\n", "too short"), (b"M\xfcller\n", "UTF-8"), (None, "cannot be read")]
)
def test_a_list_that_cannot_be_used_is_refused_in_words(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "mine.txt"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(OwnerMustAct, match=says):
        read_words(path)


def test_a_country_that_there_is_not_is_refused() -> None:
    with pytest.raises(OwnerMustAct, match="no country XX"):
        Privacy(Options(country="XX"))


def test_a_model_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OwnerMustAct, match="no spaCy model"):
        Privacy(Options(spacy_model=str(tmp_path / "nowhere")))


def test_it_says_what_it_cannot_find() -> None:
    assert "names of people" in CANNOT
    assert "Japanese" in CANNOT


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "@",
        "a@",
        "a.a@a.",
        "9",
        "9 ",
        "1.2.",
        "+4",
        "(0)",
        "tel ",
        "tel 123 ",
        "password",
        "password=",
        'password="',
        "api_key=",
        ":",
        "fe80:",
        "://a:",
        "&token=ab1",
        "eyJ",
        "eyJaaaaaaaa.",
        "-----BEGIN PRIVATE KEY-----\n",
        "sk-",
        "bearer ",
        "DE89 ",
        "4111 ",
        "a dot ",
        "a(at)a.",
        "山",
        "_",
        "[",
        "\n",
        "é",
    ],
)
def test_no_text_takes_more_than_its_length_in_steps(unit: str) -> None:
    """A pattern that goes wild on 30 kB would hold the suite for minutes; its limit is the suite's own."""
    PRIVACY(Document("a", (unit * 30_000)[:30_000]), Counter())


def test_a_long_line_of_everything_is_blanked_as_its_parts_are() -> None:
    chance = Random(4)
    lines = ["mail a.b@example.org", "IBAN DE89370400440532013000", "plain words only", "server 203.0.113.77"]
    text = ". ".join(chance.choices(lines, k=2000))

    went = PRIVACY(Document("a", text), Counter())

    assert isinstance(went, Document)
    assert went.text == text.replace("a.b@example.org", "[EMAIL]").replace("DE89370400440532013000", "[IBAN]").replace(
        "203.0.113.77", "[IP]"
    )
