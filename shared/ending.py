"""How a command of ours ends: an exit code, and what its owner can mend as a sentence, never a traceback."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from shared.disk import disk_trouble
from shared.errors import OwnerMustAct, PotluckError


def ended(command: Callable[[], object], complain: Callable[[str], None]) -> int:
    """What `command` returned if that is a number, else 0; 1 said in words, 130 Ctrl-C. A bug of ours is raised."""
    try:
        answer = command()
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        troubles = [owners_trouble(leaf) for leaf in _leaves(error)]
        sentences = [trouble.sentence for trouble in troubles if trouble is not None]
        if len(sentences) < len(troubles):
            raise
        for sentence in dict.fromkeys(sentences):
            complain(sentence)
        return 1
    return answer if isinstance(answer, int) else 0


def owners_trouble(error: Exception, folder: Path | None = None) -> PotluckError | None:
    """What the person at this PC can do about an error that nobody expected where it happened; None for a bug.

    `folder`: where most is written, for errors that do not say what they are about.
    """
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code != sqlite3.SQLITE_FULL or folder is None:
            sentence = _DATABASE.get(code)
            return None if sentence is None else OwnerMustAct(f"This PC's state.db {sentence}")
        error = OSError(errno.ENOSPC, str(error))
    if isinstance(error, OSError):
        error = disk_trouble(error, Path(error.filename) if isinstance(error.filename, str) else folder)
    return error if isinstance(error, PotluckError) else None


_DATABASE = {
    sqlite3.SQLITE_FULL: "could not be written: the disk is full. Free some space and start again; nothing was lost.",
    sqlite3.SQLITE_READONLY: "may not be written: its disk or folder is read-only. Mend that and start again.",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened. Check its folder's permissions, or set POTLUCK_HOME.",
    sqlite3.SQLITE_IOERR: "could not be read or written: the disk is full or failing. Look at it, then start again.",
    sqlite3.SQLITE_BUSY: "is in use by another program. Close that one and start again.",
    sqlite3.SQLITE_LOCKED: "is in use by another program. Close that one and start again.",
    sqlite3.SQLITE_CORRUPT: "is damaged: the disk may be failing. Bring back a copy of it, or leave and join again.",
    sqlite3.SQLITE_NOTADB: "is damaged: the disk may be failing. Bring back a copy of it, or leave and join again.",
}


def _leaves(error: Exception) -> Iterator[Exception]:
    if isinstance(error, ExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
