"""One pasted word makes this PC a member, and keeps it one: `join` once, `renew` ever after.

    invite -> find the pinned host (nothing is sent) -> Hello (no secret) -> Join (secret, certificate request) -> files

The key is made and saved first, so that trying again after a lost reply is the same PC asking again. `member.json` is
written last: without it, nothing happened.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import grpc
import grpc.aio

from node import membership as membership_
from node.membership import Membership
from shared import clock, disk, identity, invite
from shared.errors import OwnerMustAct, PeerMisbehaved, Refusal, Refused
from shared.identity import PrivateKey
from shared.ids import NodeId, node_id
from shared.rpc import dial, refusal, tls
from shared.rpc.protocol import OLDEST, PROTOCOL, VERSION
from shared.rpc.v1 import enrol_pb2, enrol_pb2_grpc

CALL_SECONDS = 15.0
PORT_SECONDS = 5.0
PASTE = "Paste the invite again: the host answers this PC as it did before."

Tell = Callable[[str], None]
Note = Callable[[str, int], None]  # what is about to leave this PC, and its size in bytes
Reply = TypeVar("Reply")

__all__ = ["Membership", "join", "renew", "renewal_due"]


async def join(word: str, home: Path, name: str, tell: Tell, note: Note = lambda what, size: None) -> Membership:
    """Make this PC (its home folder is `home`) a member of the group that made the invite `word`.

    Raises OwnerMustAct, Refused, TryLater or PeerMisbehaved, each with a sentence that says what to do.
    """
    invitation = invite.parse(word)
    if membership_.is_member(home):
        known = membership_.load(home)
        raise OwnerMustAct(
            f"This PC is a member of the group {known.cluster!r} already, as {known.name!r}. "
            "To join another group, leave this one first: potluck node leave"
        )
    key = _own_key(home)
    found = await dial.find(invitation.addresses, invitation.pin)
    async with _Host(found, PASTE) as host:
        hello = await host.hello(note)
        tell(f"host       {identity.fingerprint_words(invitation.pin)} (the host's screen shows the same words)")
        tell(f"address    {found.address} (answered first of {len(invitation.addresses)})")
        tell(f"clock      {clock.difference_words(hello.ahead)} of the host's{_clock_advice(hello.ahead)}")
        request = enrol_pb2.JoinRequest(
            protocol=PROTOCOL, invite=invitation.id, secret=invitation.secret, csr=identity.request(key), name=name
        )
        note("join", request.ByteSize())
        reply = await host.ask("joining", host.stub.Join, request)
    node = _require_own(reply.certificate, found.ca_pem, key)
    if len(reply.group_key) != 32:
        raise PeerMisbehaved(
            "The host sent a group key of the wrong length. Update potluck on both PCs, then try again."
        )
    pki = home / "pki"
    disk.write(pki / "ca.crt", found.ca_pem)
    disk.write(pki / "node.crt", reply.certificate)
    disk.write(pki / "group.key", reply.group_key)
    addresses = dial.dialable(reply.addresses) or invitation.addresses
    called = reply.name if reply.name.isprintable() and reply.name else name or node
    member = Membership(node, called[:64], hello.cluster, addresses, found.address, hello.port)
    membership_.save(home, member)
    await _try_port(member.answering, tell)
    return member


async def renew(home: Path, note: Note = lambda what, size: None) -> Membership:
    """Get this PC's next certificate, even long after the last one ended, from whichever known address answers.

    Raises Refused(REVOKED or NOT_REGISTERED) when there will be none, TryLater when the host cannot be reached.
    """
    member, papers = membership_.load(home), membership_.papers(home)
    key = identity.load_key(home / "pki" / "node.key")
    found = await dial.find(member.joining, identity.pin_of(papers.ca_pem))
    async with _Host(found) as host:
        request = enrol_pb2.RenewRequest(protocol=PROTOCOL, csr=identity.request(key))
        note("renewal", request.ByteSize())
        reply = await host.ask("renewing this PC's certificate", host.stub.Renew, request)
    _require_own(reply.certificate, found.ca_pem, key)
    disk.write(home / "pki" / "node.crt", reply.certificate)
    member = replace(member, answered=found.address, addresses=dial.dialable(reply.addresses) or member.addresses)
    membership_.save(home, member)
    return member


def renewal_due(home: Path, jitter: float) -> float:
    """When to renew, UTC seconds (may be past). `jitter` in [0, 1]: choose it once per PC."""
    return clock.renew_at(*identity.dates_of(membership_.papers(home).certificate_pem), jitter)


@dataclass(frozen=True, slots=True)
class _Hello:
    cluster: str
    port: int
    ahead: float  # seconds, this PC's clock minus the host's


class _Host:
    """A verified connection to the joining port of the host that was found."""

    def __init__(self, found: dial.Found, again: str = refusal.BY_ITSELF) -> None:
        self._address, self._again = found.address, again
        self._channel = tls.channel(found.address, found.ca_pem, max_message=tls.MAX_ENROL_MESSAGE)
        self.stub = enrol_pb2_grpc.EnrolStub(self._channel)

    async def __aenter__(self) -> _Host:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close()

    async def hello(self, note: Note) -> _Hello:
        """Raises Refused when the protocols or the clocks do not meet."""
        before = time.time()
        request = enrol_pb2.HelloRequest(protocol=PROTOCOL, version=VERSION, clock_ms=int(before * 1000))
        note("hello", request.ByteSize())
        reply = await self.ask("saying hello", self.stub.Hello, request)
        ahead = (before + time.time()) / 2 - reply.clock_ms / 1000
        if reply.protocol < OLDEST:
            raise Refused(
                Refusal.PROTOCOL,
                f"The host's potluck ({reply.version}) is too old for this PC's ({VERSION}): ask the host to update.",
            )
        if (off := clock.trouble(ahead)) is not None:
            raise off
        return _Hello(reply.cluster, reply.port, ahead)

    async def ask(self, doing: str, call: Callable[..., Awaitable[Reply]], request: Any) -> Reply:
        """One call; its failure in words."""
        try:
            return await call(request, timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise refusal.in_words(error, doing, self._address, again=self._again) from error


def _own_key(home: Path) -> PrivateKey:
    path = home / "pki" / "node.key"
    if path.exists():
        return identity.load_key(path)
    key = identity.new_key()
    identity.save_key(key, path)
    return key


def _require_own(certificate_pem: bytes, ca_pem: bytes, key: PrivateKey) -> NodeId:
    """The node id in the certificate we were given, if it is ours and the host's authority made it."""
    public_key = identity.public_key(key)
    try:
        peer = identity.issued(certificate_pem, ca_pem)
    except Refused as error:
        raise PeerMisbehaved(
            "The host sent a certificate that nobody could use. Update potluck on both PCs."
        ) from error
    if peer.public_key != public_key or peer.node != node_id(public_key):
        raise PeerMisbehaved("The host sent a certificate for another PC. Update potluck on both PCs, then try again.")
    return peer.node


def _clock_advice(ahead: float) -> str:
    return "" if abs(ahead) <= clock.WARN else " (that works, but set this PC's clock to automatic)"


async def _try_port(address: str, tell: Tell) -> None:
    """A router may forward one of the two ports only: better said now than wondered about tonight."""
    host, port = dial.split(address)
    try:
        async with asyncio.timeout(PORT_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
        writer.transport.abort()
    except (OSError, TimeoutError):
        tell(
            f"warning    {address} does not answer: rounds need that port too. "
            "Ask the host to let it through its firewall or router (docs/router.md)."
        )
