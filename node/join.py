"""One pasted word makes this PC a member. (`node/renewal.py` keeps it one.)

    invite -> find the pinned host (nothing is sent) -> Hello (no secret) -> Join (secret, certificate request) -> files

The key is made and saved first, so that trying again after a lost reply is the same PC asking again. `member.json` is
written last: without it, nothing happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from node import membership as membership_
from node.enrol import Host, Note
from node.membership import Membership
from shared import clock, disk, identity, invite
from shared.errors import OwnerMustAct, PeerMisbehaved, Refused
from shared.identity import PrivateKey
from shared.ids import NodeId, node_id
from shared.rpc import dial
from shared.rpc.protocol import PROTOCOL
from shared.rpc.v1 import enrol_pb2

PORT_SECONDS = 5.0
PASTE = "Paste the invite again: the host answers this PC as it did before."

Tell = Callable[[str], None]


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
    async with Host(found, PASTE) as host:
        hello = await host.hello(note)
        tell(f"host       {identity.fingerprint_words(invitation.pin)} (the host's screen shows the same words)")
        tell(f"address    {found.address} (answered first of {len(invitation.addresses)})")
        tell(f"clock      {clock.difference_words(hello.ahead)} the host's{_clock_advice(hello.ahead)}")
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
