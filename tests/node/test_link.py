"""The control stream against a coordinator that comes, goes, and changes its mind."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node import wire
from node.connection import Connection
from node.link import Link
from node.logic.backoff import BRIEF, CAP_SECONDS, failures, wait_seconds
from node.logic.facts import Availability, DutiesTold, Fact, Kind, LinkDown, LinkUp, Readiness
from node.logic.report import Activity, Doing
from shared.errors import PeerMisbehaved, Refused, TryLater
from shared.ids import RunId
from shared.rpc import refusal
from shared.rpc.v1 import node_pb2 as pb
from tests.node import homes
from tests.node.fake_coordinator import FakeCoordinator

READY = Availability(Readiness.READY)
PAUSED = Availability(Readiness.PAUSED, 1000.0, 0.0, "paused by owner since 21:04")


class Member:
    """A link of one PC, with all it heard."""

    def __init__(self, host: FakeCoordinator, home: Path) -> None:
        self.host, self.home = host, home
        self.facts: list[Fact] = []
        self.sent = homes.sent(home)
        self.log, self.written = homes.quiet_log()
        self.me = wire.Introduction("0.1.0", "ana", "2 cores", (wire.DataCount("notes", 3, 100, 25),), READY)
        self.ended: str | None = None
        self.link = Link(
            self.dial, lambda: self.me, lambda: Activity(Doing.IDLE), self.facts.append, self.sent, self.log
        )

    async def dial(self) -> Connection:
        return homes.line(self.home, self.host)

    def heard(self, kind: type[Fact]) -> list[Fact]:
        return [fact for fact in self.facts if isinstance(fact, kind)]

    @property
    def words(self) -> str:
        assert isinstance(self.written, io.StringIO)
        return self.written.getvalue()


def with_member(tmp_path: Path, act: Callable[[Member, FakeCoordinator], Awaitable[None]]) -> None:
    async def run() -> None:
        async with FakeCoordinator(tmp_path / "host").up() as host:
            member = Member(host, homes.joined(tmp_path / "node", host))

            async def keep() -> None:
                member.ended = await member.link.keep()

            async with asyncio.TaskGroup() as tasks:
                keeping = tasks.create_task(keep())
                await act(member, host)
                keeping.cancel()

    asyncio.run(run())


def duty(round_: int = 1, deadline_ms: int = 0) -> pb.Duty:
    return pb.Duty(kind=pb.Duty.KIND_TRAIN, run="run-1", round=round_, rounds=3, job="a" * 64, model="b" * 64,
                   config_json='{"lr": 1}', deadline_ms=deadline_ms)  # fmt: skip


def test_a_node_greets_and_hears_its_duties(tmp_path: Path) -> None:
    async def act(member: Member, host: FakeCoordinator) -> None:
        host.tell(duty())
        await homes.until(lambda: member.heard(DutiesTold))
        assert isinstance(member.facts[0], LinkUp)
        told = member.heard(DutiesTold)[0]
        assert isinstance(told, DutiesTold)
        assert [(d.kind, d.round, d.model) for d in told.duties] == [(Kind.TRAIN, 1, "b" * 64)]
        greeting = host.greetings[0]
        assert (greeting.name, greeting.data[0].documents) == ("ana", 3)

    with_member(tmp_path, act)


def test_deadlines_are_put_on_this_pcs_clock() -> None:
    (told,) = wire.duties(pb.Duties(duties=[duty(deadline_ms=1_000_000)]), clock_ahead=5.0)
    assert told.deadline == 1005.0


@pytest.mark.parametrize("run", ["../../elsewhere", "/tmp/elsewhere", "a/b", "..", "run\0", "\x1b[2J", "r" * 200])
def test_a_run_is_a_name_and_never_a_path(run: str) -> None:
    """The node keeps a folder of that name, and clears away in it what does not belong there."""
    told = pb.Duties(
        duties=[pb.Duty(kind=pb.Duty.KIND_TRAIN, run=run, round=1, job="a" * 64, model="b" * 64, deadline_ms=1)]
    )
    with pytest.raises(PeerMisbehaved, match="not a duty"):
        wire.duties(told, 0.0)


def test_heartbeats_go_on_by_themselves(tmp_path: Path) -> None:
    async def act(member: Member, host: FakeCoordinator) -> None:
        await host.until(lambda: len(host.heartbeats) >= 2)
        assert host.heartbeats[0].activity == pb.Heartbeat.ACTIVITY_IDLE

    with_member(tmp_path, act)


def test_a_restarted_coordinator_is_found_again_and_said_so_once(tmp_path: Path) -> None:
    async def act(member: Member, host: FakeCoordinator) -> None:
        await homes.until(lambda: member.heard(LinkUp))
        await host.stop()
        await homes.until(lambda: member.heard(LinkDown))
        await homes.until(lambda: "not-connected" in member.words)
        await asyncio.wait_for(host.start(), 5)
        await homes.until(lambda: len(member.heard(LinkUp)) == 2, 20, lambda: member.words)
        assert member.words.count("connected-again") == 1
        troubles = [line for line in member.words.splitlines() if "not-connected" in line]
        assert len(troubles) == len({line.split("why=")[1] for line in troubles}), "each said once"
        assert member.link.trouble == ""

    with_member(tmp_path, act)


def test_a_stream_cut_by_the_host_comes_back(tmp_path: Path) -> None:
    async def act(member: Member, host: FakeCoordinator) -> None:
        await homes.until(lambda: member.heard(LinkUp))
        host.cut_streams()
        await homes.until(lambda: len(member.heard(LinkUp)) == 2)
        numbers = [fact.number for fact in member.facts if isinstance(fact, LinkUp)]
        assert numbers == [1, 2]

    with_member(tmp_path, act)


def test_a_fresh_connection_stands_before_the_old_one_ends(tmp_path: Path) -> None:
    async def act(member: Member, host: FakeCoordinator) -> None:
        await homes.until(lambda: member.heard(LinkUp))
        old = await member.link.connection()
        member.me = replace(member.me, name="ana's new PC")
        member.link.renew()
        await homes.until(lambda: len(member.heard(LinkUp)) == 2)
        await host.until(lambda: host.open_streams == 1)
        assert await member.link.connection() is not old
        assert host.greetings[-1].name == "ana's new PC"
        assert not member.heard(LinkDown)
        assert "not-connected" not in member.words

    with_member(tmp_path, act)


def test_a_removed_pc_stops_dialling_with_the_hosts_words(tmp_path: Path) -> None:
    async def act(member: Member, host: FakeCoordinator) -> None:
        await homes.until(lambda: member.heard(LinkUp))
        host.say_farewell("revoked", "Ana's old PC was removed by the host on 3 May.")
        await homes.until(lambda: member.ended)
        assert member.ended == "Ana's old PC was removed by the host on 3 May."

    with_member(tmp_path, act)


def test_a_pc_removed_while_it_was_off_is_told_at_its_first_call(tmp_path: Path) -> None:
    async def act(member: Member, host: FakeCoordinator) -> None:
        await homes.until(lambda: member.heard(LinkUp))
        host.registered.clear()
        host.cut_streams()
        await homes.until(lambda: member.ended)
        assert member.ended is not None
        assert "removed" in member.ended

    with_member(tmp_path, act)


def test_an_unknown_farewell_is_not_the_end(tmp_path: Path) -> None:
    async def act(member: Member, host: FakeCoordinator) -> None:
        await homes.until(lambda: member.heard(LinkUp))
        host.say_farewell("tea-time", "Back in a minute.")
        await homes.until(lambda: len(member.heard(LinkUp)) == 2)
        assert "Back in a minute." in member.words

    with_member(tmp_path, act)


def test_availability_is_told_once_a_stream(tmp_path: Path) -> None:
    async def act(member: Member, host: FakeCoordinator) -> None:
        await homes.until(lambda: member.heard(LinkUp))
        await member.link.say_availability(READY)  # the greeting said so already
        await member.link.say_availability(PAUSED)
        await member.link.say_availability(PAUSED)
        await member.link.say_evaluation(RunId("run-1"), 1, (("loss", 2.5),))
        await host.until(lambda: bool(host.evaluations))
        assert [able.sentence for able in host.availability] == ["", "paused by owner since 21:04"]
        assert host.evaluations[0].metrics["loss"] == 2.5

    with_member(tmp_path, act)


def test_leaving_is_heard_before_the_connection_ends(tmp_path: Path) -> None:
    async def run() -> None:
        async with FakeCoordinator(tmp_path / "host").up() as host:
            member = Member(host, homes.joined(tmp_path / "node", host))
            await member.link.leave()  # no agent runs then: its lock is taken
            assert len(host.left) == 1

    asyncio.run(run())


def test_everything_said_is_written_down(tmp_path: Path) -> None:
    async def act(member: Member, host: FakeCoordinator) -> None:
        await host.until(lambda: len(host.heartbeats) >= 2)
        lines = {line.what: line for line in member.sent.lines()}
        told = lines["greeting"].details
        assert told == (
            "told of this PC: ana, 2 cores, Potluck 0.1.0, its clock, ready; "
            "of data: notes: 3 documents, 100 bytes, 25 tokens"
        )
        assert lines["heartbeats"].bytes > 0
        assert len([line for line in member.sent.lines() if line.what == "heartbeats"]) == 1

    with_member(tmp_path, act)


def test_a_call_with_an_ended_certificate_is_explained(tmp_path: Path) -> None:
    async def run() -> None:
        async with FakeCoordinator(tmp_path / "host").up() as host:
            home = homes.joined(tmp_path / "node", host, lifetime=-300.0)
            line = homes.line(home, host)
            with pytest.raises(Refused, match="certificate ended"):
                async with line.words("asking"):
                    await line.stub.Verdict(pb.VerdictRequest(run="run-1", round=1), timeout=10)
            assert refusal.preflight(line.valid, time.time()) is not None
            await line.close()

    asyncio.run(run())


def test_saying_something_over_a_dead_stream_is_try_later(tmp_path: Path) -> None:
    async def act(member: Member, host: FakeCoordinator) -> None:
        await homes.until(lambda: member.heard(LinkUp))
        session = member.link._session
        assert session is not None
        await session.close()
        with pytest.raises(TryLater):
            await session.say(wire.availability(PAUSED))

    with_member(tmp_path, act)


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_back_off_grows_to_a_minute_and_never_beyond(attempt: int, chance: float) -> None:
    wait = wait_seconds(attempt, chance)
    assert 0.5 <= wait <= CAP_SECONDS
    assert wait_seconds(attempt + 1, chance) >= wait or attempt >= 6


def test_a_line_cut_every_few_seconds_is_soon_tried_again_and_a_dead_host_seldom() -> None:
    cut = dead = 0
    for _ in range(100):
        cut, dead = failures(cut, 4.0, welcomed=True), failures(dead, 0.1, welcomed=False)
    assert (cut, dead) == (BRIEF, 100)
    assert wait_seconds(cut, 0.999) <= 4.0
    assert failures(dead, 60.0, welcomed=True) == 1
