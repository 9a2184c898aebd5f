"""A line that damages or loses bytes in the middle of a download, told as what it is on both sides."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import grpc.aio
import pytest

from node.join import join
from node.membership import papers
from shared.errors import TryLater
from shared.rpc import refusal, tls
from shared.rpc.v1 import node_pb2
from tests.faults.links.proxy import Proxy
from tests.rpc.loopback import Told, hosting, node_stub
from tests.rpc.test_joining import run

MEGABYTE = 1 << 20


def broken_in_the_middle(
    folder: Path, spoil: Callable[[Proxy], object], times: int, first: bool = False
) -> tuple[list[TryLater], str]:
    """What the friend read, and what the host's log has; over so many fresh connections.

    `first`: the first line in that log is enough.
    """
    said: list[TryLater] = []
    hosts = ""

    async def work() -> None:
        nonlocal hosts
        async with hosting(folder / "host") as host:
            member = await join(await host.word(), folder / "ana", "ana-pc", Told())
            mine = papers(folder / "ana")
            for seed in range(times):
                with Proxy(member.port, seed) as line:
                    address = f"127.0.0.1:{line.port}"
                    async with tls.channel(address, mine.ca_pem, mine.key_pem, mine.certificate_pem) as channel:
                        call = node_stub(channel).Download(node_pb2.DownloadRequest())
                        await call.read()
                        spoil(line)
                        try:
                            while await call.read() is not grpc.aio.EOF:
                                pass
                        except grpc.aio.AioRpcError as error:
                            trouble = refusal.in_words(error, "fetching a file", address)
                            assert isinstance(trouble, TryLater)
                            said.append(trouble)
                async with asyncio.timeout(10):
                    while host.node_door.ended <= seed:
                        await asyncio.sleep(0.01)
                if first and host.log.getvalue():
                    break
            hosts = host.log.getvalue()

    run(work())
    return said, hosts


def flip(line: Proxy) -> None:
    line.flip_every = MEGABYTE


def test_flipped_bytes_are_told_as_a_damaged_line(tmp_path: Path) -> None:
    """Or as a broken one, where gRPC notices first that it cannot write either: about once in 100."""
    said, _ = broken_in_the_middle(tmp_path, flip, 3)
    sentences = [trouble.sentence for trouble in said]
    assert len(sentences) == 3
    assert all(
        re.match("Bytes were damaged on their way from|The connection to the host at .* broke", s) for s in sentences
    )
    assert any(s.startswith("Bytes were damaged") for s in sentences), sentences


def test_a_line_that_dies_in_a_download_is_one_plain_line_in_the_hosts_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It dies in the middle of a piece every few times; else gRPC only says that the caller went away."""
    _, log = broken_in_the_middle(tmp_path, Proxy.cut, 200, first=True)
    assert [record for record in caplog.records if record.name.startswith("grpc")] == []
    lines = log.splitlines()
    assert lines
    assert all("info line-lost" in line and "the line died" in line for line in lines), log
