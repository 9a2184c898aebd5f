"""This PC's next certificate, by proof of its key: at two thirds of a week, or months after the last one ended.

The proof takes the cryptography package, which the agent has no room for: a child process of a moment writes it.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from node import membership as membership_
from node.enrol import Host, Note
from node.membership import Membership
from shared import clock, disk
from shared.errors import PeerMisbehaved, TryLater
from shared.rpc import dial
from shared.rpc.protocol import PROTOCOL
from shared.rpc.rehearsal import rehearse
from shared.rpc.v1 import enrol_pb2

PROOF_SECONDS = 30.0  # half a second on a PC at rest


def due(home: Path, jitter: float) -> float:
    """When to renew, UTC seconds (may be past). `jitter` in [0, 1]: choose it once per PC."""
    return clock.renew_at(*membership_.papers(home).valid, jitter)


async def renew(home: Path, note: Note = lambda what, size: None) -> Membership:
    """Get this PC's next certificate, even long after the last one ended, from whichever known address answers.

    Raises Refused(REVOKED or NOT_REGISTERED) when there will be none, TryLater when the host cannot be reached.
    """
    member, papers = membership_.load(home), membership_.papers(home)
    found = await dial.find_again(member.joining, papers.ca_pem)
    proof = await asyncio.to_thread(_proof, home / "pki" / "node.key")
    async with Host(found) as host:
        request = enrol_pb2.RenewRequest(protocol=PROTOCOL, csr=proof)
        note("renewal", request.ByteSize())
        reply = await host.ask("renewing this PC's certificate", host.stub.Renew, request)
    _keep(home / "pki", reply.certificate, found.ca_pem, member)
    member = replace(member, answered=found.address, addresses=dial.dialable(reply.addresses) or member.addresses)
    membership_.save(home, member)
    return member


def _proof(key: Path) -> bytes:
    """A certificate request, signed by the key in that file."""
    words = [sys.executable, "-m", "node.proof", str(key)]
    try:
        return subprocess.run(words, capture_output=True, timeout=PROOF_SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise TryLater("This PC was too busy to ask for its next certificate; it tries again by itself.") from error


def _keep(pki: Path, certificate: bytes, ca_pem: bytes, member: Membership) -> None:
    """Put the new certificate in the old one's place, if it is ours and the host's authority made it."""
    coming = pki / "coming.crt"
    disk.write(coming, certificate)
    try:
        shown = rehearse(coming, pki / "node.key", ca_pem)
    finally:
        coming.unlink()
    if shown is None:
        raise PeerMisbehaved("The host sent a certificate that nobody could use. Update potluck on both PCs.")
    if shown.node != member.node:
        raise PeerMisbehaved("The host sent a certificate for another PC. Update potluck on both PCs, then try again.")
    disk.write(pki / "node.crt", certificate)
