"""Certificates that do not open the door: what is said, and that nothing came in."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import grpc.aio

from coordinator.calling import calling
from coordinator.cli import as_text
from node import membership
from node.connection import Connection, connect
from shared import disk, identity
from shared.authority import CertificateAuthority
from shared.errors import PotluckError
from shared.rpc import tls
from shared.rpc.v1 import node_pb2 as pb
from shared.rpc.v1 import operator_pb2
from tests.cluster.eve import Eve, eve
from tests.cluster.group import Group
from tests.faults.links.absent import uploading
from tests.faults.links.eavesdropper import Eavesdropper
from tests.faults.links.table import in_words, table

DAY = 86_400.0
CUT = 5.0  # seconds, generous: an upload is promised to end within one of its revocation


@dataclass(frozen=True, slots=True)
class Case:
    """What is shown instead of ana's certificate, and what she must read."""

    name: str
    certificate: bytes
    words: tuple[str, ...]


def certificates(folder: Path, seed: int) -> None:
    """Expired, not yet valid, another group's, revoked; and a friend's, shown as the host's."""
    with table(folder, seed, "ana", "bo") as at:
        asyncio.run(at_the_door(at.group))


async def at_the_door(friends: Group) -> None:
    """Ana has a good update in her hand. Each case tries to bring that one in; at last she may."""
    friends.start(rounds=1)
    homes = {name: friends.friends[name].home / "node" for name in ("ana", "bo")}
    direct(homes["ana"], friends.port)
    direct(homes["bo"], friends.port)
    async with eve(homes["ana"], friends.blobs("host")) as ana, eve(homes["bo"], friends.blobs("host")) as bo:
        await ana.asked()
        await bo.asked()
        update, before = ana.update(), held(friends)
        for case in cases(friends, homes["ana"]):
            async with showing(homes["ana"], case.certificate) as line:
                told(case.name, await turned_away(line, ana, update), *case.words)
            assert held(friends) == before, case.name
        await mixed_up(friends, homes["ana"])
        await no_host(friends, homes, ana, update)
        assert held(friends) == before
        assert (await ana.upload(update))[0] == "accepted", "the update itself was no good"
        before = held(friends)
        await revoke(friends, "bo")
        async with showing(homes["bo"], (homes["bo"] / "pki" / "node.crt").read_bytes()) as line:
            told("revoked", await turned_away(line, bo, update), "removed this PC (bo)", "potluck node leave")
        assert held(friends) == before
        accepted = json.loads(await status(friends.host.home / "coordinator"))["runs"][0]["history"][0]["members"]
        assert {member["name"]: member["state"] for member in accepted}["bo"] == "revoked"


def cases(friends: Group, home: Path) -> list[Case]:
    pki = friends.host.home / "coordinator" / "pki"
    key = identity.public_key(identity.load_key(home / "pki" / "node.key"))
    node = membership.load(home).node
    authority = CertificateAuthority.load(pki)
    tomorrow = CertificateAuthority.load(pki, clock=lambda: time.time() + DAY)
    stranger = CertificateAuthority.create(friends.folder / "stranger", authority.cluster)
    return [
        Case("expired", authority.issue_node(key, node, lifetime=-60), ("certificate ended on", "renews it by itself")),
        Case("not yet valid", tomorrow.issue_node(key, node), ("behind the host's", "Set the clock to automatic")),
        Case("another group's", stranger.issue_node(key, node), ("broke while", "tried again by itself")),
    ]


async def mixed_up(friends: Group, home: Path) -> None:
    """TLS tells a refused client nothing, so a PC looks at its own files before it dials."""
    copy = friends.folder / "ana-mixed-up"
    shutil.copytree(home, copy)
    key = identity.public_key(identity.load_key(home / "pki" / "node.key"))
    stranger = CertificateAuthority.load(friends.folder / "stranger")
    disk.write(copy / "pki" / "node.crt", stranger.issue_node(key, membership.load(home).node))
    try:
        await connect(copy)
    except PotluckError as error:
        told("another group's, on disk", error.sentence, "was not made by this group's host", "join again")
    else:
        raise AssertionError("a certificate of another group was shown to the host")


async def no_host(friends: Group, homes: dict[str, Path], ana: Eve, update: bytes) -> None:
    """Bo answers in the host's place, with the certificate that the host gave him."""
    papers = membership.papers(homes["bo"])
    posing = Eavesdropper(papers.key_pem, papers.certificate_pem + papers.ca_pem, friends.port, friends.folder)
    with posing as villain:
        home = friends.folder / "ana-elsewhere"
        shutil.copytree(homes["ana"], home)
        direct(home, villain.port)
        line = await connect(home)
        told("a node's, as a server", await turned_away(line, ana, update), "could not prove that it is your host")
        await line.close()
        assert villain.connections >= 1
        assert bytes(villain.heard) == b""


async def turned_away(line: Connection, ana: Eve, update: bytes) -> str:
    """Try what an uploading node would do; the sentence that came instead of an answer."""

    async def whole() -> AsyncIterator[pb.UploadChunk]:
        yield pb.UploadChunk(header=ana.header(update), offset=0, data=update[: 1 << 20])

    said = []
    for call in (
        lambda: line.stub.UploadOffset(pb.UploadOffsetRequest(digest=ana.header(update).digest), timeout=10),
        lambda: line.stub.Upload(whole(), timeout=10),
    ):
        try:
            async with line.words("sending an update"):
                await call()
        except PotluckError as error:
            said.append(error.sentence)
    assert len(said) == 2, "a call was answered"
    return said[0]


@asynccontextmanager
async def showing(home: Path, certificate: bytes) -> AsyncIterator[Connection]:
    member, papers = membership.load(home), membership.papers(home)
    channel = tls.channel(member.answering, papers.ca_pem, papers.key_pem, certificate)
    async with channel:
        yield Connection(channel, member.answering, identity.dates_of(certificate))


def direct(home: Path, port: int) -> None:
    membership.save(home, replace(membership.load(home), port=port))


def held(friends: Group) -> list[str]:
    """Every file of the host's, whole or in part."""
    blobs = friends.blobs("host")
    return sorted(path.name for path in blobs.root.rglob("*") if path.is_file())


def told(case: str, sentence: str, *words: str) -> None:
    print(f"{case}: {sentence}")
    in_words(sentence, *words)


def revoked_in_mid_upload(folder: Path, seed: int) -> None:
    """The stream is cut at once, the agent ends with the host's words, and what had come is not used."""
    with table(folder, seed, "ana", "bo") as at:
        friends, line, run = at.group, at.lines["ana"], uploading(at)
        before = friends.member(run, "ana")["state"]
        asyncio.run(revoke(friends, "ana"))
        revoked = time.monotonic()
        assert friends.processes["ana"].wait(30) == 3
        ended = time.monotonic() - revoked
        print(
            f"measured: the last byte passed {line.last_up - revoked:.2f} s after `revoke` was answered; "
            f"the agent ended after {ended:.1f} s"
        )
        assert line.last_up - revoked < CUT
        assert before != "uploaded"
        assert "The host removed this PC (ana) from the group" in friends.log("ana")
        friends.until("the round to be given up", lambda: friends.phase(run) == "abandoned")
        assert friends.member(run, "ana")["state"] == "revoked"
        assert {fact["node"] for fact in at.facts("Uploaded")} == {friends.node("bo")["node"]}
        (own,) = {line["digest"] for line in friends.friends["ana"].ask("sent") if line["what"] == "update"}
        assert not friends.blobs("host").has(own)


async def revoke(friends: Group, name: str) -> None:
    async with calling(friends.host.home / "coordinator", "revoking") as host:
        try:
            await host.Revoke(operator_pb2.RevokeRequest(node=name), timeout=10)
        except grpc.aio.AioRpcError as error:
            raise AssertionError(error.details()) from error


async def status(home: Path) -> str:
    async with calling(home, "asking for the status") as host:
        return as_text(await host.Status(operator_pb2.StatusRequest(), timeout=10))
