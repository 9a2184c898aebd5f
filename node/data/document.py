"""What every part of data preparation speaks of: documents, and why one was left out.

A document travels from its reader through the stages (cleaning, privacy, screening) to de-duplication and the shards.
A stage is a callable `Document -> Document | Dropped`; it adds to a `Counter` what it did, under its own names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

SEPARATOR = "\n\n"  # between the paragraphs of a text
Kind = Literal["prose", "code", "table", "mail", "chat"]


@dataclass(frozen=True, slots=True)
class Message:
    """One thing somebody said."""

    role: str  # "user" or "assistant" (the owner), once the owner has said who "me" is; "system"
    content: str
    speaker: str = ""  # the name in the export; a pseudonym after `chats`
    at: float | None = None  # seconds since 1970 UTC, where the export has it
    held: bool = False  # held out by the words it had in the file: never trained on (`heldout`)


@dataclass(frozen=True, slots=True)
class Document:
    """A text, paragraphs apart by an empty line; or a conversation."""

    name: str  # path within the folder with forward slashes; what lies inside a file after "!": mail/2019.mbox!37
    text: str = ""
    messages: tuple[Message, ...] = ()
    kind: Kind = "prose"


@dataclass(frozen=True, slots=True)
class Dropped:
    """A document that is left out."""

    rule: str  # short, the same for all documents of its kind: rules are counted


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file, or what lies inside one, that no document came from."""

    name: str
    reason: str  # short, the same for all of its kind, ending with what to do where something can be done


Counts = Counter[str]
Stage = Callable[[Document, Counts], Document | Dropped]
