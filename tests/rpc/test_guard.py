"""The doors for members: who gets in, and who is put out in the middle of a sentence."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from node.join import join
from node.membership import Membership, papers
from shared import disk, identity
from shared.authority import CertificateAuthority
from shared.errors import Refusal, Refused, TryLater
from shared.rpc import refusal, tls
from shared.rpc.v1 import node_pb2, operator_pb2, operator_pb2_grpc
from tests.rpc.loopback import Host, Told, dialled, hosting, node_stub, raw_call
from tests.rpc.test_joining import run


@dataclass
class Group:
    """A host and one member with an open connection."""

    host: Host
    home: Path
    member: Membership
    channel: grpc.aio.Channel


def with_group(tmp_path: Path, work: Callable[[Group], Coroutine[Any, Any, None]]) -> None:
    async def all_of_it() -> None:
        async with hosting(tmp_path / "host") as host:
            member = await join(await host.word(), tmp_path / "ana", "ana-pc", Told())
            async with dialled(tmp_path / "ana", member) as channel:
                await work(Group(host, tmp_path / "ana", member, channel))

    run(all_of_it())


async def forever() -> AsyncIterator[node_pb2.UploadChunk]:
    """A sender that has more to say, and does not say it."""
    yield node_pb2.UploadChunk(data=b"x")
    await asyncio.Event().wait()


@asynccontextmanager
async def control(channel: grpc.aio.Channel) -> AsyncIterator[Any]:
    """A control stream that has been welcomed."""
    call = node_stub(channel).Control()
    welcome = await call.read()
    assert isinstance(welcome, node_pb2.CoordinatorMessage)
    assert welcome.welcome.cluster
    try:
        yield call
    finally:
        call.cancel()


async def echoed(call: Any, number: int) -> int:
    await call.write(node_pb2.NodeMessage(heartbeat=node_pb2.Heartbeat(round=number)))
    reply = await call.read()
    return int(reply.duties.duties[0].round)


async def ending_of(call: Any) -> grpc.aio.AioRpcError:
    """How a stream ends; what still arrives before is read and dropped."""
    try:
        while await call.read() is not grpc.aio.EOF:
            pass
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError(f"ended well: {await call.code()}")


def test_revocation_cuts_an_open_stream_with_words(tmp_path: Path) -> None:
    async def work(group: Group) -> None:
        async with control(group.channel) as call:
            assert await echoed(call, 7) == 7
            began = time.monotonic()
            assert await group.host.revoke(group.member.node) == 1
            error = await ending_of(call)
            took = time.monotonic() - began
            print(f"an open stream was cut in {took * 1000:.1f} ms")
            assert took < 5  # measured: some ten milliseconds
            assert error.code() is grpc.StatusCode.PERMISSION_DENIED
            said = refusal.in_words(error, "listening", group.member.answering)
            assert isinstance(said, Refused)
            assert said.refusal is Refusal.REVOKED
            assert "removed this PC (ana-pc)" in said.sentence
        assert group.host.node_door.ended == 1
        with pytest.raises(grpc.aio.AioRpcError, match="removed this PC"):
            await node_stub(group.channel).Verdict(node_pb2.VerdictRequest(), timeout=5)

    with_group(tmp_path, work)


def test_revocation_cuts_uploads_and_downloads_under_way(tmp_path: Path) -> None:
    async def work(group: Group) -> None:
        stub = node_stub(group.channel)
        upload, download = stub.Upload(forever()), stub.Download(node_pb2.DownloadRequest())
        assert isinstance(await download.read(), node_pb2.DownloadChunk)  # and then we do not read on
        async with asyncio.timeout(10):
            while group.host.node_door.started < 2:
                await asyncio.sleep(0.01)
        assert await group.host.revoke(group.member.node) == 2
        with pytest.raises(grpc.aio.AioRpcError, match="removed this PC"):
            await upload
        assert "removed this PC" in str((await ending_of(download)).details())
        assert group.host.node_door.ended == 2

    with_group(tmp_path, work)


def test_a_revoked_caller_that_stops_reading_is_cut_on_our_side_at_once(tmp_path: Path) -> None:
    async def work(group: Group) -> None:
        download = node_stub(group.channel).Download(node_pb2.DownloadRequest())
        await download.read()
        assert await group.host.revoke(group.member.node) == 1
        async with asyncio.timeout(5):
            while group.host.node_door.ended < 1:
                await asyncio.sleep(0.01)
        download.cancel()

    with_group(tmp_path, work)


@pytest.mark.parametrize("pause", [0.0, 0.0005, 0.001, 0.002, 0.004, 0.008])
def test_a_call_may_be_cut_at_any_moment_of_its_life(tmp_path: Path, pause: float) -> None:
    """In the midst of its first reply, too: the caller of a call that could not be ended would wait for ever."""

    async def work(group: Group) -> None:
        await node_stub(group.channel).Verdict(node_pb2.VerdictRequest(), timeout=5)  # the connection stands
        downloads = [node_stub(group.channel).Download(node_pb2.DownloadRequest()) for _ in range(8)]
        endings = asyncio.gather(*(ending_of(download) for download in downloads))
        await asyncio.sleep(pause)
        await group.host.revoke(group.member.node)
        async with asyncio.timeout(20):
            assert all("removed this PC" in str(error.details()) for error in await endings)

    with_group(tmp_path, work)


def test_revoking_one_leaves_the_others_alone(tmp_path: Path) -> None:
    async def work(group: Group) -> None:
        home = tmp_path / "bo"
        bo = await join(await group.host.word(), home, "bo-pc", Told())
        async with dialled(home, bo) as channel, control(channel) as bos, control(group.channel):
            assert await group.host.revoke(group.member.node) == 1
            assert await echoed(bos, 3) == 3

    with_group(tmp_path, work)


def test_a_stream_ends_when_its_certificate_does(tmp_path: Path) -> None:
    async def work(group: Group) -> None:
        public_key = identity.public_key(identity.load_key(group.home / "pki" / "node.key"))
        brief = group.host.authority.issue_node(public_key, group.member.node, lifetime=3)
        disk.write(group.home / "pki" / "node.crt", brief)
        async with dialled(group.home, group.member) as channel, control(channel) as call:
            error = await ending_of(call)
            assert dict(error.trailing_metadata() or ())["potluck-refusal"] == "certificate-expired"
            with pytest.raises(grpc.aio.AioRpcError, match="renew it and dial again"):
                await node_stub(channel).Verdict(node_pb2.VerdictRequest(), timeout=5)

    with_group(tmp_path, work)


def test_an_expired_certificate_is_told_in_words_though_tls_says_nothing(tmp_path: Path) -> None:
    async def work(group: Group) -> None:
        public_key = identity.public_key(identity.load_key(group.home / "pki" / "node.key"))
        old = group.host.authority.issue_node(public_key, group.member.node, lifetime=-60)
        disk.write(group.home / "pki" / "node.crt", old)
        async with dialled(group.home, group.member) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await node_stub(channel).Verdict(node_pb2.VerdictRequest(), timeout=10)
        said = refusal.in_words(error.value, "asking", group.member.answering, valid=identity.dates_of(old))
        assert isinstance(said, Refused)
        assert said.refusal is Refusal.CERTIFICATE_EXPIRED
        assert "renews it by itself" in said.sentence

    with_group(tmp_path, work)


def test_a_servers_certificate_changes_while_a_stream_lives_on(tmp_path: Path) -> None:
    async def work(group: Group) -> None:
        async with control(group.channel) as call:
            fresh = group.host.authority.issue_server()
            group.host.identity.rotate(fresh)
            async with dialled(group.home, group.member) as channel, control(channel) as newer:
                assert await echoed(newer, 1) == 1
            assert await echoed(call, 2) == 2
            assert await shown_by(group.host.working) in fresh.chain_pem

    with_group(tmp_path, work)


def test_a_servers_certificate_that_is_due_renews_itself_at_the_next_handshake(tmp_path: Path) -> None:
    async def work() -> None:
        authority = CertificateAuthority.create(tmp_path, "saturday")
        week_old = CertificateAuthority.load(tmp_path, clock=lambda: time.time() - 8 * 86400).issue_server()
        server_identity = tls.ServerIdentity(week_old, authority.certificate_pem, authority.issue_server)
        server = grpc.aio.server(options=tls.server_options())
        port = server.add_secure_port("127.0.0.1:0", server_identity.credentials(mutual=False))
        await server.start()
        shown = await shown_by(f"127.0.0.1:{port}")
        assert shown not in week_old.chain_pem
        assert shown in server_identity.certificate.chain_pem
        assert await shown_by(f"127.0.0.1:{port}") == shown
        await server.stop(0)

    run(work())


def test_a_host_that_is_out_of_date_by_this_clock_is_told_as_a_clock(tmp_path: Path) -> None:
    async def work(group: Group) -> None:
        group.host.identity.rotate(group.host.authority.issue_server(lifetime=-60))
        async with dialled(group.home, group.member) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await node_stub(channel).Verdict(node_pb2.VerdictRequest(), timeout=5)
        mine = papers(group.home).valid
        said = refusal.in_words(error.value, "asking", group.member.answering, valid=mine)
        assert isinstance(said, Refused)
        assert said.refusal is Refusal.CLOCK

    with_group(tmp_path, work)


async def shown_by(address: str) -> bytes:
    """The leaf certificate (PEM) that a handshake at `address` shows now."""
    import ssl

    host, _, port = address.rpartition(":")
    return (await asyncio.to_thread(ssl.get_server_certificate, (host, int(port)))).encode()


def test_a_certificate_of_another_group_gets_no_connection(tmp_path: Path) -> None:
    async def work(group: Group) -> None:
        stranger = CertificateAuthority.create(tmp_path / "stranger", "saturday")
        mine = papers(group.home)
        public_key = identity.public_key(identity.load_key(group.home / "pki" / "node.key"))
        forged = stranger.issue_node(public_key, group.member.node)
        async with tls.channel(group.host.working, mine.ca_pem, mine.key_pem, forged) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await node_stub(channel).Verdict(node_pb2.VerdictRequest(), timeout=5)
        assert error.value.code() is grpc.StatusCode.UNAVAILABLE
        said = refusal.in_words(error.value, "asking", group.member.answering, valid=mine.valid)
        assert isinstance(said, TryLater)
        assert "Socket closed" not in said.sentence

    with_group(tmp_path, work)


@pytest.mark.parametrize("shows", ["nothing", "server"])
def test_without_a_members_certificate_there_is_no_connection(tmp_path: Path, shows: str) -> None:
    async def work(group: Group) -> None:
        mine, server = papers(group.home), group.host.authority.issue_server()
        key, certificate = (server.key_pem, server.chain_pem) if shows == "server" else (None, None)
        async with tls.channel(group.host.working, mine.ca_pem, key, certificate) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await node_stub(channel).Verdict(node_pb2.VerdictRequest(), timeout=5)
        assert error.value.code() is grpc.StatusCode.UNAVAILABLE

    with_group(tmp_path, work)


def test_each_door_is_for_its_own_people(tmp_path: Path) -> None:
    async def work(group: Group) -> None:
        async with group.host.operator() as operator:
            stub = operator_pb2_grpc.OperatorStub(operator)
            assert (await stub.Status(operator_pb2.StatusRequest(), timeout=5)).cluster == "operator"
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await node_stub(operator).Verdict(node_pb2.VerdictRequest(), timeout=5)
            assert dict(error.value.trailing_metadata() or ())["potluck-refusal"] == "not-a-member"
        with pytest.raises(grpc.aio.AioRpcError, match="Only the host") as error:
            await operator_pb2_grpc.OperatorStub(group.channel).Status(operator_pb2.StatusRequest(), timeout=5)
        assert dict(error.value.trailing_metadata() or ())["potluck-refusal"] == "not-operator"

    with_group(tmp_path, work)


def test_a_node_that_the_host_does_not_know_is_refused(tmp_path: Path) -> None:
    """A certificate of ours, but the journal was lost: TLS would let it in."""

    async def work(group: Group) -> None:
        public_key = identity.public_key(key := identity.new_key())
        from shared.ids import node_id

        certificate = group.host.authority.issue_node(public_key, node_id(public_key))
        async with tls.channel(
            group.host.working, group.host.authority.certificate_pem, identity.key_pem(key), certificate
        ) as channel:
            with pytest.raises(grpc.aio.AioRpcError, match="does not know this PC's key"):
                await node_stub(channel).Verdict(node_pb2.VerdictRequest(), timeout=5)

    with_group(tmp_path, work)


def test_members_find_no_reflection_and_no_foreign_service(tmp_path: Path) -> None:
    async def work(group: Group) -> None:
        for method in ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "/potluck.v1.Enrol/Hello"):
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await raw_call(group.channel, method)
            assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED

    with_group(tmp_path, work)


def test_a_message_larger_than_allowed_ends_only_its_own_call(tmp_path: Path) -> None:
    async def work(group: Group) -> None:
        mine = papers(group.home)
        generous = tls.channel(
            group.host.working, mine.ca_pem, mine.key_pem, mine.certificate_pem, max_message=4 * tls.MAX_MESSAGE
        )
        async with generous as channel, control(channel) as call:
            chunk = node_pb2.UploadChunk(data=bytes(tls.MAX_MESSAGE + 1))
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await node_stub(channel).Upload(iter([chunk]), timeout=20)
            assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert await echoed(call, 4) == 4

    with_group(tmp_path, work)


def test_calls_that_end_by_themselves_leave_nothing_behind(tmp_path: Path) -> None:
    async def work(group: Group) -> None:
        for _ in range(3):
            await node_stub(group.channel).Verdict(node_pb2.VerdictRequest(), timeout=5)
        async with control(group.channel):
            pass
        async with asyncio.timeout(10):
            while group.host.node_door.ended < 1:
                await asyncio.sleep(0.01)
        assert await group.host.revoke(group.member.node) == 0

    with_group(tmp_path, work)
