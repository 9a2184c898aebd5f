"""Which files there are below a folder, in a fixed order, and how one is opened without following a link."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from node.data.document import Unreadable
from shared.errors import OwnerMustAct

LINK = "a link, which is not followed (put the file itself into the folder)"
NO_FILE = "a pipe, socket or device, not a file"
FORBIDDEN = "not allowed to be opened (change its permissions)"
GONE = "gone when its turn came"
CHANGED = "changed while it was read (add it again)"
BROKEN_DISK = "could not be read (is its disk all right?)"
OURS = "where Potluck keeps its own things"
LONG_PATH = "in too many folders, one within the other (move it up)"
_HOME = Path("pki", "group.key")  # what every home has that belongs to a group
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_JUNCTION = 0xA0000003  # what Windows calls a folder that is really another one


@dataclass(frozen=True, slots=True)
class Entry:
    """A file as it was when it was listed."""

    name: str  # relative path with forward slashes, as the system knows it: for people, see `shown`
    size: int  # bytes
    mtime_ns: int


def inventory(folder: Path) -> Iterator[Entry | Unreadable]:
    """Every visible regular file below `folder`, sorted by relative path; one folder's list is held at a time.

    Hidden files and folders are left alone. Links, pipes, devices, folders that may not be opened, homes of nodes and
    coordinators (which hold other collections) are reported. Raises OwnerMustAct when there is no such folder, or
    nothing in it.
    """
    if folder.is_file():
        raise OwnerMustAct(f"{folder} is a file. Put it into a folder of its own and name that folder.")
    if not folder.is_dir():
        raise OwnerMustAct(f"There is no folder {folder}. Check the spelling.")
    found = False
    waiting = [_listed(folder, "")]
    while waiting:
        match next(waiting[-1], None):
            case None:
                waiting.pop()
            case str() as inner:
                waiting.append(_listed(folder, inner))
            case entry:
                found = True
                yield entry
    if not found:
        raise OwnerMustAct(f"The folder {folder} is empty. Put some files with text into it first.")


def shown(name: str) -> str:
    """A file's name for people and for UTF-8: what cannot be printed is escaped."""
    return _UNPRINTABLE.sub(_escaped, name)


def opened(folder: Path, entry: Entry) -> BinaryIO | Unreadable:
    """The file, ready to be read, if it is still the one that was listed."""
    try:
        handle = os.open(folder / entry.name, os.O_RDONLY | _NO_LINK | _NO_WAIT | getattr(os, "O_BINARY", 0))
    except OSError as error:
        return Unreadable(shown(entry.name), why(error))
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        return Unreadable(shown(entry.name), GONE if stat.S_ISDIR(mode) else NO_FILE)
    file = open(handle, "rb")  # noqa: SIM115  closed by whoever reads it
    if unchanged(file, entry):
        return file
    file.close()
    return Unreadable(shown(entry.name), CHANGED)


def unchanged(file: BinaryIO, entry: Entry) -> bool:
    """Is the open file still as it was listed?"""
    facts = os.fstat(file.fileno())
    return (facts.st_size, facts.st_mtime_ns) == (entry.size, entry.mtime_ns)


def why(error: OSError) -> str:
    """Why a file could not be read, in words."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return GONE
    if isinstance(error, PermissionError):
        return FORBIDDEN
    return {errno.ELOOP: LINK, errno.ENXIO: NO_FILE, errno.ENAMETOOLONG: LONG_PATH}.get(error.errno or 0, BROKEN_DISK)


_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # a pipe with nobody at its other end


def _listed(folder: Path, inside: str) -> Iterator[Entry | Unreadable | str]:
    """What is in one folder, in order; folders as their names, ending with a slash."""
    try:
        with os.scandir(folder / inside) as children:
            names = sorted(child.name + "/" * _is_folder(child) for child in children if not child.name.startswith("."))
    except OSError as error:
        yield Unreadable(shown(inside), why(error))
        return
    for name in names:
        if name.endswith("/"):
            ours = os.path.lexists(folder / inside / name / _HOME)
            yield Unreadable(shown(inside + name.removesuffix("/")), OURS) if ours else inside + name
        else:
            yield _entry(folder, inside + name)


def _is_folder(child: os.DirEntry[str]) -> bool:
    try:
        return child.is_dir(follow_symlinks=False) and not _is_junction(child.stat(follow_symlinks=False))
    except OSError:
        return False


def _entry(folder: Path, name: str) -> Entry | Unreadable:
    try:
        facts = os.lstat(folder / name)
    except OSError as error:
        return Unreadable(shown(name), why(error))
    if stat.S_ISLNK(facts.st_mode) or _is_junction(facts):
        return Unreadable(shown(name), LINK)
    if not stat.S_ISREG(facts.st_mode):
        return Unreadable(shown(name), NO_FILE)
    return Entry(name, facts.st_size, facts.st_mtime_ns)


def _is_junction(facts: os.stat_result) -> bool:
    return getattr(facts, "st_reparse_tag", 0) == _JUNCTION


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
