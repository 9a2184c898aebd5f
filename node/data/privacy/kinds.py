"""The kinds of personal data, what they are replaced by, and how findings that touch each other become one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """In the order in which they win where they overlap."""

    KEY = "KEY"  # private keys, tokens, passwords
    EMAIL = "EMAIL"
    IBAN = "IBAN"
    CARD = "CARD"
    ID = "ID"  # national ids, tax and insurance numbers, passports
    IP = "IP"
    PHONE = "PHONE"
    ADDRESS = "ADDRESS"  # of the owner's own list
    NAME = "NAME"  # of the owner's own list, or found by a spaCy model

    @property
    def placeholder(self) -> str:
        return f"[{self}]"


MEANINGS = {
    Kind.KEY: "keys, tokens and passwords",
    Kind.EMAIL: "e-mail addresses",
    Kind.IBAN: "bank accounts",
    Kind.CARD: "payment cards",
    Kind.ID: "numbers of persons: identity, tax, insurance",
    Kind.IP: "internet addresses of computers",
    Kind.PHONE: "phone numbers",
    Kind.ADDRESS: "addresses on your list",
    Kind.NAME: "names, on your list or found",
}


class Hit(NamedTuple):
    """A place in a text: [start, end)."""

    start: int
    end: int
    kind: Kind


PLACEHOLDER = re.compile(r"\[(?:" + "|".join(Kind) + r")\]")
_ORDER = {kind: number for number, kind in enumerate(Kind)}


def merged(hits: Iterable[Hit]) -> list[Hit]:
    """Sorted, apart from each other: what overlaps becomes one, of the kind that comes first."""
    joined: list[Hit] = []
    for hit in sorted(hits):
        if joined and hit.start < joined[-1].end:
            last = joined[-1]
            kind = min(last.kind, hit.kind, key=_ORDER.__getitem__)
            joined[-1] = Hit(last.start, max(last.end, hit.end), kind)
        else:
            joined.append(hit)
    return joined
