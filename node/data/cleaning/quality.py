"""Rules of quality, each named, with its source, and to be switched off: a document that breaks one is left out.

Rules for everything ask only whether it is text at all. Rules for pages of the web are those of Gopher (Rae et al.
2021, "Scaling Language Models", table A1) and C4 (Raffel et al. 2020, section 2.2); they would throw out half of
somebody's diary, so they hold for web pages alone, unless the owner asks. Code, tables and chats know no prose rules.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

from node.data.cleaning import language
from node.data.cleaning.measures import Measures
from node.data.cleaning.pages import is_page
from node.data.cleaning.stopwords import STOP_WORDS
from node.data.document import Counts, Document, Dropped, Kind

_ALL: tuple[Kind, ...] = ("prose", "mail", "chat", "code", "table")
_PROSE: tuple[Kind, ...] = ("prose", "mail")


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    broken: Callable[[Measures], bool]
    kinds: tuple[Kind, ...] = _PROSE
    pages: bool = False  # for pages of the web only, unless asked
    default: bool = True


GENERAL = (
    Rule("own: mostly characters that could not be decoded", lambda m: m.undecoded > 0.05, kinds=_ALL),
    Rule("own: mostly encoded data", lambda m: m.encoded > 0.5, kinds=_ALL),
    Rule("own: no letters", lambda m: not m.any_letter),
    Rule("own: the same few lines again and again", lambda m: m.few_lines_again),
)
GOPHER = (
    Rule("gopher: fewer than 50 words", lambda m: m.word_count < 50, pages=True),
    Rule("gopher: more than 100,000 words", lambda m: m.word_count > 100_000, pages=True),
    Rule(
        "gopher: mean word length below 3 or above 10",
        lambda m: m.spaced and not 3 <= m.mean_word_length <= 10,
        pages=True,
    ),
    Rule("gopher: more than 1 hash or ellipsis in 10 words", lambda m: m.symbols > 0.1 * m.word_count, pages=True),
    Rule("gopher: over 90 % of lines are bullets", lambda m: m.bullet_lines > 0.9, pages=True),
    Rule("gopher: over 30 % of lines end in an ellipsis", lambda m: m.ellipsis_lines > 0.3, pages=True),
    Rule("gopher: under 80 % of words have a letter", lambda m: m.spaced and m.words_with_letter < 0.8, pages=True),
    Rule("gopher: fewer than 2 different stop words", lambda m: m.spaced and _lacks_stop_words(m), pages=True),
    Rule("gopher: over 30 % duplicate lines", lambda m: m.duplicate_lines > 0.3, pages=True),
    Rule("gopher: over 30 % duplicate paragraphs", lambda m: m.duplicate_paragraphs > 0.3, pages=True),
    Rule("gopher: over 20 % of characters in duplicate lines", lambda m: m.duplicate_line_characters > 0.2, pages=True),
    Rule(
        "gopher: over 20 % of characters in duplicate paragraphs",
        lambda m: m.duplicate_paragraph_characters > 0.2,
        pages=True,
    ),
    Rule("gopher: one 2- to 4-gram makes up over 20, 18 or 16 %", lambda m: m.breaks_top_ngrams(), pages=True),
    Rule(
        "gopher: over 15 to 10 % of characters in duplicate 5- to 10-grams",
        lambda m: m.breaks_duplicate_ngrams(),
        pages=True,
    ),
)
C4 = (
    Rule("c4: lorem ipsum", lambda m: "lorem ipsum" in m.text.lower(), pages=True),
    Rule("c4: curly bracket", lambda m: "{" in m.text, kinds=("prose",), pages=True),
    Rule("c4: fewer than 3 sentences", lambda m: m.sentences < 3, pages=True, default=False),
)
RULES = (*GENERAL, *GOPHER, *C4)


class Quality:
    """Leaves out documents that break a rule; the first broken rule is the reason given."""

    name = "quality"
    version = "2"

    def __init__(
        self, off: Collection[str] = (), on: Collection[str] = (), pages: Literal["pages", "all", "never"] = "pages"
    ) -> None:
        self._rules = [rule for rule in RULES if (rule.default or rule.name in on) and rule.name not in off]
        self._pages = pages

    def __call__(self, document: Document, counts: Counts) -> Document | Dropped:
        page = self._pages == "all" or (self._pages == "pages" and is_page(document))
        measures = Measures(document)
        for rule in self._rules:
            if document.kind in rule.kinds and (page or not rule.pages) and rule.broken(measures):
                return Dropped(rule.name)
        return document


def _lacks_stop_words(measures: Measures) -> bool:
    """Whether a language whose stop words we have shows fewer than two of them. Others are not judged."""
    known = STOP_WORDS.get(language.of(measures.document))
    return known is not None and len(known.intersection(map(str.lower, measures.words))) < 2
