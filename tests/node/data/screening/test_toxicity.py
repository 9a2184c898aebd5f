"""Abuse is counted by default, cut or dropped on request, and judged in English only."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from node.data import screening
from node.data.document import Document, Dropped, Message
from node.data.screening.abuse import model
from node.data.screening.wordlists import WordList, built_in, words_of
from shared.errors import OwnerMustAct

KIND = "We met at the station this morning and took the train into the mountains together."
ABUSE = "You are a worthless idiot and everybody hates you, you stupid piece of shit."
MILD = "The soup was far too salty for me, but the bread of that place is very good."


def _screened(document: Document, **options: object) -> tuple[Document | Dropped, Counter[str]]:
    counts: Counter[str] = Counter()
    (stage,) = screening.stages(screening.Options(**options))  # type: ignore[arg-type]
    return stage(document, counts), counts


def test_scores_are_those_of_the_package() -> None:
    from profanity_check import predict_prob

    texts = [KIND, ABUSE, "", "xyzzy", MILD * 3, "Grüße, you idiot!", "I will kill you", "sh1t happens @home"]
    words = words_of("\0".join(texts).lower())
    assert np.allclose(model().scores(words, len(texts)), predict_prob(texts), atol=1e-12)


def test_abuse_is_counted_and_kept_by_default() -> None:
    document = Document("diary.txt", f"{KIND}\n\n{ABUSE}\n\n{MILD}")
    made, counts = _screened(document)
    assert made is document
    assert counts == {
        "toxicity: paragraphs and messages scored": 3,
        "toxicity: paragraphs and messages scored 0.9 or more": 1,
        "toxicity: paragraphs and messages with a word of better-profanity's list": 1,
    }


def test_abusive_paragraphs_are_cut_on_request() -> None:
    made, counts = _screened(Document("d", f"{KIND}\n\n{ABUSE}\n\n{MILD}"), toxicity="cut")
    assert made == Document("d", f"{KIND}\n\n{MILD}")
    assert counts["toxicity: paragraphs and messages cut"] == 1


def test_abusive_messages_are_cut_on_request() -> None:
    messages = (Message("user", KIND), Message("assistant", ABUSE), Message("user", MILD))
    made, _ = _screened(Document("c", messages=messages, kind="chat"), toxicity="cut")
    assert made == Document("c", messages=(messages[0], messages[2]), kind="chat")


def test_a_document_is_dropped_on_request_or_when_nothing_is_left() -> None:
    assert _screened(Document("d", f"{KIND}\n\n{ABUSE}"), toxicity="drop")[0] == Dropped("toxicity: abusive text in it")
    assert _screened(Document("d", ABUSE), toxicity="cut")[0] == Dropped("toxicity: nothing left")


def test_other_languages_are_said_not_to_be_covered_but_own_words_are_found() -> None:
    german = Document(
        "g", "Heute war es schön in den Bergen.\n\nDu bist doch ein richtiger Vollpfosten, sagte er zu mir."
    )
    made, counts = _screened(german, toxicity="cut", own_words=("Vollpfosten",))
    assert isinstance(made, Document)
    assert made.text == "Heute war es schön in den Bergen."
    assert counts["toxicity: documents in languages not covered"] == 1


def test_the_built_in_list_cuts_only_when_the_owner_says_so() -> None:
    document = Document("d", "My brother told us that he is gay, and we are happy for him.\n\n" + KIND)
    made, counts = _screened(document, toxicity="cut")
    assert made is document
    assert counts["toxicity: paragraphs and messages with a word of better-profanity's list"] == 1
    made, _ = _screened(document, toxicity="cut", act_on_built_in_list=True)
    assert made == Document("d", KIND)


def test_code_is_not_judged_and_off_is_off() -> None:
    code = Document("a.py", "# kill the stupid process\n", kind="code")
    assert _screened(code, toxicity="drop")[0] is code
    assert screening.stages(screening.Options(toxicity="off")) == []


def test_a_threshold_that_is_no_score_is_refused() -> None:
    with pytest.raises(OwnerMustAct, match="threshold"):
        screening.stages(screening.Options(threshold=90))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Oh shit!", ["shit"]),
        ("what a sh1t", ["sh1t"]),
        ("b1tch", ["bitch"]),
        ("you a$$hole", ["asshole"]),
        ("**shit** is bold", ["shit"]),
        ("Scunthorpe, Essex and a classic assistant", []),
        ("4 eggs, 15 %, x86_64 and ana@example.org", []),
    ],
)
def test_the_built_in_list_reads_words_in_disguise(text: str, found: list[str]) -> None:
    assert built_in().found(text) == found


def test_phrases_of_an_own_list_are_found_across_signs() -> None:
    words = WordList(["old boss", "Кот"])
    assert words.found("My OLD   boss, the кот and the old\nbosses") == ["кот", "old boss"]
    assert words.places(["a", "old-boss", "boss"], "a\0old-boss\0boss", words_of("a\0old-boss\0boss")) == [1]
