"""Names of people, found by a spaCy model that the owner has. Nothing is ever fetched."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from node.data.privacy.kinds import Hit, Kind
from shared.errors import OwnerMustAct

_PEOPLE = frozenset(("PERSON", "PER", "persName"))
_PIECE = 50_000  # characters a model is given at once: it takes some kB of memory for each
_LEAST = 2  # characters of a name


def names(text: str, model: str) -> Iterator[Hit]:
    """Of a text as it is. Raises OwnerMustAct if the model cannot be used."""
    nlp = load(model)
    start = 0
    while start < len(text):
        end = _cut(text, start)
        for entity in nlp(text[start:end]).ents:
            if entity.label_ in _PEOPLE and entity.end_char - entity.start_char >= _LEAST:
                yield Hit(start + entity.start_char, start + entity.end_char, Kind.NAME)
        start = end


@cache
def load(model: str) -> Any:
    """The model in a folder. Raises OwnerMustAct."""
    if not Path(model).is_dir():
        raise OwnerMustAct(
            f"There is no spaCy model in {model}. Name the folder of a model you have (it holds a meta.json)."
        )
    try:
        spacy: Any = import_module("spacy")  # not of our own: the owner's
    except ImportError as error:
        raise OwnerMustAct(
            "Names are found with spaCy, which is not installed "
            "here. Install it with `pip install spacy`, or leave the "
            "model away and put the names on your list of words to blank."
        ) from error
    try:
        return spacy.load(model)
    except (OSError, ValueError, ImportError) as error:
        raise OwnerMustAct(f"spaCy cannot load the model in {model}: {str(error).splitlines()[0]}") from error


def _cut(text: str, start: int) -> int:
    """After a paragraph, a line or a word, where there is one."""
    end = start + _PIECE
    if end >= len(text):
        return len(text)
    for sign in ("\n\n", "\n", " "):
        if (found := text.rfind(sign, start + _PIECE // 2, end)) > 0:
            return found + len(sign)
    return end
