"""Strangers at the joining port who ask and never finish asking."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from shared.rpc import tls
from shared.rpc.v1 import enrol_pb2, enrol_pb2_grpc
from tests.rpc.loopback import hosting


async def never() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


def test_calls_that_never_end_hold_the_door_for_a_moment_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "JOINING_AGE", 1_000)
    monkeypatch.setattr(tls, "JOINING_GRACE", 500)

    async def act() -> None:
        async with hosting(tmp_path) as host:
            pem = host.authority.certificate_pem
            async with tls.channel(host.address, pem) as stranger, tls.channel(host.address, pem) as friend:
                ask: Any = stranger.stream_unary("/potluck.v1.Enrol/Hello")
                held = [ask(never()) for _ in range(16)]
                stub: enrol_pb2_grpc.EnrolAsyncStub = enrol_pb2_grpc.EnrolStub(friend)
                full = 0
                async with asyncio.timeout(15):
                    while True:
                        try:
                            reply = await stub.Hello(enrol_pb2.HelloRequest(protocol=1), timeout=5)
                        except grpc.aio.AioRpcError as error:
                            assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED  # noqa: PT017
                            full += 1
                        else:
                            if full:
                                break
                        await asyncio.sleep(0.1)
                assert reply.cluster == "saturday"
                for call in held:
                    call.cancel()

    asyncio.run(act())
