"""The stage: documents with placeholders for what is private, counted per kind."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version

from node.data.document import Counts, Document, Dropped
from node.data.privacy import names
from node.data.privacy.blank import Seeker, blanked
from node.data.privacy.kinds import Hit, Kind
from node.data.privacy.national_numbers import known_regions
from node.data.privacy.regions import regions
from node.data.privacy.words import OwnWords
from shared.errors import OwnerMustAct

_MOST_PASSES = 4  # a second look finds what the first one's findings hid; a third hardly ever anything


@dataclass(frozen=True, slots=True)
class Options:
    """What the owner chose."""

    kinds: tuple[Kind, ...] = tuple(Kind)
    words: tuple[str, ...] = ()  # the owner's own list, as `read_words` reads it
    spacy_model: str = ""  # folder of a model that finds names of people
    country: str = ""  # ISO 3166, two letters: whose phone numbers and ids need the least proof


class Privacy:
    """Blanks each text of a document. What is blanked stays as it is when it comes here again."""

    name = "privacy"

    def __init__(self, options: Options = Options()) -> None:
        """Raises OwnerMustAct for a country that there is not, a list or a model that cannot be used."""
        self.version = f"1, phonenumbers {version('phonenumbers')}, python-stdnum {version('python-stdnum')}"
        if options.country and options.country.upper() not in known_regions():
            raise OwnerMustAct(
                f"There is no country {options.country}. Name it by its two letters, such as DE, FR or US."
            )
        if options.spacy_model:
            model = names.load(options.spacy_model).meta
            self.version += f", spaCy model {model.get('lang')}_{model.get('name')} {model.get('version')}"
        self._country = options.country
        self._seeker = Seeker(frozenset(options.kinds), OwnWords(options.words), options.spacy_model)

    def __call__(self, document: Document, counts: Counts) -> Document | Dropped:
        """The same object if there was nothing to blank."""
        found: Counts = Counter()
        went = document
        for _ in range(_MOST_PASSES):
            before = went
            went = self._once(before, found)
            if went is before:
                break
        if found:
            counts["blanked: documents"] += 1
            counts.update({f"blanked: {kind}": times for kind, times in found.items()})
        return went

    def hits(self, document: Document) -> list[list[Hit]]:
        """What is private: in its text, then in each of its messages."""
        where = cache(lambda: regions(document, self._country))
        code = document.kind == "code"
        texts = (document.text, *(message.content for message in document.messages))
        return [self._seeker.hits(text, where, code) if text else [] for text in texts]

    def _once(self, document: Document, found: Counts) -> Document:
        all_hits = self.hits(document)
        found.update(hit.kind.value for hits in all_hits for hit in hits)
        if not any(all_hits):
            return document
        of_text, *of_messages = all_hits
        return replace(
            document,
            text=blanked(document.text, of_text),
            messages=tuple(
                replace(message, content=blanked(message.content, hits)) if hits else message
                for message, hits in zip(document.messages, of_messages, strict=True)
            ),
        )
