"""Blobs between a node and a coordinator, over a real connection that misbehaves."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from node.blobs_link import BlobsLink, WrongSize
from node.connection import Connection
from node.logic.bounds import Bound
from node.logic.facts import Update, Verdict
from shared.blobs import CHUNK, Blobs
from shared.errors import OwnerMustAct, Refusal, Refused, TryLater
from shared.ids import Digest, RunId
from shared.rpc.v1 import node_pb2 as pb
from tests.node import homes
from tests.node.fake_coordinator import FakeCoordinator

MODEL = Digest("1" * 64)
DATA = random.Random(1).randbytes(5 * CHUNK + 12345)
ROOMY = Bound("a file", 1 << 30)


class Pair:
    """A coordinator, a joined PC, and the line between them."""

    def __init__(self, host: FakeCoordinator, home: Path) -> None:
        self.host = host
        self.blobs = Blobs(home / "blobs")
        self.sent = homes.sent(home)
        self.link = BlobsLink(self.blobs, self.sent)
        self.line: Connection = homes.line(home, host)

    async def download(self, digest: Digest, bound: Bound = ROOMY) -> None:
        await self.link.download(self.line, digest, lambda share: None, bound)


def with_pair(tmp_path: Path, act: Callable[[Pair], Awaitable[None]]) -> None:
    async def run() -> None:
        async with FakeCoordinator(tmp_path / "host").up() as host:
            pair = Pair(host, homes.joined(tmp_path / "node", host))
            try:
                await act(pair)
            finally:
                await pair.line.close()

    asyncio.run(run())


def update(blobs: Blobs, data: bytes = DATA) -> Update:
    return Update(RunId("run-1"), 1, MODEL, homes.keep(blobs, data), len(data), 8, 4, 1.0)


def test_an_update_arrives_whole(tmp_path: Path) -> None:
    async def act(pair: Pair) -> None:
        mine = update(pair.blobs)
        assert await pair.link.upload(pair.line, mine) == (Verdict.ACCEPTED, "")
        assert pair.host.blobs.path(mine.digest).read_bytes() == DATA
        assert pair.host.headers[0].tokens == 8

    with_pair(tmp_path, act)


def test_a_cut_upload_goes_on_where_it_stopped(tmp_path: Path) -> None:
    async def act(pair: Pair) -> None:
        mine = update(pair.blobs)
        pair.host.fault_cut_upload_after = 3 * CHUNK
        with pytest.raises(TryLater):
            await pair.link.upload(pair.line, mine)
        assert await pair.link.upload(pair.line, mine) == (Verdict.ACCEPTED, "")
        assert pair.host.upload_bytes <= len(DATA) + CHUNK
        assert pair.host.blobs.path(mine.digest).read_bytes() == DATA

    with_pair(tmp_path, act)


def test_an_update_whose_reply_was_lost_is_not_sent_again(tmp_path: Path) -> None:
    async def act(pair: Pair) -> None:
        mine = update(pair.blobs)
        pair.host.fault_lose_reply = True
        with pytest.raises(TryLater):
            await pair.link.upload(pair.line, mine)
        assert await pair.link.upload(pair.line, mine) == (Verdict.ACCEPTED, "")
        assert pair.host.upload_bytes == len(DATA)
        assert len(pair.host.updates) == 1

    with_pair(tmp_path, act)


@pytest.mark.parametrize("way", ["up", "down"])
def test_a_damaged_chunk_is_sent_again(tmp_path: Path, way: str) -> None:
    async def act(pair: Pair) -> None:
        pair.host.fault_damage_chunk = True
        if way == "up":
            mine = update(pair.blobs)
            assert await pair.link.upload(pair.line, mine) == (Verdict.ACCEPTED, "")
            assert pair.host.blobs.path(mine.digest).read_bytes() == DATA
        else:
            digest = homes.keep(pair.host.blobs, DATA)
            await pair.download(digest)
            assert pair.blobs.path(digest).read_bytes() == DATA

    with_pair(tmp_path, act)


def test_a_cut_download_goes_on_where_it_stopped(tmp_path: Path) -> None:
    async def act(pair: Pair) -> None:
        digest = homes.keep(pair.host.blobs, DATA)
        pair.host.fault_cut_download_after = 2 * CHUNK
        with pytest.raises(TryLater):
            await pair.download(digest)
        assert pair.blobs.partial_offset(digest) == 2 * CHUNK
        await pair.download(digest)
        assert pair.blobs.path(digest).read_bytes() == DATA
        assert pair.host.download_bytes == len(DATA)

    with_pair(tmp_path, act)


def test_a_download_whose_every_byte_came_before_the_cut_is_complete(tmp_path: Path) -> None:
    async def act(pair: Pair) -> None:
        digest = homes.keep(pair.host.blobs, DATA)
        (pair.blobs.root / "partial" / digest).write_bytes(DATA)
        await pair.download(digest)
        assert pair.blobs.has(digest)
        assert pair.host.download_bytes == 0

    with_pair(tmp_path, act)


def test_a_file_that_is_not_what_was_promised_never_becomes_visible(tmp_path: Path) -> None:
    async def act(pair: Pair) -> None:
        digest = Digest(hashlib.sha256(b"what was promised").hexdigest())
        false = pair.host.blobs.path(digest)
        false.parent.mkdir(parents=True)
        false.write_bytes(b"something else")
        with pytest.raises(TryLater, match="arrived damaged"):
            await pair.download(digest)
        assert not pair.blobs.has(digest)

    with_pair(tmp_path, act)


def test_a_file_the_host_no_longer_has_is_refused_in_words(tmp_path: Path) -> None:
    async def act(pair: Pair) -> None:
        with pytest.raises(Refused, match="is not here") as refused:
            await pair.download(MODEL)
        assert refused.value.refusal is Refusal.NO_SUCH_BLOB

    with_pair(tmp_path, act)


def test_a_damaged_beginning_on_this_disk_is_noticed_and_fetched_anew(tmp_path: Path) -> None:
    async def act(pair: Pair) -> None:
        digest = homes.keep(pair.host.blobs, DATA)
        (pair.blobs.root / "partial" / digest).write_bytes(b"x" * CHUNK)
        await pair.download(digest)
        assert pair.blobs.path(digest).read_bytes() == DATA

    with_pair(tmp_path, act)


def test_an_update_damaged_on_this_disk_is_given_up_in_words(tmp_path: Path) -> None:
    async def act(pair: Pair) -> None:
        mine = update(pair.blobs)
        pair.blobs.path(mine.digest).write_bytes(b"x" + DATA[1:])
        verdict, sentence = await pair.link.upload(pair.line, mine)
        assert verdict is Verdict.REFUSED
        assert "damaged on this disk" in sentence
        assert not pair.blobs.has(mine.digest)

    with_pair(tmp_path, act)


def test_an_early_verdict_is_heard_whatever_was_still_being_sent(tmp_path: Path) -> None:
    """grpc.aio sometimes puts an error of its own over an answer that comes while it writes: then we ask again."""

    async def act(pair: Pair) -> None:
        mine = update(pair.blobs)
        pair.host.answer_early = True
        late = pb.VerdictReply(verdict=pb.VerdictReply.VERDICT_LATE, sentence="Round 1 closed at 21:04.")
        pair.host.verdicts[mine.run, mine.round] = late
        for _ in range(20):
            assert await pair.link.upload(pair.line, mine) == (Verdict.LATE, "Round 1 closed at 21:04.")

    with_pair(tmp_path, act)


def test_what_was_sent_is_written_down_with_its_true_size(tmp_path: Path) -> None:
    async def act(pair: Pair) -> None:
        mine = update(pair.blobs)
        pair.host.fault_cut_upload_after = 3 * CHUNK
        with pytest.raises(TryLater):
            await pair.link.upload(pair.line, mine)
        await pair.link.upload(pair.line, mine)
        lines = [line for line in pair.sent.lines() if line.what == "update"]
        assert [line.digest for line in lines] == [mine.digest] * 2
        assert sum(line.bytes for line in lines) >= pair.host.upload_bytes

    with_pair(tmp_path, act)


@pytest.mark.parametrize("bound", [Bound("the model", 3 * CHUNK, exact=True), Bound("the model", 9 * CHUNK, exact=True),
                                   Bound("the run's description", CHUNK)])  # fmt: skip
def test_a_file_of_another_size_than_the_run_says_is_refused_before_it_is_taken(tmp_path: Path, bound: Bound) -> None:
    async def act(pair: Pair) -> None:
        digest = homes.keep(pair.host.blobs, DATA)
        with pytest.raises(WrongSize, match=f"offers {bound.what} with 5.3 MB; it must have") as refused:
            await pair.download(digest, bound)
        assert "at most" in refused.value.sentence or bound.exact
        assert not pair.blobs.has(digest)
        assert list((pair.blobs.root / "partial").iterdir()) == []

    with_pair(tmp_path, act)


def test_a_host_that_sends_more_than_it_said_is_cut_off(tmp_path: Path) -> None:
    async def act(pair: Pair) -> None:
        digest = homes.keep(pair.host.blobs, DATA)
        pair.host.fault_announce = 2 * CHUNK
        with pytest.raises(Refused, match="More bytes came than"):
            await pair.download(digest, Bound("the model", 2 * CHUNK, exact=True))
        assert pair.blobs.partial_offset(digest) <= 2 * CHUNK

    with_pair(tmp_path, act)


def test_what_the_disk_has_no_room_for_is_not_begun(tmp_path: Path) -> None:
    async def act(pair: Pair) -> None:
        digest = homes.keep(pair.host.blobs, DATA)
        pair.host.fault_announce = 1 << 60
        with pytest.raises(OwnerMustAct, match=r"too full for the model: it needs .* TB, .* has "):
            await pair.download(digest, Bound("the model", 1 << 60, exact=True))
        assert pair.blobs.partial_offset(digest) == 0

    with_pair(tmp_path, act)
