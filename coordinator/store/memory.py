"""A journal in memory with the same promises, except that it ends with the process: for tests and simulations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from coordinator.store.journal import Row, Snapshot, checked


class MemoryStore:
    """A Store that forgets."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._snapshot: Snapshot | None = None

    def append(self, rows: Sequence[Row]) -> None:
        first = len(self._rows) + 1
        assert [row.seq for row in rows] == list(range(first, first + len(rows))), "facts out of order"
        self._rows.extend(rows)

    def keep_snapshot(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def snapshot(self) -> Snapshot | None:
        return self._snapshot

    def rows(self, after: int = 0) -> Iterator[Row]:
        return checked(self._rows[after:], after)

    def close(self) -> None:
        """Nothing to let go of."""
