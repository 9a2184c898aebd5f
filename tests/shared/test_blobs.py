"""Blobs: resumable, verified, idempotent; nothing half-written is ever visible."""

from __future__ import annotations

import hashlib
import os
import zlib
from pathlib import Path

import pytest

from shared.blobs import CHUNK, Blobs, digest_of
from shared.errors import Refusal, Refused
from shared.ids import Digest

DATA = os.urandom(2 * CHUNK + 123)
DIGEST = Digest(hashlib.sha256(DATA).hexdigest())


def pieces(data: bytes, start: int = 0) -> list[tuple[int, bytes, int]]:
    return [(o, data[o : o + CHUNK], zlib.crc32(data[o : o + CHUNK])) for o in range(start, len(data), CHUNK)]


def test_a_blob_becomes_visible_only_when_it_is_whole(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    with blobs.receiving(DIGEST, len(DATA)) as incoming:
        for piece in pieces(DATA):
            assert not blobs.has(DIGEST)
            incoming.write(*piece)
        incoming.finish()
    assert blobs.has(DIGEST)
    assert digest_of(blobs.path(DIGEST)) == DIGEST
    assert b"".join(data for _, data, _ in blobs.chunks(DIGEST)) == DATA


def test_a_cut_transfer_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with Blobs(tmp_path).receiving(DIGEST, len(DATA)) as incoming:
        incoming.write(*pieces(DATA)[0])
    again = Blobs(tmp_path)
    assert again.partial_offset(DIGEST) == CHUNK
    with again.receiving(DIGEST, len(DATA)) as incoming:
        assert incoming.offset == CHUNK
        for piece in pieces(DATA, CHUNK):
            incoming.write(*piece)
        incoming.finish()
    assert again.has(DIGEST)


def test_a_repeated_chunk_is_skipped_and_a_gap_refused(tmp_path: Path) -> None:
    with Blobs(tmp_path).receiving(DIGEST, len(DATA)) as incoming:
        incoming.write(*pieces(DATA)[0])
        incoming.write(*pieces(DATA)[0])
        assert incoming.offset == CHUNK
        with pytest.raises(Refused) as raised:
            incoming.write(*pieces(DATA)[2])
        assert raised.value.refusal is Refusal.MALFORMED


def test_a_damaged_chunk_is_refused_and_may_be_sent_again(tmp_path: Path) -> None:
    offset, data, crc = pieces(DATA)[0]
    with Blobs(tmp_path).receiving(DIGEST, len(DATA)) as incoming:
        with pytest.raises(Refused) as raised:
            incoming.write(offset, b"x" + data[1:], crc)
        assert raised.value.refusal is Refusal.CORRUPT
        assert incoming.offset == 0
        incoming.write(offset, data, crc)


def test_bytes_beyond_the_announced_size_are_refused(tmp_path: Path) -> None:
    with Blobs(tmp_path).receiving(DIGEST, 10) as incoming, pytest.raises(Refused) as raised:
        incoming.write(0, DATA[:11], zlib.crc32(DATA[:11]))
    assert raised.value.refusal is Refusal.QUOTA


def test_other_bytes_than_promised_are_never_accepted(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    with blobs.receiving(DIGEST, 10) as incoming:
        incoming.write(0, b"0123456789", zlib.crc32(b"0123456789"))
        with pytest.raises(Refused) as raised:
            incoming.finish()
    assert raised.value.refusal is Refusal.CORRUPT
    assert not blobs.has(DIGEST)
    assert blobs.partial_offset(DIGEST) == 0


def test_a_blob_damaged_on_the_disk_is_set_aside_and_named(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    digest = blobs.put(b"the truth")
    blobs.path(digest).write_bytes(b"the trutH")
    with pytest.raises(Refused) as raised:
        blobs.read(digest)
    assert raised.value.refusal is Refusal.CORRUPT
    assert not blobs.has(digest)


def test_garbage_collection_keeps_what_is_wanted(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    keep, drop = blobs.put(b"keep"), blobs.put(b"drop")
    assert blobs.keep_only({keep}) == [drop]
    assert blobs.all() == [keep]


def test_garbage_collection_may_take_what_is_unfinished_too(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    with blobs.receiving(DIGEST, len(DATA)) as incoming:
        incoming.write(*pieces(DATA)[0])
    blobs.keep_only(set())
    assert blobs.partial_offset(DIGEST) == CHUNK
    blobs.keep_only(set(), unfinished=False)
    assert blobs.partial_offset(DIGEST) == 0


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "g" * 64])
def test_a_name_that_is_not_a_digest_opens_no_file(tmp_path: Path, name: str) -> None:
    blobs = Blobs(tmp_path)
    assert not blobs.has(Digest(name))
    with pytest.raises(Refused):
        blobs.require(Digest(name))
    with pytest.raises(Refused):
        blobs.receiving(Digest(name), 1)
