"""What the owner is told to look at: what, in how many documents, where; shown so that nothing hides in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from node.data.document import Document


@dataclass(frozen=True, slots=True)
class Finding:
    """Only reported: the owner decides."""

    kind: Literal["instruction", "unicode", "phrase"]
    what: str  # the rule, or the phrase itself
    documents: int
    times: int
    names: tuple[str, ...]  # the first few documents
    examples: tuple[str, ...]  # escaped


def joined(document: Document) -> str:
    """All text of a document."""
    if not document.messages:
        return document.text
    return "\n".join([document.text, *(message.content for message in document.messages)])


def escaped(text: str) -> str:
    """`text` on one line, with whatever cannot be seen written as \\u{...}."""
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character in "\n\t\r":
        return " "
    if character.isprintable() and not "\U000e0100" <= character <= "\U000e01ef":
        return character
    return f"\\u{{{ord(character):x}}}"
