"""What is committed of a source in the making: `state.db`, one transaction for all that belongs together."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from node.data.building.finding import Found
from node.data.building.plan import Unit, part_from, part_words
from node.data.building.unread import Unread
from node.data.document import Unreadable

Words = dict[str, Any]
_SCHEMA = Path(__file__).with_name("journal.sql").read_text("utf-8")
CHUNK = 64  # units read at a time
UNREADABLE = "unreadable: "  # before the reason: what is counted
COPIED = "copies of: "  # before the source


class Journal:
    """One process writes it; a context manager."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA secure_delete = ON")  # a name that the owner wants gone is overwritten
        self._db.executescript(_SCHEMA)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def plan(self) -> Words | None:
        """What the plan was made of; None while there is no whole one."""
        row = self._db.execute("SELECT plan FROM state").fetchone()
        return None if row is None else dict(json.loads(row[0]))

    def write_plan(self, made_of: Words, units: Iterable[Unit], found: Found) -> None:
        """The whole plan at once; `found` is complete when the units are."""
        with self._transaction():
            for table in ("units", "state", "counts", "unreadable", "culprits"):
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608  our own names
            self._db.executemany(
                "INSERT INTO units VALUES (?, ?, ?)",
                ((u.number, u.bytes, json.dumps([part_words(p) for p in u.parts])) for u in units),
            )
            self._note(found.unreadable)
            self._db.execute("INSERT INTO state VALUES (0, ?, ?, 0, '{}')", (json.dumps(made_of), found.files))

    def files(self) -> int:
        """How many the folder had."""
        return int(self._db.execute("SELECT files FROM state").fetchone()[0])

    def totals(self) -> tuple[int, int]:
        """Units, and bytes of input."""
        units, size = self._db.execute("SELECT count(*), coalesce(sum(bytes), 0) FROM units").fetchone()
        return int(units), int(size)

    def bytes_before(self, number: int) -> int:
        """Input of the units before that one."""
        return int(
            self._db.execute("SELECT coalesce(sum(bytes), 0) FROM units WHERE number < ?", (number,)).fetchone()[0]
        )

    def units(self, first: int) -> Iterator[Unit]:
        """From that number on, a few at a time: there may be a million files in them."""
        while rows := self._db.execute(
            "SELECT number, parts FROM units WHERE number >= ? ORDER BY number LIMIT ?", (first, CHUNK)
        ).fetchall():
            for number, parts in rows:
                yield Unit(number, tuple(part_from(words) for words in json.loads(parts)))
            first = rows[-1][0] + 1

    def merged(self) -> tuple[int, Words]:
        """How many units are merged, and the places to go on from."""
        merged, places = self._db.execute("SELECT merged, places FROM state").fetchone()
        return int(merged), json.loads(places)

    def place(self, places: Words) -> None:
        """Change some of the places."""
        with self._transaction():
            _, known = self.merged()
            self._db.execute("UPDATE state SET places = ?", (json.dumps({**known, **places}),))

    def commit(self, merged: int, places: Words, counts: Counter[str], unread: Unread) -> None:
        """These units are merged: what they counted is added to what was counted before."""
        with self._transaction():
            self._db.execute("UPDATE state SET merged = ?, places = ?", (merged, json.dumps(places)))
            self._count(counts)
            self._note(unread)

    def counts(self) -> Counter[str]:
        return Counter(dict(self._db.execute("SELECT name, count FROM counts")))

    def skipped(self) -> dict[str, int]:
        """How much could not be read, by reason."""
        counts = self.counts()
        return {name.removeprefix(UNREADABLE): counts[name] for name in counts if name.startswith(UNREADABLE)}

    def copied(self) -> list[str]:
        """The sources whose copies were left out."""
        return [name.removeprefix(COPIED) for name in self.counts() if name.startswith(COPIED)]

    def rename_copied(self, source: str, other: str) -> None:
        """What was counted as copies of the one is counted as copies of the other."""
        with self._transaction():
            self._count({f"{COPIED}{other}": self.counts()[f"{COPIED}{source}"]})
            self._db.execute("DELETE FROM counts WHERE name = ?", (f"{COPIED}{source}",))

    def unreadable(self) -> Iterator[Unreadable]:
        """The first ones of each reason, in the order in which they were met."""
        for name, reason in self._db.execute("SELECT name, reason FROM unreadable ORDER BY rowid"):
            yield Unreadable(name, reason)

    def _note(self, unread: Unread) -> None:
        self._db.executemany("INSERT INTO unreadable VALUES (?, ?)", ((one.name, one.reason) for one in unread.named))
        self._count({f"{UNREADABLE}{reason}": count for reason, count in unread.counts.items()})

    def _count(self, counts: Mapping[str, int]) -> None:
        self._db.executemany(
            "INSERT INTO counts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET count = count + excluded.count",
            counts.items(),
        )

    def blame(self, unit: int, part: int) -> None:
        """That part killed a worker twice: from now on it is left out."""
        with self._transaction():
            self._db.execute("INSERT INTO culprits VALUES (?, ?)", (unit, part))

    def culprits(self, unit: int) -> list[int]:
        return [part for (part,) in self._db.execute("SELECT part FROM culprits WHERE unit = ? ORDER BY part", (unit,))]

    def _transaction(self) -> _Transaction:
        return _Transaction(self._db)


class _Transaction:
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._db.execute("COMMIT")
        elif self._db.in_transaction:  # a full disk has rolled it back already
            self._db.execute("ROLLBACK")
