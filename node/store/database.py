"""One SQLite file per node home, written so that a power cut loses nothing that was said to be saved."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

from shared.disk import private_folder

_HERE = Path(__file__).parent
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def connect(path: Path) -> sqlite3.Connection:
    """Open (or make) the database: WAL, every commit flushed to the disk, rows by column name."""
    private_folder(path.parent)
    connection = sqlite3.connect(path, timeout=10.0, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.executescript((_HERE / "schema.sql").read_text(encoding="utf-8"))
    path.chmod(0o600)
    return connection


def statements() -> dict[str, str]:
    """The named statements of `statements.sql`."""
    parts = _NAME.split((_HERE / "statements.sql").read_text(encoding="utf-8"))
    return dict(zip(parts[1::2], parts[2::2], strict=True))
