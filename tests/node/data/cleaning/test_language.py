"""Languages are told from a sample, counted, and allowed by a list; what is too short to tell is the owner's choice."""

from __future__ import annotations

from collections import Counter

import pytest

from node.data.cleaning import language
from node.data.cleaning.language import Language
from node.data.document import Document, Dropped, Message
from shared.errors import OwnerMustAct

GERMAN = Document("g", "Heute morgen sind wir früh aufgestanden und mit dem Zug in die Berge gefahren.")
ENGLISH = Document("e", "This morning we got up early and took the train into the mountains.")
JAPANESE = Document("j", "今朝は早く起きて、電車で山へ行きました。")


@pytest.mark.parametrize(("document", "code"), [(GERMAN, "de"), (ENGLISH, "en"), (JAPANESE, "ja")])
def test_a_sentence_is_enough(document: Document, code: str) -> None:
    assert language.of(document) == code


@pytest.mark.parametrize("text", ["ok", "haha ja", "xkcd 123", "", "12:30"])
def test_what_is_too_short_is_unknown(text: str) -> None:
    assert language.of(Document("d", text)) == "unknown"


def test_code_and_tables_have_no_language() -> None:
    assert language.of(Document("d.py", ENGLISH.text, kind="code")) == "code"
    assert language.of(Document("d.csv", ENGLISH.text, kind="table")) == "table"


def test_a_conversation_is_judged_by_all_its_messages() -> None:
    said = ("wann kommst du", "heute abend", "nach hause", "und was sollen", "wir dann noch", "zusammen kochen")
    messages = tuple(Message("user", words) for words in said)
    assert language.of(Document("c", messages=messages, kind="chat")) == "de"


def test_only_allowed_languages_stay() -> None:
    counts: Counter[str] = Counter()
    stage = Language(("de",))
    assert stage(GERMAN, counts) is GERMAN
    assert stage(ENGLISH, counts) == Dropped("language not allowed: en")
    assert counts["language documents: en"] == 1
    assert counts["language characters: de"] == len(GERMAN.text)


def test_unknown_is_kept_unless_the_owner_says_otherwise() -> None:
    short = Document("d", "ok")
    assert Language(("de",))(short, Counter()) is short
    assert Language(("de",), keep_unknown=False)(short, Counter()) == Dropped("language unknown")


def test_who_allows_norwegian_allows_both_its_forms() -> None:
    stage = Language(("nb",))
    for text in ("Eg veit ikkje kva eg skal gjere i dag, men me går ut.", "Jeg vet ikke hva jeg skal gjøre i dag."):
        document = Document("n", text)
        assert stage(document, Counter()) is document


def test_a_language_that_does_not_exist_is_named() -> None:
    with pytest.raises(OwnerMustAct, match="german"):
        Language(("german",))
