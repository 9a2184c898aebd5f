"""What one friend may write into the host's journal: little, however much she says."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coordinator import guard, ledger
from coordinator.doors import node as door_
from coordinator.doors.node import NodeDoor
from coordinator.doors.transfers import Transfers, uploaded
from coordinator.heartbeats import Heartbeats
from coordinator.ledger import Ledger
from coordinator.logic.facts import Prepared, RunStarted
from coordinator.logic.presence import Link
from coordinator.store.memory import MemoryStore
from shared.blobs import Blobs
from shared.errors import Refused
from shared.identity import Peer
from shared.ids import Digest, RunId
from shared.job import dump
from shared.log import Log
from shared.rpc.protocol import PROTOCOL
from shared.rpc.v1 import node_pb2 as pb
from tests.coordinator.stories import ANA, RUN, SPEC, joined
from tests.shared.test_job import JOB

READY = pb.Availability(state=pb.Availability.STATE_READY, since_ms=1)


class Refuses(Exception):
    pass


class Caller:
    """The part of a gRPC context that a door uses."""

    async def abort(self, _: Any, sentence: str, __: Any) -> None:
        raise Refuses(sentence)


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[tuple[Ledger, MemoryStore, NodeDoor]]:
    """A door to a group whose only member is Ana, who is also whoever calls."""
    store = MemoryStore()
    book = ledger.load(store)
    writing = asyncio.ensure_future(book.run())
    await book.record(*joined(ANA))
    blobs, beats = Blobs(folder), Heartbeats()
    door = NodeDoor(book, Transfers(book, blobs, beats), beats, Log(io.StringIO()), "saturday", ())
    guard._peer.set(Peer("node", ANA, b"", 1e12))
    yield book, store, door
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)


async def said(folder: Path, *messages: pb.NodeMessage) -> tuple[Ledger, MemoryStore, str]:
    """One control stream in which Ana says all this; the refusal it ended with."""

    async def stream() -> AsyncIterator[pb.NodeMessage]:
        for message in messages:
            yield message

    sentence = ""
    async with opened(folder) as (book, store, door):
        try:
            async for _ in door.Control(stream(), Caller()):  # type: ignore[arg-type]
                pass
        except Refuses as refused:
            sentence = str(refused)
    return book, store, sentence


def greeting(**more: Any) -> pb.NodeMessage:
    return pb.NodeMessage(greeting=pb.Greeting(protocol=PROTOCOL, availability=READY, **more))


def mood(number: int) -> pb.NodeMessage:
    able = pb.Availability(state=pb.Availability.STATE_BROKEN, since_ms=1, sentence=f"mood {number}")
    return pb.NodeMessage(availability=able)


def test_a_greeting_of_any_size_leaves_a_small_row(tmp_path: Path) -> None:
    steps = {f"no-such-run-{number}" * 20: 1.0 for number in range(5000)}
    data = [pb.DataCount(name="n" * 10_000) for _ in range(1000)]
    huge = greeting(step_seconds=steps, data=data, hardware="h\x1b[2J" * 100_000)
    book, store, _ = asyncio.run(said(tmp_path, huge))
    assert max(len(row.json) for row in store.rows()) < 20_000
    assert book.state.presences[ANA].step_seconds == {}
    assert book.state.presences[ANA].hardware.isprintable()


def test_changing_ones_mind_without_end_is_refused_and_not_written_down(tmp_path: Path) -> None:
    moods = [mood(number) for number in range(3000)]
    _, store, sentence = asyncio.run(said(tmp_path, greeting(), *moods))
    assert "too often" in sentence
    assert len(list(store.rows())) < 2 * door_.CHANGES


def test_saying_the_same_again_costs_nothing(tmp_path: Path) -> None:
    book, store, sentence = asyncio.run(said(tmp_path, greeting(), *[mood(1)] * 1000, mood(2)))
    assert sentence == ""
    assert book.state.presences[ANA].availability.sentence == "mood 2"
    assert len(list(store.rows())) < 10


def test_a_goodbye_ends_the_stream_and_its_lease(tmp_path: Path) -> None:
    goodbye = pb.NodeMessage(availability=pb.Availability(state=pb.Availability.STATE_STOPPED, since_ms=1))
    book, _, sentence = asyncio.run(said(tmp_path, greeting(), goodbye, mood(1)))
    assert sentence == ""
    assert book.state.presences[ANA].link is Link.STOPPED


def test_a_word_on_an_older_stream_does_not_count(tmp_path: Path) -> None:
    async def play() -> str:
        late = asyncio.Event()

        async def older() -> AsyncIterator[pb.NodeMessage]:
            yield greeting()
            await late.wait()
            yield mood(1)

        async def newer() -> AsyncIterator[pb.NodeMessage]:
            yield greeting()
            await asyncio.Event().wait()

        async with opened(tmp_path) as (book, _, door):
            first = door.Control(older(), Caller())  # type: ignore[arg-type]
            async with aclosing(door.Control(newer(), Caller())) as second:  # type: ignore[arg-type, type-var]
                assert (await anext(first)).HasField("welcome")
                rest = asyncio.ensure_future(drained(first))
                assert (await anext(second)).HasField("welcome")
                late.set()
                await rest
                return book.state.presences[ANA].availability.sentence

    assert asyncio.run(play()) == ""


async def drained(messages: AsyncIterator[pb.CoordinatorMessage]) -> list[pb.CoordinatorMessage]:
    return [message async for message in messages]


@pytest.mark.parametrize("number", [0, 5000])
def test_a_measurement_of_no_round_is_not_written_down(tmp_path: Path, number: int) -> None:
    odd = pb.NodeMessage(evaluation=pb.Evaluation(run="nothing", round=number, metrics={"loss": 1.0}))
    _, store, sentence = asyncio.run(said(tmp_path, greeting(), *[odd] * 100))
    assert sentence == ""
    assert len(list(store.rows())) < 10


def test_an_updates_figures_are_few_finite_and_shortly_named() -> None:
    """A late update is journalled without its bytes, whatever its header says."""
    figures = {f"{'loss' * 10_000}{number}": 1.0 for number in range(500)} | {"a": float("nan"), "b\x1b[2J": 2.0}
    fact = uploaded(1.0, ANA, pb.UpdateHeader(digest="a" * 64, run="run-1", round=1, metrics=figures))
    assert len(fact.metrics) <= 64
    assert all(len(name) <= 64 and name.isprintable() for name in fact.metrics)
    assert "a" not in fact.metrics


@pytest.mark.parametrize("run", ["r" * 4_000_000, "../../pki", "a\x1b[2J"])
def test_a_run_of_no_possible_name_is_refused_and_not_kept(tmp_path: Path, run: str) -> None:
    for odd in (pb.NodeMessage(heartbeat=pb.Heartbeat(run=run)), pb.NodeMessage(evaluation=pb.Evaluation(run=run))):
        _, _, sentence = asyncio.run(said(tmp_path, greeting(), odd))
        assert sentence.endswith("is not the name of a run.")
        assert len(sentence) < 100


def transfers(folder: Path) -> tuple[Transfers, Digest]:
    """The bulk doors of a group with one run, whose job is the file of that digest."""
    blobs = Blobs(folder)
    job = blobs.put(dump(replace(JOB, files={})))
    book = ledger.load(MemoryStore())
    book.record(*joined(ANA), RunStarted(0.0, RUN, SPEC, ""), Prepared(0.0, RUN, job, job))
    return Transfers(book, blobs, Heartbeats()), job


def test_an_unknown_run_is_named_shortly(tmp_path: Path) -> None:
    async def story() -> None:
        await transfers(tmp_path)[0].verdict(ANA, RunId("r\x1b" * 2_000_000), 1)

    with pytest.raises(Refused) as refused:
        asyncio.run(story())
    assert len(refused.value.sentence) < 200


@pytest.mark.parametrize("offset", [10_000, 1 << 63, (1 << 64) - 1])
def test_bytes_behind_a_files_end_are_refused(tmp_path: Path, offset: int) -> None:
    async def story() -> None:
        doors, digest = transfers(tmp_path)
        async for _ in doors.download(ANA, digest, offset):
            pass

    with pytest.raises(Refused, match="nothing comes after them"):
        asyncio.run(story())
