"""Large files are written, hashed and brought to the disk at the same time."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from shared.digesting import Digesting

WHOLE = os.urandom(1 << 20) * 70  # more than is flushed at a time


@pytest.mark.parametrize("pieces", [[WHOLE], [b"", b"head", WHOLE[:300_000], WHOLE[300_000:], b"tail"]])
def test_file_and_digest_are_those_of_the_bytes(tmp_path: Path, pieces: list[bytes]) -> None:
    with open(tmp_path / "file", "wb") as file, Digesting(file) as out:
        for piece in pieces:
            out.write(piece)
    whole = b"".join(pieces)
    assert (tmp_path / "file").read_bytes() == whole
    assert out.digest == hashlib.sha256(whole).hexdigest()


def test_what_was_handed_over_may_be_changed_at_once(tmp_path: Path) -> None:
    piece = bytearray(b"a" * (6 << 20))
    with open(tmp_path / "file", "wb") as file, Digesting(file) as out:
        out.write(memoryview(piece))
        piece[:] = b"b" * len(piece)
        out.write(memoryview(piece))
    whole = b"a" * len(piece) + b"b" * len(piece)
    assert (tmp_path / "file").read_bytes() == whole
    assert out.digest == hashlib.sha256(whole).hexdigest()


def test_a_disk_that_is_full_is_told_of(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("a device that is always full is Linux's")
    with pytest.raises(OSError, match="No space"), open("/dev/full", "wb", buffering=0) as file, Digesting(file) as out:
        out.write(WHOLE[: 6 << 20])


def test_a_flush_that_failed_is_told_of_once_all_is_written() -> None:
    """The kernel will not say so again when the whole file is flushed. A pipe cannot be flushed at all."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with open(reading, "rb", buffering=0) as drain, open(writing, "wb", buffering=0) as file:
        out = Digesting(file).__enter__()
        for start in range(0, 34 << 20, 1 << 15):
            out.write(WHOLE[start : start + (1 << 15)])
            drain.read(1 << 16)
        with pytest.raises(OSError, match="Invalid argument"):
            out.__exit__(None, None, None)
