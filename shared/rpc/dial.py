"""Find the host: read what each address shows, trust only the authority whose key we were given.

This connection proves nothing and nothing is sent over it. It only yields the authority's certificate, which gRPC then
uses as the only root on a connection of its own. Clock trouble is recognised here, where it can be put into words.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from shared.clock import outside
from shared.errors import OwnerMustAct, PeerMisbehaved, PotluckError, Refused, TryLater
from shared.identity import UNREADABLE, fingerprint_words, pin_of
from shared.ids import SERVER_NAME

STAGGER = 0.25  # seconds of head start for each address over the next (RFC 8305)
TIMEOUT = 10.0  # seconds for each address


@dataclass(frozen=True, slots=True)
class Found:
    address: str  # the one that answered
    ca_pem: bytes  # the pinned authority's certificate


def split(address: str) -> tuple[str, int]:
    """ "[::1]:7444" -> ("::1", 7444). Raises OwnerMustAct for what is not host:port."""
    host, _, port = address.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not bare or not port.isdigit() or not 0 < int(port) < 65536 or (":" in bare and not host.startswith("[")):
        raise OwnerMustAct(
            f"{address!r} is not an address. It should look like 192.168.1.20:7444 or [2001:db8::1]:7444."
        )
    return bare, int(port)


def with_port(address: str, port: int) -> str:
    """The same host, another port."""
    host, _ = split(address)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def dialable(addresses: Sequence[str]) -> tuple[str, ...]:
    """Those that look like host:port, 32 at most: what a host tells is checked like anything else."""

    def fine(address: str) -> bool:
        try:
            split(address)
        except OwnerMustAct:
            return False
        return True

    return tuple(dict.fromkeys(address for address in addresses[:32] if fine(address)))


async def read_authority(address: str, pin: bytes, timeout: float = TIMEOUT) -> bytes:
    """The authority's certificate (PEM) from the chain shown at `address`; only a CA whose key has this pin will do.

    Raises TryLater when nothing answers, PeerMisbehaved when somebody else does, Refused(CLOCK) when our clock is off.
    """
    host, port = split(address)
    try:
        async with asyncio.timeout(timeout):
            chain = await _read_chain(host, port)
    except (OSError, TimeoutError, EOFError) as error:
        raise TryLater(silence(error, timeout)) from error
    return _pinned(chain, pin)


async def find(addresses: Sequence[str], pin: bytes, timeout: float = TIMEOUT) -> Found:
    """The first address where the pinned host answers; earlier ones have a small head start.

    Raises what read_authority raised when all gave the same kind of answer, else TryLater with what each one said.
    """
    trouble: dict[str, PotluckError] = {}

    async def attempt(address: str) -> Found | None:
        try:
            return Found(address, await read_authority(address, pin, timeout))
        except PotluckError as error:
            trouble[address] = error
            return None

    waiting = list(dict.fromkeys(addresses))
    async with asyncio.TaskGroup() as tasks:
        dialled: set[asyncio.Task[Found | None]] = set()
        while waiting or dialled:
            if waiting:
                dialled.add(tasks.create_task(attempt(waiting.pop(0))))
            done, dialled = await asyncio.wait(
                dialled, timeout=STAGGER if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                if (found := task.result()) is not None:
                    for other in dialled:
                        other.cancel()
                    return found
    raise _nobody(trouble)


async def _read_chain(host: str, port: int) -> list[bytes]:
    """The certificates (DER) that a TLS server shows, unverified."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # _pinned decides; nothing is sent here
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection(
        host, port, ssl=context, server_hostname=SERVER_NAME, happy_eyeballs_delay=STAGGER
    )
    try:
        return _chain_of(writer.get_extra_info("ssl_object"))
    finally:
        writer.transport.abort()


def _chain_of(connection: ssl.SSLObject) -> list[bytes]:
    if hasattr(connection, "get_unverified_chain"):  # Python 3.13 and later
        return [bytes(der) for der in connection.get_unverified_chain()]
    shown = connection._sslobj.get_unverified_chain() or []  # type: ignore[attr-defined]
    return [certificate.public_bytes(ssl._ssl.ENCODING_DER) for certificate in shown]  # type: ignore[attr-defined]


def _pinned(chain: list[bytes], pin: bytes) -> bytes:
    try:
        certificates = [x509.load_der_x509_certificate(der) for der in chain[:10]]
        authority = next((certificate for certificate in certificates if pin_of(certificate) == pin), None)
        if authority is None:
            raise _stranger(certificates, pin)
        if not authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            raise _stranger(certificates, pin)
        leaf = certificates[0]
        leaf.verify_directly_issued_by(authority)
    except UNREADABLE as error:
        raise PeerMisbehaved(
            "another computer answers there: its certificate is not your host's. Nothing was sent."
        ) from error
    off = outside(leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp(), time.time())
    if off is not None:
        raise off
    return authority.public_bytes(Encoding.PEM)


def _stranger(certificates: list[x509.Certificate], pin: bytes) -> PeerMisbehaved:
    theirs = fingerprint_words(pin_of(certificates[-1])) if certificates else "none"
    return PeerMisbehaved(
        f"another computer answers there (its words are {theirs}, your host's are {fingerprint_words(pin)}). "
        "Nothing was sent."
    )


def silence(error: Exception, timeout: float) -> str:
    """A few words for an address where no TLS server answered."""
    match error:
        case TimeoutError():
            return f"no answer within {timeout:.0f} s"
        case ConnectionRefusedError():
            return "nothing listens there"
        case socket.gaierror():
            return "no such name, or this PC is offline"
        case ssl.SSLError() | ConnectionError() | EOFError():
            return "something answers there, but not a potluck host"
        case _:
            return (getattr(error, "strerror", None) or type(error).__name__).lower()


def _nobody(trouble: dict[str, PotluckError]) -> PotluckError:
    clock = next((error for error in trouble.values() if isinstance(error, Refused)), None)
    if clock is not None:
        return clock
    if not trouble:
        return OwnerMustAct("There is no address to try. Ask the host for a new invite.")
    tried = "; ".join(f"{address}: {error.sentence.rstrip('.')}" for address, error in trouble.items())
    if all(isinstance(error, PeerMisbehaved) for error in trouble.values()):
        return PeerMisbehaved(f"Your host was not found: {tried}. Ask it for a new invite with its present addresses.")
    return TryLater(
        f"The host could not be reached. Tried {tried}. Ask whether `potluck coordinator up` is running on the host's "
        "PC and whether that can be reached from here (docs/router.md)."
    )
