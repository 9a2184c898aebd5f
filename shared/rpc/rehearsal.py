"""The handshake with the host, rehearsed in memory: would our certificate be accepted, and what does it say?

The agent stays for days, and the cryptography package takes 11 MB. The TLS library is in memory anyway, judges as the
host's does, and tells what it found. Dates are told and not judged: whoever asks has better words for them.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.clock import Validity
from shared.ids import NodeId

_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME of OpenSSL; Python has no name for it


@dataclass(frozen=True, slots=True)
class Shown:
    """What a certificate says that was accepted."""

    node: NodeId  # as named by the authority; empty where it names no PC
    valid: Validity


def rehearse(certificate: Path, key: Path, ca_pem: bytes) -> Shown | None:
    """None unless this authority made the certificate, for a client, and for this key."""
    ours, host = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.check_hostname, ours.verify_mode = False, ssl.CERT_NONE  # the host is played by ourselves
    try:
        trust_only(host, ca_pem)
        for context in (ours, host):
            context.load_cert_chain(certificate, key, password="")  # ours has none; without this OpenSSL would ask
        to_host, to_us = ssl.MemoryBIO(), ssl.MemoryBIO()
        client, server = ours.wrap_bio(to_us, to_host), host.wrap_bio(to_host, to_us, server_side=True)
        for side in (client, server, client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
        shown: dict[str, Any] = server.getpeercert() or {}
    except (OSError, ValueError):  # SSLError among them
        return None
    uris = [name for kind, name in shown.get("subjectAltName", ()) if kind == "URI"]
    named = uris[0].partition("/node/")[2] if len(uris) == 1 else ""
    return Shown(NodeId(named), validity(shown))


def trust_only(context: ssl.SSLContext, ca_pem: bytes) -> None:
    """Whoever is at the other end must show a certificate that this authority made. Raises ValueError or SSLError."""
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= _NO_CHECK_TIME
    context.load_verify_locations(cadata=ca_pem.decode("ascii"))


def validity(shown: dict[str, Any]) -> Validity:
    """From what `getpeercert` returned."""
    return ssl.cert_time_to_seconds(shown["notBefore"]), ssl.cert_time_to_seconds(shown["notAfter"])
