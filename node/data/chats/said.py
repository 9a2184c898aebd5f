"""What every program's export comes down to."""

from __future__ import annotations

from dataclasses import dataclass


class BrokenExport(Exception):
    """The file is not what its beginning promised."""


@dataclass(frozen=True, slots=True)
class Said:
    """One message as it stands in the export. A mention of somebody is written @ and the name between isolates."""

    chat: str  # its name, where one file holds several; the messages of a chat follow each other
    speaker: str
    text: str
    at: float | None = None  # seconds since 1970; of exports without time zone as if in UTC
    mine: bool = False  # the export itself says that its owner wrote this


def mention(name: str) -> str:
    """A name in a text, marked as such: `people` finds it, and `heldout` does not count it among the words."""
    return f"@\u2068{name.lstrip('@')}\u2069"
