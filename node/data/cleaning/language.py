"""Which language a document is in, judged by py3langid from a bounded sample; languages the owner allows.

A sample, since the whole text goes at 1.3 MB/s. What is too short, unsure, code or a table is "unknown", "code" or
"table"; the owner's allow-list leaves code and tables alone.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache, lru_cache
from importlib.metadata import version
from typing import Any

from node.data.cleaning.texts import beginning_and_middle
from node.data.document import Counts, Document, Dropped
from shared.errors import OwnerMustAct

UNKNOWN = "unknown"
SAMPLE = 320  # characters
ENOUGH_LETTERS = 12  # "haha ja" is taken for Sotho
SURE = 0.5  # py3langid's own probability; measured: right sentences 0.66 and more, three words 0.01-0.2
# Written so alike that the model mixes them up: whoever allows one allows the others.
_ALIKE = (
    {"no", "nb", "nn"},
    {"bs", "hr", "sr"},
    {"zh", "wuu", "yue"},
    {"ar", "ary", "arz"},
    {"id", "ms"},
    {"uz", "uzs"},
)


class Language:
    """Counts documents and characters per language; leaves out languages that are not allowed."""

    name = "language"

    def __init__(self, allowed: Collection[str] = (), keep_unknown: bool = True) -> None:
        """No `allowed` languages: all are. Raises OwnerMustAct for codes the model does not know."""
        self.version = f"1, py3langid {version('py3langid')}"
        self._allowed = _with_alike(allowed)
        self._keep_unknown = keep_unknown

    def __call__(self, document: Document, counts: Counts) -> Document | Dropped:
        language = of(document)
        size = len(document.text) + sum(len(message.content) for message in document.messages)
        counts[f"language documents: {language}"] += 1
        counts[f"language characters: {language}"] += size
        if not self._allowed or language in ("code", "table") or language in self._allowed:
            return document
        if language == UNKNOWN:
            return document if self._keep_unknown else Dropped("language unknown")
        return Dropped(f"language not allowed: {language}")


def of(document: Document) -> str:
    """An ISO 639 code, "unknown", "code" or "table"."""
    if document.kind in ("code", "table"):
        return document.kind
    return _identified(beginning_and_middle(document, SAMPLE))


@lru_cache(maxsize=4)  # several stages ask about the document in hand
def _identified(sample: str) -> str:
    if sum(map(str.isalpha, sample)) < ENOUGH_LETTERS and not _dense(sample):
        return UNKNOWN
    code, probability = _model().classify(sample)
    return code if probability >= SURE and code != "zxx" else UNKNOWN


def _dense(sample: str) -> bool:
    """Whether four letters already say much: Chinese, Japanese and Korean characters."""
    return sum("\u3040" <= character <= "\ud7a3" for character in sample) >= 4


@cache
def _model() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _with_alike(allowed: Collection[str]) -> frozenset[str]:
    if not allowed:
        return frozenset()
    codes = {code.strip().lower() for code in allowed}
    codes = {"no" if code == "nb" else code for code in codes}
    known = set(_model().labels)
    if strange := sorted(codes - known):
        raise OwnerMustAct(
            f"No language is called {', '.join(strange)} here. Name languages by their two-letter codes, "
            "such as en, de, fr, ja, or leave the list away to keep all."
        )
    for group in _ALIKE:
        if codes & group:
            codes |= group
    return frozenset(codes)
