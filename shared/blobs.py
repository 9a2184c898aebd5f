"""Immutable bytes on disk, named by their SHA-256: `root/ab/abcdef...`, and `root/partial/` for what is still coming.

Memory stays bounded by one chunk whatever the blob's size. A blob is visible only once its digest was verified.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from shared.disk import disk_trouble, private_folder, require_space, sync_folder
from shared.errors import Refusal, Refused
from shared.ids import Digest, is_digest
from shared.units import size_words

CHUNK = 1 << 20  # bytes; the measured optimum for gRPC streams


class Blobs:
    """One folder of blobs. Several threads and processes may read; writes are idempotent."""

    def __init__(self, root: Path) -> None:
        self.root = private_folder(root)
        private_folder(root / "partial")

    def path(self, digest: Digest) -> Path:
        """Where that blob lies (or would lie)."""
        assert is_digest(digest), digest
        return self.root / digest[:2] / digest

    def has(self, digest: Digest) -> bool:
        return is_digest(digest) and self.path(digest).exists()

    def size(self, digest: Digest) -> int:
        return self.path(digest).stat().st_size

    def read(self, digest: Digest) -> bytes:
        """The whole blob, verified: for small ones. Raises Refused when missing or corrupt."""
        self.require(digest)
        data = self.path(digest).read_bytes()
        if hashlib.sha256(data).hexdigest() != digest:
            raise self._corrupt(digest)
        return data

    def require(self, digest: Digest) -> Path:
        """The path of a blob that is here. Raises Refused (no-such-blob)."""
        if not self.has(digest):
            raise Refused(Refusal.NO_SUCH_BLOB, f"The file {digest[:12]} is not here (any more).")
        return self.path(digest)

    def verify(self, digest: Digest) -> None:
        """Read it all and compare. A corrupt blob is set aside (renamed `.corrupt`) and refused."""
        if digest_of(self.require(digest)) != digest:
            raise self._corrupt(digest)

    def chunks(self, digest: Digest, offset: int = 0) -> Iterator[tuple[int, bytes, int]]:
        """(offset, at most 1 MiB, CRC-32) from `offset` to the end."""
        with open(self.require(digest), "rb") as file:
            file.seek(offset)
            while data := file.read(CHUNK):
                yield offset, data, zlib.crc32(data)
                offset += len(data)

    def put(self, data: bytes) -> Digest:
        """Store small bytes."""
        digest = Digest(hashlib.sha256(data).hexdigest())
        if not self.has(digest):
            with self.receiving(digest, len(data)) as incoming:
                incoming.restart()
                incoming.write(0, data, zlib.crc32(data))
                incoming.finish()
        return digest

    def adopt(self, file: Path, digest: Digest | None = None) -> Digest:
        """Move a finished file of ours in (same disk: a rename). Its digest is computed when not given."""
        digest = digest or digest_of(file)
        target = self.path(digest)
        private_folder(target.parent)
        try:
            os.replace(file, target)
            sync_folder(target.parent)
        except OSError as error:
            raise disk_trouble(error, target) from error
        return digest

    def partial_offset(self, digest: Digest) -> int:
        """How much of an unfinished blob is on disk; its whole size once it is complete."""
        if self.has(digest):
            return self.size(digest)
        partial = self._partial(digest)
        return partial.stat().st_size if partial.exists() else 0

    def receiving(self, digest: Digest, size: int, what: str = "an incoming file") -> Incoming:
        """Take bytes for a blob, going on where an earlier attempt stopped. One writer per blob at a time.

        `what` names it, should the disk have no room for it (OwnerMustAct, before a byte is written).
        """
        if not is_digest(digest):
            raise Refused(Refusal.MALFORMED, "That is not a SHA-256 digest.")
        return Incoming(self, digest, size, what)

    def drop(self, digest: Digest) -> None:
        if is_digest(digest):
            self.path(digest).unlink(missing_ok=True)
            self._partial(digest).unlink(missing_ok=True)

    def keep_only(self, wanted: Iterable[Digest], *, unfinished: bool = True) -> list[Digest]:
        """Garbage collection: drop every finished blob that is not wanted; returns what went.

        `unfinished`: whether blobs that are still on their way in are kept too, wanted or not.
        """
        keep = set(wanted)
        gone = [digest for digest in self.all() if digest not in keep]
        for digest in gone:
            self.drop(digest)
        for partial in (self.root / "partial").iterdir():
            if partial.name not in keep and (not unfinished or self.has(Digest(partial.name))):
                partial.unlink(missing_ok=True)
        return gone

    def all(self) -> list[Digest]:
        return sorted(Digest(path.name) for path in self.root.glob("[0-9a-f][0-9a-f]/*") if is_digest(path.name))

    def _partial(self, digest: Digest) -> Path:
        return self.root / "partial" / digest

    def _corrupt(self, digest: Digest) -> Refused:
        path = self.path(digest)
        os.replace(path, path.with_suffix(".corrupt"))
        return Refused(
            Refusal.CORRUPT,
            f"The file {path} was damaged on this disk (its bytes no longer match their digest). "
            "It was set aside and will be fetched again.",
        )


class Incoming:
    """A blob on its way in. Use as a context manager; `finish` makes it visible."""

    def __init__(self, blobs: Blobs, digest: Digest, size: int, what: str) -> None:
        self._blobs, self._digest, self._size, self._what = blobs, digest, size, what
        self._path = blobs._partial(digest)
        self._file: BinaryIO | None = None
        self._hash = hashlib.sha256()
        self.offset = 0

    def __enter__(self) -> Incoming:
        if not self._blobs.has(self._digest):
            self._file = open(self._path, "a+b")
            self._file.seek(0)
            while data := self._file.read(CHUNK):
                self._hash.update(data)
                self.offset += len(data)
            if self.offset > self._size:
                self.restart()
            require_space(self._blobs.root, self._size - self.offset, self._what)
        else:
            self.offset = self._size
        return self

    def restart(self) -> None:
        """Forget what was received so far."""
        if self._file is not None:
            self._file.truncate(0)
            self._hash, self.offset = hashlib.sha256(), 0

    def write(self, offset: int, data: bytes, crc32: int) -> None:
        """Append one chunk. A chunk that is already here is skipped; a gap, excess or wrong CRC is refused."""
        if offset + len(data) <= self.offset:
            return
        if offset != self.offset or self._file is None:
            raise Refused(Refusal.MALFORMED, f"A chunk at byte {offset} came where {self.offset} was expected.")
        if len(data) > CHUNK or offset + len(data) > self._size:
            raise Refused(Refusal.QUOTA, f"More bytes came than the {size_words(self._size)} that were announced.")
        if zlib.crc32(data) != crc32:
            raise Refused(Refusal.CORRUPT, "A chunk was damaged on the way; it will be sent again.")
        try:
            self._file.write(data)
        except OSError as error:
            raise disk_trouble(error, self._path) from error
        self._hash.update(data)
        self.offset += len(data)

    def finish(self) -> None:
        """Verify and make visible. Raises Refused (corrupt) and forgets the bytes when the digest differs."""
        if self._file is None:
            return
        if self.offset != self._size:
            raise Refused(
                Refusal.MALFORMED, f"The file ended after {size_words(self.offset)} of {size_words(self._size)}."
            )
        if self._hash.hexdigest() != self._digest:
            self.restart()
            raise Refused(Refusal.CORRUPT, "The file did not match its digest; it must be sent again from the start.")
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            target = self._blobs.path(self._digest)
            private_folder(target.parent)
            os.replace(self._path, target)
            sync_folder(target.parent)
        except OSError as error:
            raise disk_trouble(error, self._path) from error

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()


def digest_of(path: Path) -> Digest:
    """SHA-256 of a file, read in chunks."""
    with open(path, "rb") as file:
        return Digest(hashlib.file_digest(file, "sha256").hexdigest())
