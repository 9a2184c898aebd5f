"""Who is tested on what: decided by a paragraph's own words and a key the group shares, so every PC decides alike.

A tenth of all paragraphs is held out. The same message in two friends' folders gets the same answer on both PCs,
however it is wrapped, cased or indented, and without anybody comparing notes: nobody trains on what another is tested
on. Nobody outside the group can tell which paragraphs those are. Pure: no files, no chance.

With hold-out globs the owner names the test files instead. Hash-chosen paragraphs elsewhere are then *set aside*,
neither trained nor tested, since friends without globs are tested on them; that nobody else trains on the named files
is in the hands of the friends, who should all name the same ones.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from enum import StrEnum

KEY_BYTES = 32
ONE_IN = 10


class Fate(StrEnum):
    """What becomes of a paragraph."""

    TRAIN = "train"
    TEST = "test"
    SET_ASIDE = "set aside"  # another friend may be tested on it
    REPEATED = "repeated"  # it was there before, so it is not counted again


def normalised(paragraph: str) -> str:
    """The words without their dress: Unicode NFKC, case folded, runs of white space one blank."""
    return " ".join(unicodedata.normalize("NFKC", paragraph).casefold().split())


def is_held_out(group_key: bytes, paragraph: str) -> bool:
    """One paragraph in ten, the same ones on every PC of the group."""
    mac = hmac.new(group_key, normalised(paragraph).encode(), hashlib.sha256).digest()
    return int.from_bytes(mac, "big") % ONE_IN == 0


class Sorter:
    """Gives each paragraph of one collection its fate, once. Test files, where there are any, must be shown first."""

    def __init__(self, group_key: bytes, *, test_files: bool) -> None:
        assert len(group_key) == KEY_BYTES
        self._key = group_key
        self._test_files = test_files
        self._seen: set[bytes] = set()

    def fate(self, paragraph: str, *, in_test_file: bool = False) -> Fate:
        """Where this paragraph belongs."""
        mark = hashlib.blake2b(normalised(paragraph).encode(), digest_size=16).digest()
        if mark in self._seen:
            return Fate.REPEATED
        self._seen.add(mark)
        if in_test_file:
            return Fate.TEST
        if is_held_out(self._key, paragraph):
            return Fate.SET_ASIDE if self._test_files else Fate.TEST
        return Fate.TRAIN
