"""What is packed into a file: each member as a stream, or the reason why it is not opened. Nothing is written to disk
but what must be held whole, without a name.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import re
import shutil
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from node.data.document import Unreadable
from node.data.reading.files import shown
from node.data.reading.limits import Budget, Refused
from node.data.reading.streams import CHUNK, Readable, Stream
from shared.errors import DiskFull

DAMAGED = "damaged: it cannot be read to its end"
LOCKED = "locked with a password (unpack it yourself)"
LEADS_OUT = "with a name that leads out of its archive"
LINK = "a link or a device in an archive"
METHOD = "packed in a way that is not read (unpack it yourself)"
TOO_LARGE = "too large to be read inside an archive (unpack it yourself)"
_ZSTANDARD_WINDOW = 128 << 20  # bytes that a .zst may ask to be held
_DIRECTORY = 16 << 20  # bytes of a zip's list of members, which is held
_IN_MEMORY = 4 << 20
_BZIP2_STEP = 4 << 10  # packed bytes; they unpack to 80 MB at most
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
_BLOCK = 512  # bytes, of tar
_LONG_NAME = 64 << 10
_ROOTED = re.compile(r"[/\\]|[A-Za-z]:")
_BREAKAGE = (
    zlib.error,
    EOFError,
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    struct.error,
    OSError,
)


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    stream: Stream


def unpacked(stream: Stream, budget: Budget, *, zstandard: bool) -> Stream:
    """What a .gz or .zst holds."""
    if not zstandard:
        return Stream(_Unpacked(gzip.GzipFile(fileobj=stream), budget, _BREAKAGE))
    from zstandard import ZstdDecompressor, ZstdError

    frames = ZstdDecompressor(max_window_size=_ZSTANDARD_WINDOW)
    raw = frames.stream_reader(cast(BinaryIO, stream), read_across_frames=True)  # it only reads
    return Stream(_Unpacked(raw, budget, (ZstdError,)))


def zip_members(file: BinaryIO, label: str, budget: Budget) -> Iterator[Member | Unreadable]:
    """The visible files of a zip, in the order of its list."""
    with opened_zip(file) as archive:
        infos = [info for info in archive.infolist() if not _is_left_alone(info.filename)]
        budget.foresee(sum(info.file_size for info in infos if not _why_not(info, budget)))
        for info in infos:
            budget.member()
            name = info.filename
            if reason := _why_not(info, budget):
                yield Unreadable(f"{label}!{shown(name)}", reason)
                continue
            try:
                with _member(archive, info, budget) as stream:
                    yield Member(name, stream)
            except Refused as refused:
                yield Unreadable(f"{label}!{shown(name)}", refused.reason)


def opened_zip(file: BinaryIO) -> zipfile.ZipFile:
    """A zip whose list of members is not too long to be held. Raises Refused."""
    try:
        if _directory_size(file) > _DIRECTORY:
            raise Refused("a zip of too many files (unpack it yourself)")
        return zipfile.ZipFile(file)
    except (*_BREAKAGE, ValueError, OverflowError) as error:
        raise Refused("not a zip file, or a damaged one") from error


def zip_member(archive: zipfile.ZipFile, name: str, budget: Budget, most: int) -> bytes:
    """All of one member, which may have `most` bytes. Raises Refused."""
    with zip_stream(archive, name, budget, most) as stream:
        return stream.read()


@contextlib.contextmanager
def zip_stream(archive: zipfile.ZipFile, name: str, budget: Budget, most: int) -> Iterator[Stream]:
    """One member, which may have `most` bytes: more than its zip says do not come out. Raises Refused."""
    info = archive.NameToInfo.get(name)
    if info is None:
        raise Refused(DAMAGED)
    if reason := _why_not(info, budget):
        raise Refused(reason)
    if info.file_size > most:
        raise Refused(TOO_LARGE)
    budget.member()
    with _member(archive, info, budget) as stream:
        yield stream


@contextlib.contextmanager
def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, budget: Budget) -> Iterator[Stream]:
    # The library unpacks all that it has read of a bzip2 at once.
    step = _BZIP2_STEP if info.compress_type == zipfile.ZIP_BZIP2 else CHUNK
    try:
        raw = archive.open(info)
    except (*_BREAKAGE, ValueError) as error:
        raise Refused(DAMAGED) from error
    with raw:
        yield Stream(_Unpacked(raw, budget, _BREAKAGE, step))


def tar_members(stream: Stream, label: str, budget: Budget) -> Iterator[Member | Unreadable]:
    """The visible files of a tar, as they come. The standard library's reader would hold a name of any length."""
    long_name = ""
    long_size: int | None = None
    while True:
        header = stream.read(_BLOCK)
        if len(header) < _BLOCK or not header.strip(b"\0"):
            return
        try:
            info = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise Refused(DAMAGED) from error
        budget.member()
        padded = -info.size % _BLOCK
        if info.type in (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE):
            if not 0 <= info.size <= _LONG_NAME:
                raise Refused(DAMAGED)
            data = stream.read(info.size + padded)[: info.size]
            if info.type == tarfile.GNUTYPE_LONGNAME:
                long_name = data.rstrip(b"\0").decode("utf-8", "surrogateescape")
            elif info.type == tarfile.XHDTYPE:
                long_name, long_size = _pax(data, long_name)
            continue
        name, size = long_name or info.name, info.size if long_size is None else long_size
        long_name, long_size = "", None
        if size < 0:
            raise Refused(DAMAGED)
        inside = _Slice(stream, size if info.type not in (tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE) else 0)
        if not _hidden(name) and info.type != tarfile.DIRTYPE:
            if _leads_out(name) or info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE):
                yield Unreadable(f"{label}!{shown(name)}", LEADS_OUT if _leads_out(name) else LINK)
            else:
                yield Member(name, Stream(inside))
        inside.skip(-size % _BLOCK)


@contextlib.contextmanager
def seekable(stream: Stream, most: int) -> Iterator[BinaryIO]:
    """The stream as a file that can be sought; what comes out of an archive is kept in a file without a name.

    Raises Refused when that is more than `most` bytes, DiskFull when there is no room for it.
    """
    if stream.file is not None:
        stream.file.seek(0)
        yield stream.file
        return
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as spool:
        while data := stream.read(CHUNK):
            if spool.tell() + len(data) > most:
                raise Refused(TOO_LARGE)
            try:
                spool.write(data)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    where = tempfile.gettempdir()
                    raise DiskFull(
                        f"There is no room in {where} to unpack an archive ({shutil.disk_usage(where).free >> 20} MB "
                        "are free). Free some space and add the folder again; it goes on where it stopped."
                    ) from error
                raise
        spool.seek(0)
        yield cast(BinaryIO, spool)  # it is one in all but its class


class _Unpacked:
    """Counts what comes out, and says in words that it does not."""

    def __init__(self, raw: Readable, budget: Budget, breakage: tuple[type[Exception], ...], step: int = CHUNK) -> None:
        self._raw, self._budget, self._breakage, self._step = raw, budget, breakage, step

    def read(self, size: int = CHUNK, /) -> bytes:
        try:
            data = self._raw.read(min(size, self._step))
        except self._breakage as error:
            raise Refused(DAMAGED) from error
        self._budget.unpack(len(data))
        return data


class _Slice:
    """The next `size` bytes of a stream."""

    def __init__(self, stream: Stream, size: int) -> None:
        self._stream, self._left = stream, size

    def read(self, size: int = CHUNK, /) -> bytes:
        data = self._stream.read(min(size, self._left, CHUNK))
        self._left -= len(data)
        return data

    def skip(self, padding: int) -> None:
        """Leave what was not read, and `padding` bytes after it."""
        while self._left and self.read():
            pass
        self._stream.read(padding)


def _is_left_alone(name: str) -> bool:
    return not name or name.endswith("/") or _hidden(name)


def _why_not(info: zipfile.ZipInfo, budget: Budget) -> str:
    if _leads_out(info.filename):
        return LEADS_OUT
    mode = info.external_attr >> 16
    if info.create_system == 3 and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return LINK
    if info.flag_bits & 0x1:
        return LOCKED
    if info.compress_type not in _METHODS:
        return METHOD
    return budget.too_dense if budget.is_bomb(info.compress_size, info.file_size) else ""


def _leads_out(name: str) -> bool:
    return bool(_ROOTED.match(name)) or ".." in re.split(r"[/\\]", name)


def _hidden(name: str) -> bool:
    """Is it left alone? What leads out is not: that is told."""
    parts = name.split("/")
    hidden = any(part.startswith(".") and part not in (".", "..") for part in parts)
    return (hidden or parts[0] == "__MACOSX") and not _leads_out(name)


def _pax(data: bytes, name: str) -> tuple[str, int | None]:
    """The name and the size that an extended header gives."""
    size = None
    while match := re.match(rb"(\d{1,9}) ([^=\n]+)=", data):
        length = int(match[1])
        value = data[match.end() : length - 1]
        if match[2] == b"path":
            name = value.decode("utf-8", "surrogateescape")
        elif match[2] == b"size" and value.isdigit():
            size = int(value[:19])
        if length < match.end():
            break
        data = data[length:]
    return name, size


def _directory_size(file: BinaryIO) -> int:
    """Bytes of a zip's list of members, as its end says."""
    end = file.seek(0, 2)
    file.seek(max(0, end - (1 << 16) - 22))
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < 22:
        raise zipfile.BadZipFile("no end")
    (size,) = struct.unpack_from("<I", tail, at + 12)
    long = tail.rfind(b"PK\6\6", 0, at)
    if size == 0xFFFFFFFF and long >= 0:
        (size,) = struct.unpack_from("<Q", tail, long + 40)
    return int(size)
