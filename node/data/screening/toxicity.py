"""Abusive paragraphs and messages: counted; cut or left out only when the owner asks.

Covered: English. Scores are alt-profanity-check's, the word list is better-profanity's, both English; in other
languages only the owner's own words are found. What the scores cannot see (measured): "sh1t" gets 0.06, and a text that
calls people vermin without a swear word 0.03 to 0.25. The built-in list holds words that insult nobody ("god", "gay",
"kill"): to cut by it cuts talk about minorities first, so it only counts unless the owner says otherwise.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from importlib.metadata import version
from typing import Literal

import numpy as np

from node.data.cleaning import language
from node.data.document import Counts, Document, Dropped
from node.data.screening.abuse import model
from node.data.screening.wordlists import WordList, built_in, words_of

Action = Literal["off", "count", "cut", "drop"]

COVERED = "English"
NOT_COVERED = "all other languages, threats and contempt without swear words, most spellings in disguise"
MEANINGS = {
    "toxicity: abusive text in it": "you asked to leave such documents out",
    "toxicity: nothing left": "all of it was abuse",
    "paragraphs and messages scored": "looked at by a model",
    "paragraphs and messages with a word of better-profanity's list": "a swear word, often harmless",
    "paragraphs and messages with a word of the owner's list": "of your own list",
    "paragraphs and messages cut": "taken out of their documents",
    "documents in languages not covered": "not looked at",
}
_JUDGED = ("en", language.UNKNOWN)


class Toxicity:
    """Counts abusive pieces (paragraphs, or messages of a chat); cuts them, or drops their document, if asked to."""

    name = "toxicity"

    def __init__(self, action: Action, threshold: float, own_words: Collection[str], act_on_built_in: bool) -> None:
        packages = ", ".join(f"{package} {version(package)}" for package in ("alt-profanity-check", "better-profanity"))
        self.version = f"1, {packages}"
        self._action = action
        self._threshold = threshold
        self._own = WordList(own_words)
        self._act_on_built_in = act_on_built_in

    def __call__(self, document: Document, counts: Counts) -> Document | Dropped:
        if document.kind in ("code", "table"):
            return document
        pieces = [*document.text.split("\n\n"), *(message.content for message in document.messages)]
        abusive = self._abusive(document, pieces, counts)
        if self._action == "count" or not any(abusive):
            return document
        if self._action == "drop":
            return Dropped("toxicity: abusive text in it")
        counts["toxicity: paragraphs and messages cut"] += sum(abusive)
        return _without(document, abusive)

    def _abusive(self, document: Document, pieces: list[str], counts: Counts) -> list[bool]:
        """Which pieces the owner wants acted on."""
        lower = "\0".join(pieces).lower()
        if lower.count("\0") != len(pieces) - 1:
            lower = "\0".join(piece.replace("\0", " ") for piece in pieces).lower()
        words = words_of(lower)
        abusive = [False] * len(pieces)
        for place in self._own.places(pieces, lower, words):
            counts["toxicity: paragraphs and messages with a word of the owner's list"] += 1
            abusive[place] = True
        if language.of(document) not in _JUDGED:
            counts["toxicity: documents in languages not covered"] += 1
            return abusive
        counts["toxicity: paragraphs and messages scored"] += len(pieces)
        for place in built_in().places(pieces, lower, words):
            counts["toxicity: paragraphs and messages with a word of better-profanity's list"] += 1
            abusive[place] = abusive[place] or self._act_on_built_in
        for place in np.flatnonzero(model().scores(words, len(pieces)) >= self._threshold).tolist():
            counts[f"toxicity: paragraphs and messages scored {self._threshold} or more"] += 1
            abusive[place] = True
        return abusive


def _without(document: Document, abusive: list[bool]) -> Document | Dropped:
    paragraphs = document.text.split("\n\n")
    text = "\n\n".join(piece for piece, bad in zip(paragraphs, abusive, strict=False) if not bad)
    messages = tuple(
        message for message, bad in zip(document.messages, abusive[len(paragraphs) :], strict=True) if not bad
    )
    if not text.strip() and not messages:
        return Dropped("toxicity: nothing left")
    return replace(document, text=text, messages=messages)
