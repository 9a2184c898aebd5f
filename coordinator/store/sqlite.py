"""The journal in one SQLite file: WAL, every commit flushed to the disk, so that nothing acknowledged is ever lost.

A torn end of the write-ahead log (a commit that was never acknowledged) is trimmed by SQLite itself; a byte that
changed later is found by the rows' own digests, by SQLite or by `wal.py`, and told to the host. One thread at a time
may use it.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from coordinator.store import wal
from coordinator.store.journal import REMEDY, Row, Snapshot, checked
from shared.disk import private_folder
from shared.errors import OwnerMustAct
from shared.units import plural

_HERE = Path(__file__).parent
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


class SqliteStore:
    """A Store on disk."""

    def __init__(self, path: Path) -> None:
        private_folder(path.parent)
        require_whole_log(Path(f"{path}-wal"))
        self._path = path
        self._sql = _statements()
        with self._trouble():
            self._database = sqlite3.connect(path, timeout=10.0, isolation_level=None, check_same_thread=False)
            self._database.row_factory = sqlite3.Row
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.executescript((_HERE / "schema.sql").read_text(encoding="utf-8"))
        path.chmod(0o600)

    def append(self, rows: Sequence[Row]) -> None:
        with self._trouble(), self._transaction():
            last = self._database.execute(self._sql["last_seq"]).fetchone()["seq"]
            assert [row.seq for row in rows] == list(range(last + 1, last + 1 + len(rows))), "facts out of order"
            self._database.executemany(self._sql["append"], [asdict(row) for row in rows])

    def keep_snapshot(self, snapshot: Snapshot) -> None:
        with self._trouble(), self._transaction():
            self._database.execute(self._sql["keep_snapshot"], asdict(snapshot))

    def snapshot(self) -> Snapshot | None:
        with self._trouble():
            found = self._database.execute(self._sql["snapshot"]).fetchone()
            return None if found is None else Snapshot(**found)

    def rows(self, after: int = 0) -> Iterator[Row]:
        with self._trouble():
            found = self._database.execute(self._sql["rows"], {"after": after})
            yield from checked((Row(**row) for row in found), after)

    def close(self) -> None:
        self._database.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:  # SQLite rolls back by itself when the disk is full
                self._database.execute("ROLLBACK")
            raise

    @contextmanager
    def _trouble(self) -> Iterator[None]:
        """Words for what a disk does to SQLite; a mistake of ours stays an exception."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", None)
            sentence = _SENTENCES.get(code & 0xFF) if code is not None else _UNREADABLE
            if sentence is None or isinstance(error, sqlite3.ProgrammingError):
                raise
            raise OwnerMustAct(f"{self._path} {sentence}") from error


def require_whole_log(log: Path) -> None:
    """Raise OwnerMustAct where SQLite would silently forget what had been saved."""
    if lost := wal.cut_off(log):
        raise OwnerMustAct(
            f"{log} is damaged: {plural(lost, 'saved change')} behind the damage cannot be read. {REMEDY} "
            f"To go on as things were before all of {log.name}, move that file away."
        )


_UNREADABLE = f"is damaged: it holds text that is none. {REMEDY}"  # Python's own complaint about bytes, without a code
_SENTENCES = {
    sqlite3.SQLITE_ERROR: f"is damaged: its tables are not as potluck made them. {REMEDY}",
    sqlite3.SQLITE_FULL: "could not be written: the disk is full. Free some space and start again; nothing was lost.",
    sqlite3.SQLITE_READONLY: "may not be written: its disk or folder is read-only. Mend that and start again.",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened. Check its folder's permissions, or set POTLUCK_HOME.",
    sqlite3.SQLITE_IOERR: "could not be read or written: the disk is full or failing. Look at it, then start again.",
    sqlite3.SQLITE_BUSY: "is in use by another program. Close that one and start again.",
    sqlite3.SQLITE_LOCKED: "is in use by another program. Close that one and start again.",
    sqlite3.SQLITE_CORRUPT: f"is damaged. {REMEDY}",
    sqlite3.SQLITE_NOTADB: f"is not a potluck database (any more). {REMEDY}",
}


def _statements() -> dict[str, str]:
    """The named statements of `queries.sql`."""
    parts = _NAME.split((_HERE / "queries.sql").read_text(encoding="utf-8"))
    return dict(zip(parts[1::2], parts[2::2], strict=True))
