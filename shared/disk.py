"""Files that survive a power cut, and one process per home folder. The only place that knows about POSIX locks."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from shared.errors import DiskFull, OwnerMustAct
from shared.units import size_words as size_words  # given on: a full disk is told in these words


def private_folder(path: Path) -> Path:
    """Make `path`, and the parents that are not there, readable by its owner only. What is there stays as it is."""
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except FileNotFoundError:
        if path == path.parent:
            raise
        private_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
    return path


@contextmanager
def replacing(path: Path, mode: int = 0o600) -> Iterator[BinaryIO]:
    """Write a file beside `path`, flush it to the disk, then rename it into place.

    A crash leaves either the old file or the new one. Raises OwnerMustAct when the disk is full or read-only.
    """
    private_folder(path.parent)
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
        sync_folder(path.parent)
    except OSError as error:
        raise disk_trouble(error, path) from error
    finally:
        beside.unlink(missing_ok=True)


def sweep_beside(folder: Path) -> None:
    """Delete what `replacing` had begun anywhere in that folder in processes that live no more."""
    import psutil

    for place, _, names in os.walk(folder):
        for name in names:
            pid = name.removesuffix(".new").rpartition(".")[2]
            if not (name.startswith(".") and name.endswith(".new") and pid.isdigit()):
                continue
            if int(pid) == os.getpid() or not psutil.pid_exists(int(pid)):
                Path(place, name).unlink(missing_ok=True)


def write(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace `path` by `data`, all or nothing."""
    with replacing(path, mode) as file:
        file.write(data)


def sync_folder(folder: Path) -> None:
    """Make a rename inside `folder` durable. (Windows has no such call and does not need it.)"""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def require_space(folder: Path, need: int, what: str) -> None:
    """Raise OwnerMustAct unless `need` bytes (and a little air) are free where `folder` lies."""
    have = shutil.disk_usage(folder).free
    if have < need + (16 << 20):
        raise DiskFull(
            f"The disk is too full for {what}: it needs {size_words(need)}, {folder} has {room(folder)}. "
            "Free some space; it then goes on by itself."
        )


def disk_trouble(error: OSError, path: Path | None) -> OSError | OwnerMustAct:
    """Words for the failures of a disk that its owner can mend; any other error is returned as it is."""
    what = "Something" if path is None else str(path)
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            where = "" if path is None else f" ({room(path)})"
            return DiskFull(
                f"The disk is full: {what if path else 'something'} could not be written{where}. "
                "Free some space and start again; nothing was lost."
            )
        case errno.EROFS | errno.EACCES | errno.EPERM:
            return OwnerMustAct(
                f"{what} may not be written (read-only disk or another user's folder). "
                "Choose another folder with POTLUCK_HOME or mend its permissions."
            )
        case errno.ENOTDIR | errno.EEXIST if path is not None and _existing(path / "_").is_file():
            return OwnerMustAct(
                f"{_existing(path / '_')} is a file, and a folder is needed there. "
                "Choose another folder with POTLUCK_HOME."
            )
        case _:
            return error


def room(path: Path) -> str:
    """ "1.2 MB free on the disk at /home": of the disk on which `path` lies, or would lie."""
    here = _existing(path / "_")
    disk = next(folder for folder in (here, *here.parents) if os.path.ismount(folder) or folder == folder.parent)
    return f"{size_words(shutil.disk_usage(here).free)} free on the disk at {disk}"


def _existing(path: Path) -> Path:
    """The nearest folder above `path` that is there."""
    return next(parent for parent in path.absolute().parents if parent.exists())


class HomeLock:
    """Held by the one process that may change a home folder; the kernel lets go when the process dies."""

    def __init__(self, home: Path) -> None:
        self._path = private_folder(home) / "lock"
        self._file: BinaryIO | None = None

    def __enter__(self) -> HomeLock:
        file = open(self._path, "a+b")
        if not _lock(file):
            holder = self._path.with_name("pid").read_text() if self._path.with_name("pid").exists() else "unknown"
            file.close()
            raise OwnerMustAct(
                f"{self._path.parent} is in use by another potluck process (process {holder.strip()}). "
                "Stop that one first, or choose another folder with POTLUCK_HOME."
            )
        self._file = file
        self._path.with_name("pid").write_text(str(os.getpid()))
        return self

    def __exit__(self, *_: object) -> None:
        assert self._file is not None
        self._file.close()


def is_locked(home: Path) -> bool:
    """Whether a living process holds this home folder."""
    return is_taken(home / "lock")


def is_taken(path: Path) -> bool:
    """Whether a living process holds this lock file."""
    if not path.exists():
        return False
    with open(path, "a+b") as file:
        return not _lock(file)


@contextmanager
def turn(path: Path) -> Iterator[None]:
    """Wait for the exclusive use of `path` (a lock file) by this process, and hold it."""
    with open(path, "a+b") as file:
        try:
            import fcntl
        except ImportError:
            _turn_on_windows(file)
        else:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def turn_if_free(path: Path) -> Iterator[bool]:
    """Hold it, or say that somebody else does."""
    with open(path, "a+b") as file:
        yield _lock(file)


def _turn_on_windows(file: BinaryIO) -> None:
    import msvcrt

    while True:
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:  # it waits ten seconds at most: ask again
            continue
        return


def _lock(file: BinaryIO) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
