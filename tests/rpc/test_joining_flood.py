"""Strangers at the joining port who ask and never finish asking, or ask without end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from socket import create_connection, socket
from typing import Any

import grpc
import grpc.aio
import pytest

from coordinator import doorman
from coordinator.doorman import Doorman, whence
from shared.errors import Refused
from shared.rpc import refusal, tls
from shared.rpc.v1 import enrol_pb2, enrol_pb2_grpc
from tests.rpc.loopback import hosting

HELLO = enrol_pb2.HelloRequest(protocol=1)


async def never() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


async def said(call: Any) -> str:
    """The reply's group, or the sentence of a refusal that was made by name."""
    try:
        reply = await call
    except grpc.aio.AioRpcError as error:
        told = refusal.in_words(error, "joining", "the host")
        return told.sentence if isinstance(told, Refused) else repr(error)
    return str(reply.cluster)


def test_one_address_cannot_hold_all_the_places(tmp_path: Path) -> None:
    async def act() -> None:
        async with hosting(tmp_path) as host, tls.channel(host.address, host.authority.certificate_pem) as stranger:
            ask: Any = stranger.stream_unary("/potluck.v1.Enrol/Hello")
            waiting = [asyncio.ensure_future(said(ask(never()))) for _ in range(16)]
            async with asyncio.timeout(10):
                done, held = set[asyncio.Future[str]](), set(waiting)
                while len(held) > doorman.HELD:
                    more, held = await asyncio.wait(held, return_when=asyncio.FIRST_COMPLETED)
                    done |= more
            assert len(held) == doorman.HELD
            assert {call.result() for call in done} == {
                "This address has other calls open here; try again in a moment."
            }
            for call in held:
                call.cancel()

    asyncio.run(act())


def test_calls_that_never_end_hold_the_door_for_a_moment_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorman, "FIRST_WORD", 0.5)

    async def act() -> None:
        async with hosting(tmp_path) as host:
            pem = host.authority.certificate_pem
            async with tls.channel(host.address, pem) as stranger, tls.channel(host.address, pem) as friend:
                ask: Any = stranger.stream_unary("/potluck.v1.Enrol/Hello")
                held = [asyncio.ensure_future(said(ask(never()))) for _ in range(doorman.HELD)]
                async with asyncio.timeout(15):
                    assert set(await asyncio.gather(*held)) == {"A call came to the joining port that asked nothing."}
                    stub: enrol_pb2_grpc.EnrolAsyncStub = enrol_pb2_grpc.EnrolStub(friend)
                    assert await said(stub.Hello(HELLO, timeout=5)) == "saturday"

    asyncio.run(act())


def test_whoever_asks_without_end_is_asked_to_wait(tmp_path: Path) -> None:
    async def act() -> None:
        async with hosting(tmp_path) as host, tls.channel(host.address, host.authority.certificate_pem) as stranger:
            stub: enrol_pb2_grpc.EnrolAsyncStub = enrol_pb2_grpc.EnrolStub(stranger)
            answers = [await said(stub.Hello(HELLO, timeout=5)) for _ in range(doorman.ATTEMPTS + 20)]
            assert answers[: doorman.ATTEMPTS] == ["saturday"] * doorman.ATTEMPTS
            assert "Too many attempts to join came from this address" in answers[-1]
            assert host.enrol_door.hellos < doorman.ATTEMPTS + 10

    asyncio.run(act())


def test_after_a_while_it_may_ask_again_and_others_never_waited() -> None:
    now = [0.0]
    door = Doorman(lambda: now[0])
    for _ in range(doorman.ATTEMPTS):
        door.admit("203.0.113.7")
    with pytest.raises(Refused):
        door.admit("203.0.113.7")
    door.admit("203.0.113.8")
    now[0] += 2 * doorman.REST
    door.admit("203.0.113.7")
    for number in range(2 * doorman.REMEMBERED):
        door.admit(str(number))
    assert len(door._left) == doorman.REMEMBERED


@pytest.mark.parametrize(
    ("peer", "counted"),
    [
        ("ipv4:203.0.113.7:4711", "203.0.113.7"),
        ("ipv6:%5B::ffff:203.0.113.7%5D:4711", "203.0.113.7"),
        ("ipv6:[2001:db8:1:2:3:4:5:6]:4711", "2001:db8:1:2::/64"),
        ("ipv6:%5Bfe80::1%25eth0%5D:4711", "fe80::/64"),
        ("unix:", "unix:"),
    ],
)
def test_a_household_counts_as_one(peer: str, counted: str) -> None:
    assert whence(peer) == counted


def test_connections_that_nobody_uses_are_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "JOINING_CONNECTIONS", 8)

    async def act() -> None:
        async with hosting(tmp_path) as host:
            address, port = host.address.split(":")
            strangers = [create_connection((address, int(port))) for _ in range(20)]
            try:
                async with asyncio.timeout(5):
                    while len([one for one in strangers if is_open(one)]) > 8:
                        await asyncio.sleep(0.05)
            finally:
                for one in strangers:
                    one.close()

    asyncio.run(act())


def is_open(connection: socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
