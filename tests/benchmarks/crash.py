"""How soon a coordinator that was killed in mid-upload takes uploads again, with a gigabyte of blobs on its disk."""

from __future__ import annotations

import asyncio
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

from deploy.demo.friends import environment, running
from node import wire
from node.logic.facts import Update
from shared.rpc.v1 import node_pb2
from tests.benchmarks import hosting
from tests.benchmarks.hosting import Member
from tests.benchmarks.report import Figure
from tests.cluster.group import Group, group

MEGABYTES = 1024  # of blobs, at least
TIMES = 3
READ_ALL = """
import hashlib, pathlib, sys
import coordinator.cli, coordinator.main
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*")):
    if path.is_file():
        with open(path, "rb") as file:
            hashlib.file_digest(file, "sha256")
"""


def measure(folder: Path, megabytes: int = MEGABYTES) -> Figure:
    """From exec until an upload goes on, over the time to import the same and to read and hash the same files."""
    with group(folder) as potluck:
        hosting.prepare(potluck, ["ana"], megabytes / 2, "fp32")  # the base and the first model: half each
        member, update = asyncio.run(half_an_upload(potluck))
        blobs = potluck.blobs("host")
        held = sum(blobs.size(digest) for digest in blobs.all()) / 1e6
        back, read = [], []
        for _ in range(TIMES):
            read.append(reading(potluck))
            back.append(asyncio.run(coming_back(potluck, member, update)))
    ratio = statistics.median(back) / statistics.median(read)
    detail = (
        f"{held:,.0f} MB of blobs; killed in mid-upload, takes it again after {_list(back)} s; reading and hashing "
        f"all {_list(read)} s; medians of {TIMES}, turn by turn, files in the page cache"
    )
    return Figure("crash", ratio, "ratio", 2, "lower", detail).explained("the start reads more than it needs")


async def half_an_upload(potluck: Group) -> tuple[Member, Update]:
    """The coordinator is killed (-9) when half of an update is on its disk."""
    async with hosting.present(potluck, ["ana"]) as (member,):
        duty = await member.duty()
        update = member.update(duty, hosting.job_of(potluck, duty), 1)
        line = await member.connection()
        call = line.stub.Upload()
        header: node_pb2.UpdateHeader | None = wire.header(update)
        for offset, data, crc32 in member.blobs.chunks(update.digest):
            if offset > update.size / 2:
                break
            await call.write(node_pb2.UploadChunk(header=header, offset=offset, data=data, crc32=crc32))
            header = None
        question = node_pb2.UploadOffsetRequest(digest=update.digest)
        while (await line.stub.UploadOffset(question)).offset < update.size / 3:
            await asyncio.sleep(0.05)
        potluck.kill("host")
        call.cancel()
        await line.close()
    return member, update


async def coming_back(potluck: Group, member: Member, update: Update) -> float:
    """Seconds from exec until the coordinator says where this upload goes on. It is killed again afterwards."""
    began = time.monotonic()
    with running(potluck.host.home, ["coordinator", "up", "--verbose"]) as process:
        while not listening(potluck.port):
            assert process.poll() is None, potluck.log("host")
            await asyncio.sleep(0.01)
        line = await member.connection()
        here = await line.stub.UploadOffset(node_pb2.UploadOffsetRequest(digest=update.digest), timeout=60)
        seconds = time.monotonic() - began
        await line.close()
        assert here.offset > update.size / 4, "the half that was here is lost"
        process.kill()
        process.wait()
    return seconds


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def reading(potluck: Group) -> float:
    began = time.monotonic()
    home = potluck.host.home
    subprocess.run([sys.executable, "-c", READ_ALL, str(home / "coordinator")], env=environment(home), check=True)
    return time.monotonic() - began


def _list(seconds: list[float]) -> str:
    return "/".join(f"{one:.2f}" for one in seconds)
