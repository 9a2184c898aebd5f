"""What could not be read: counted by reason, with the first names of each. Bounded, however much a folder holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from node.data.document import Unreadable
from node.data.reading.kinds import NOT_READ, is_of_unknown_kind

NAMED = 1000  # files that are named, of each reason
SUFFIXES = 200  # kinds of file that are told apart; the rest are counted as one


class Unread:
    """Goes on from what was counted `before`, so that the first names and kinds stay the first."""

    def __init__(self, before: Mapping[str, int] | None = None) -> None:
        self._before = Counter(before or {})
        self._suffixes = sum(map(_names_a_suffix, self._before))
        self.counts = Counter[str]()  # by reason, since `before`
        self.named: list[Unreadable] = []

    def add(self, one: Unreadable) -> None:
        reason = one.reason
        if _names_a_suffix(reason) and not self._met(reason):
            if self._suffixes < SUFFIXES:
                self._suffixes += 1
            else:
                reason = NOT_READ
        self.counts[reason] += 1
        if self._before[reason] + self.counts[reason] <= NAMED:
            self.named.append(Unreadable(one.name, reason))

    def clear(self) -> None:
        """What was counted is kept elsewhere: it belongs to `before` from now on."""
        self._before.update(self.counts)
        self.counts.clear()
        self.named.clear()

    def _met(self, reason: str) -> bool:
        return reason in self._before or reason in self.counts


def _names_a_suffix(reason: str) -> bool:
    return is_of_unknown_kind(reason) and reason != NOT_READ
