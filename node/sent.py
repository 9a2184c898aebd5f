"""Everything that ever left this PC, one line each. A line is written before the first byte goes."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass

from node.store.database import statements


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that left. `bytes` are those of the messages themselves, without TLS and HTTP/2 around them."""

    id: int
    at: float  # UTC seconds
    what: str  # join, renewal, greeting, update, evaluation, heartbeats, ...
    bytes: int
    run: str
    round: int
    digest: str
    details: str


class Sent:
    """The node's record of what it sent, in its state.db. Kept for ever."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._statements = statements()
        self._repeated: dict[tuple[str, str, int, str], tuple[int, int, int]] = {}  # -> its line, times, bytes

    def note(
        self, what: str, size: int, *, run: str = "", round_number: int = 0, digest: str = "", details: str = ""
    ) -> int:
        """Write a line; its number lets `more` bring it up to date."""
        cursor = self._connection.execute(
            self._statements["note_sent"],
            {"at": time.time(), "what": what, "bytes": size, "run": run, "round": round_number,
             "digest": digest, "details": details},
        )  # fmt: skip
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def again(self, what: str, size: int, *, run: str, round_number: int, details: str) -> None:
        """As `note`, but the same thing said more than once stays one line, with how often."""
        key = (what, run, round_number, details)
        line, times, before = self._repeated.get(key) or (
            self.note(what, 0, run=run, round_number=round_number, details=details), 0, 0
        )  # fmt: skip
        self._repeated[key] = line, times + 1, before + size
        self.more(line, before + size, f"{details} ({times + 1} times)" if times else details)

    def more(self, line: int, size: int, details: str = "") -> None:
        """`size` bytes in all have left under that line by now."""
        self._connection.execute(self._statements["more_sent"], {"id": line, "bytes": size, "details": details})

    def lines(self) -> Iterator[Line]:
        for row in self._connection.execute(self._statements["sent"]):
            yield Line(**dict(row))
