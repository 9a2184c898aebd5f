"""Joining over real TLS on loopback: the pin before the secret, one use, words for every no."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from node import membership
from node.hosts_clock import doubt
from node.join import join
from node.renewal import due, renew
from shared import disk, identity, invite
from shared.authority import CertificateAuthority
from shared.errors import OwnerMustAct, PeerMisbehaved, PotluckError, Refusal, Refused, TryLater
from shared.ids import node_id
from shared.rpc import dial, tls
from shared.rpc.v1 import enrol_pb2, enrol_pb2_grpc, node_pb2
from tests.rpc.loopback import Host, Told, dialled, hosting, node_stub, raw_call

JARGON = ("UNAVAILABLE", "Socket closed", "StatusCode", "PERMISSION_DENIED", "CERTIFICATE_VERIFY", "Errno", "RPC")


def run(work: Coroutine[Any, Any, None]) -> None:
    """One test's event loop, with a deadline so that nothing hangs for ever."""

    async def limited() -> None:
        async with asyncio.timeout(60):
            await work

    asyncio.run(limited())


async def refused_join(word: str, home: Path) -> PotluckError:
    with pytest.raises(PotluckError) as error:
        await join(word, home, "ana-pc", Told())
    assert not any(jargon in error.value.sentence for jargon in JARGON), error.value.sentence
    return error.value


def test_one_word_makes_a_member(tmp_path: Path) -> None:
    async def work() -> None:
        async with hosting(tmp_path / "host") as host:
            told, left = Told(), []
            word = await host.word()
            member = await join(word, tmp_path / "ana", "ana-pc", told, lambda what, size: left.append((what, size)))
            assert member == membership.load(tmp_path / "ana")
            assert (member.cluster, member.answered, member.name) == ("saturday", host.address, "ana-pc")
            assert host.authority.words in told[0]
            assert host.address in told[1]
            assert "the same as the host's" in told[2]
            assert len(told) == 3
            assert [what for what, _ in left] == ["hello", "join"]
            assert all(size > 0 for _, size in left)
            group_key = (tmp_path / "ana" / "pki" / "group.key").read_bytes()
            assert group_key == (tmp_path / "host" / "group.key").read_bytes()
            async with dialled(tmp_path / "ana", member) as channel:
                reply = await node_stub(channel).Verdict(node_pb2.VerdictRequest(), timeout=10)
            assert reply.sentence == f"hello {member.node}"

    run(work())


def test_a_man_in_the_middle_sees_no_secret(tmp_path: Path) -> None:
    async def work() -> None:
        async with hosting(tmp_path / "host") as host, hosting(tmp_path / "villain") as villain:
            error = await refused_join(await host.word(villain.address), tmp_path / "ana")
            assert isinstance(error, PeerMisbehaved)
            assert villain.authority.words in error.sentence
            assert host.authority.words in error.sentence
            assert (villain.enrol_door.secrets, villain.enrol_door.hellos) == (0, 0)
            assert not membership.is_member(tmp_path / "ana")

    run(work())


def test_a_chain_that_borrows_the_pinned_certificate_sees_no_secret(tmp_path: Path) -> None:
    """Anybody can copy the authority's certificate into a chain; nobody can sign with its key."""

    async def work() -> None:
        async with hosting(tmp_path / "host") as host, hosting(tmp_path / "villain") as villain:
            own = villain.authority.issue_server()
            leaf = own.chain_pem.replace(villain.authority.certificate_pem, b"")
            borrowed = leaf + host.authority.certificate_pem
            villain.identity.rotate(dataclasses.replace(own, chain_pem=borrowed))
            error = await refused_join(await host.word(villain.address), tmp_path / "ana")
            assert isinstance(error, PeerMisbehaved)
            assert (villain.enrol_door.secrets, villain.enrol_door.hellos) == (0, 0)
            async with tls.channel(villain.address, host.authority.certificate_pem) as channel:
                with pytest.raises(grpc.aio.AioRpcError):
                    await enrol_pb2_grpc.EnrolStub(channel).Hello(enrol_pb2.HelloRequest(protocol=1), timeout=5)
            assert villain.enrol_door.hellos == 0

    run(work())


def test_a_nodes_certificate_does_not_make_a_server(tmp_path: Path) -> None:
    async def work() -> None:
        async with hosting(tmp_path / "host") as host, hosting(tmp_path / "villain") as villain:
            await join(await host.word(), tmp_path / "bo", "bo-pc", Told())
            papers = membership.papers(tmp_path / "bo")
            posing = dataclasses.replace(
                villain.authority.issue_server(),
                key_pem=papers.key_pem,
                chain_pem=papers.certificate_pem + papers.ca_pem,
            )
            villain.identity.rotate(posing)
            await refused_join(await host.word(villain.address), tmp_path / "ana")
            assert (villain.enrol_door.secrets, villain.enrol_door.hellos) == (0, 0)

    run(work())


def test_an_invite_lets_one_pc_in_and_the_next_hears_which(tmp_path: Path) -> None:
    async def work() -> None:
        async with hosting(tmp_path / "host") as host:
            word = await host.word()
            await join(word, tmp_path / "ana", "ana-pc", Told())
            error = await refused_join(word, tmp_path / "eve")
            assert isinstance(error, Refused)
            assert error.refusal is Refusal.INVITE_USED
            assert "by another PC (ana-pc)" in error.sentence
            assert "Ask for a new one" in error.sentence

    run(work())


def test_an_expired_invite_says_since_when(tmp_path: Path) -> None:
    async def work() -> None:
        async with hosting(tmp_path / "host") as host:
            error = await refused_join(await host.word(valid=-5), tmp_path / "ana")
            assert isinstance(error, Refused)
            assert error.refusal is Refusal.INVITE_EXPIRED

    run(work())


def test_five_wrong_secrets_burn_an_invite(tmp_path: Path) -> None:
    async def work() -> None:
        async with hosting(tmp_path / "host") as host:
            word = await host.word()
            guess = invite.word(dataclasses.replace(invite.parse(word), secret=bytes(16)))
            said = [await refused_join(guess, tmp_path / "eve") for _ in range(5)]
            assert [error.refusal for error in said if isinstance(error, Refused)] == [
                *[Refusal.INVITE_UNKNOWN] * 4,
                Refusal.INVITE_BURNT,
            ]
            error = await refused_join(word, tmp_path / "ana")
            assert isinstance(error, Refused)
            assert error.refusal is Refusal.INVITE_BURNT

    run(work())


def test_wrong_secrets_at_the_same_moment_are_all_counted(tmp_path: Path) -> None:
    async def work() -> None:
        async with hosting(tmp_path / "host") as host:
            word = await host.word()
            guess = invite.word(dataclasses.replace(invite.parse(word), secret=bytes(16)))
            await asyncio.gather(*(refused_join(guess, tmp_path / f"eve{number}") for number in range(5)))
            error = await refused_join(word, tmp_path / "ana")
            assert isinstance(error, Refused)
            assert error.refusal is Refusal.INVITE_BURNT

    run(work())


def test_a_lost_reply_costs_one_more_try(tmp_path: Path) -> None:
    async def work() -> None:
        async with hosting(tmp_path / "host") as host:
            word = await host.word()
            host.enrol_door.loses_replies = True
            error = await refused_join(word, tmp_path / "ana")
            assert isinstance(error, TryLater)
            host.enrol_door.loses_replies = False
            member = await join(word, tmp_path / "ana", "ana-pc", Told())
            assert list(host.ledger.state.members.nodes) == [member.node]
            assert host.enrol_door.secrets == 2

    run(work())


def test_a_member_cannot_join_twice(tmp_path: Path) -> None:
    async def work() -> None:
        async with hosting(tmp_path / "host") as host:
            await join(await host.word(), tmp_path / "ana", "ana-pc", Told())
            error = await refused_join(await host.word(), tmp_path / "ana")
            assert isinstance(error, OwnerMustAct)
            assert "potluck node leave" in error.sentence
            membership.forget(tmp_path / "ana")
            await join(await host.word(), tmp_path / "ana", "ana-pc", Told())
            assert len(host.ledger.state.members.nodes) == 2

    run(work())


def test_the_address_that_answers_is_found_among_those_that_do_not(tmp_path: Path) -> None:
    async def work() -> None:
        async with hosting(tmp_path / "host") as host, hosting(tmp_path / "villain") as villain:
            mute = socket.create_server(("127.0.0.1", 0))  # connects, and then says nothing
            silent = f"127.0.0.1:{mute.getsockname()[1]}"
            word = await host.word(
                "127.0.0.1:1", "[::1]:1", "no.such.name.invalid:7444", silent, villain.address, host.address
            )
            began = time.monotonic()
            member = await join(word, tmp_path / "ana", "ana-pc", Told())
            assert member.answered == host.address
            assert time.monotonic() - began < dial.TIMEOUT
            assert villain.enrol_door.secrets == 0
            mute.close()

    run(work())


def test_when_nothing_answers_each_address_tells_why(tmp_path: Path) -> None:
    async def work() -> None:
        async with hosting(tmp_path / "villain") as villain:
            echo = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
            other = f"127.0.0.1:{echo.sockets[0].getsockname()[1]}"
            addresses = ("127.0.0.1:1", "no.such.name.invalid:7444", other, villain.address)
            with pytest.raises(TryLater) as error:
                await dial.find(addresses, bytes(32), timeout=5)
            for words in (
                "127.0.0.1:1: nothing listens there",
                "no.such.name.invalid:7444: no such name",
                f"{other}: something answers there, but not a potluck host",
                f"{villain.address}: another computer answers there",
                "docs/router.md",
            ):
                assert words in error.value.sentence
            echo.close()

    run(work())


def test_a_silent_address_is_given_up_after_a_while() -> None:
    async def work() -> None:
        mute = socket.create_server(("127.0.0.1", 0))
        silent = f"127.0.0.1:{mute.getsockname()[1]}"
        with pytest.raises(TryLater, match="no answer within"):
            await dial.find((silent,), bytes(32), timeout=0.3)
        mute.close()

    run(work())


def test_ipv6_works_like_ipv4(tmp_path: Path) -> None:
    async def work() -> None:
        host = Host(tmp_path / "host")
        server = grpc.aio.server(options=tls.server_options())
        try:
            port = server.add_secure_port("[::1]:0", host.identity.credentials(mutual=False))
        except RuntimeError:
            pytest.skip("this PC has no IPv6 loopback")
        await server.start()
        found = await dial.find((f"[::1]:{port}",), host.authority.pin)
        assert found == dial.Found(f"[::1]:{port}", host.authority.certificate_pem)
        await server.stop(0)

    run(work())


@pytest.mark.parametrize(("ahead", "words"), [(3 * 86400.0, "3.0 days behind"), (-30 * 86400.0, "30.0 days ahead")])
def test_a_clock_that_is_days_off_is_told_in_words(tmp_path: Path, ahead: float, words: str) -> None:
    async def work() -> None:
        async with hosting(tmp_path / "host") as host:
            host.enrol_door.clock_ahead = ahead
            error = await refused_join(await host.word(), tmp_path / "ana")
            assert isinstance(error, Refused)
            assert error.refusal is Refusal.CLOCK
            assert words in error.sentence
            assert host.enrol_door.secrets == 0

    run(work())


def test_a_clock_that_is_minutes_off_is_told_and_does_no_harm(tmp_path: Path) -> None:
    async def work() -> None:
        async with hosting(tmp_path / "host") as host:
            host.enrol_door.clock_ahead = 300
            told = Told()
            await join(await host.word(), tmp_path / "ana", "ana-pc", told)
            assert "5.0 min behind" in told[2]
            assert "automatic" in told[2]

    run(work())


def test_a_servers_certificate_that_is_over_by_this_clock_is_a_clock_told_in_words(tmp_path: Path) -> None:
    async def work() -> None:
        async with hosting(tmp_path / "host") as host:
            host.identity.rotate(host.authority.issue_server(lifetime=-60))
            error = await refused_join(await host.word(), tmp_path / "ana")
            assert isinstance(error, Refused)
            assert error.refusal is Refusal.CLOCK
            assert host.enrol_door.secrets == 0

    run(work())


def test_a_protocol_that_is_too_old_is_refused_in_words(tmp_path: Path) -> None:
    async def work() -> None:
        async with (
            hosting(tmp_path / "host") as host,
            tls.channel(host.address, host.authority.certificate_pem) as channel,
        ):
            stub = enrol_pb2_grpc.EnrolStub(channel)
            for call in (
                stub.Hello(enrol_pb2.HelloRequest(protocol=0), timeout=5),
                stub.Join(enrol_pb2.JoinRequest(protocol=0), timeout=5),
                stub.Renew(enrol_pb2.RenewRequest(protocol=0), timeout=5),
            ):
                with pytest.raises(grpc.aio.AioRpcError, match="Update potluck on this PC") as error:
                    await call
                assert dict(error.value.trailing_metadata() or ())["potluck-refusal"] == "protocol"

    run(work())


def test_a_certificate_is_renewed_months_after_it_ended(tmp_path: Path) -> None:
    async def work() -> None:
        async with hosting(tmp_path / "host") as host:
            home = tmp_path / "ana"
            member = await join(await host.word(), home, "ana-pc", Told())
            public_key = identity.public_key(identity.load_key(home / "pki" / "node.key"))
            long_ago = CertificateAuthority.load(tmp_path / "host", clock=lambda: time.time() - 60 * 86400)
            old = long_ago.issue_node(public_key, member.node)
            disk.write(home / "pki" / "node.crt", old)
            assert due(home, 0.5) < time.time()
            left: list[str] = []
            assert await renew(home, lambda what, size: left.append(what)) == member
            assert left == ["renewal"]
            assert 4 * 86400 < due(home, 0.5) - time.time() < 5 * 86400
            async with dialled(home, member) as channel:
                await node_stub(channel).Verdict(node_pb2.VerdictRequest(), timeout=10)

    run(work())


def test_renewal_finds_the_host_at_another_of_its_addresses(tmp_path: Path) -> None:
    async def work() -> None:
        async with hosting(tmp_path / "host") as host:
            home = tmp_path / "ana"
            member = await join(await host.word(), home, "ana-pc", Told())
            membership.save(home, dataclasses.replace(member, answered="127.0.0.1:1"))
            assert (await renew(home)).answered == host.address

    run(work())


def test_a_revoked_pc_gets_no_further_certificate(tmp_path: Path) -> None:
    async def work() -> None:
        async with hosting(tmp_path / "host") as host:
            home = tmp_path / "ana"
            member = await join(await host.word(), home, "ana-pc", Told())
            await host.revoke(member.node)
            with pytest.raises(Refused, match="removed this PC") as error:
                await renew(home)
            assert error.value.refusal is Refusal.REVOKED

    run(work())


def test_a_key_that_never_joined_gets_no_certificate(tmp_path: Path) -> None:
    async def work() -> None:
        async with (
            hosting(tmp_path / "host") as host,
            tls.channel(host.address, host.authority.certificate_pem) as channel,
        ):
            request = enrol_pb2.RenewRequest(protocol=1, csr=identity.request(identity.new_key()))
            with pytest.raises(grpc.aio.AioRpcError, match="does not know this PC's key"):
                await enrol_pb2_grpc.EnrolStub(channel).Renew(request, timeout=5)

    run(work())


@pytest.mark.parametrize("csr", [b"", b"\x30\x80" * 100, bytes(5000)])
def test_a_request_that_makes_no_sense_harms_nobody(tmp_path: Path, csr: bytes) -> None:
    async def work() -> None:
        async with (
            hosting(tmp_path / "host") as host,
            tls.channel(host.address, host.authority.certificate_pem) as channel,
        ):
            one = invite.parse(await host.word())
            request = enrol_pb2.JoinRequest(protocol=1, invite=one.id, secret=one.secret, csr=csr)
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await enrol_pb2_grpc.EnrolStub(channel).Join(request, timeout=5)
            assert dict(error.value.trailing_metadata() or ())["potluck-refusal"] == "malformed"
            await join(invite.word(one), tmp_path / "ana", "ana-pc", Told())

    run(work())


def test_a_message_that_is_too_large_is_not_even_read(tmp_path: Path) -> None:
    async def work() -> None:
        async with (
            hosting(tmp_path / "host") as host,
            tls.channel(host.address, host.authority.certificate_pem) as channel,
        ):
            request = enrol_pb2.JoinRequest(protocol=1, name="x" * (tls.MAX_ENROL_MESSAGE + 1))
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await enrol_pb2_grpc.EnrolStub(channel).Join(request, timeout=5)
            assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert host.enrol_door.secrets == 0

    run(work())


def test_the_joining_door_reveals_nothing_about_itself(tmp_path: Path) -> None:
    """No reflection, no health service, and no door for members."""

    async def work() -> None:
        async with (
            hosting(tmp_path / "host") as host,
            tls.channel(host.address, host.authority.certificate_pem) as channel,
        ):
            for method in (
                "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                "/grpc.health.v1.Health/Check",
                "/potluck.v1.Operator/Status",
                "/potluck.v1.Node/Verdict",
            ):
                with pytest.raises(grpc.aio.AioRpcError) as error:
                    await raw_call(channel, method)
                assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED

    run(work())


def test_the_node_id_comes_from_the_key_and_from_nothing_else(tmp_path: Path) -> None:
    async def work() -> None:
        async with hosting(tmp_path / "host") as host:
            member = await join(await host.word(), tmp_path / "ana", "ana-pc", Told())
            key = identity.load_key(tmp_path / "ana" / "pki" / "node.key")
            assert member.node == node_id(identity.public_key(key))

    run(work())


def test_a_host_that_is_behind_is_asked_why_it_hung_up(tmp_path: Path) -> None:
    async def work() -> None:
        async with hosting(tmp_path / "host") as host:
            await join(await host.word(), tmp_path / "ana", "ana-pc", Told())
            assert await doubt(tmp_path / "ana", lambda what, size: None) is None
            host.enrol_door.clock_ahead = -3600.0
            found = await doubt(tmp_path / "ana", lambda what, size: None)
            assert found is not None
            assert found.sentence.startswith(
                "The host's clock is 1.0 h behind this PC's, so it does not take this PC's"
            )
        assert await doubt(tmp_path / "ana", lambda what, size: None) is None  # nobody answers

    run(work())
