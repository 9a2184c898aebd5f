"""Find the host: read what each address shows, trust only the authority whose key we were given.

Nothing is sent over this connection. It only yields the authority's certificate, which gRPC then uses as the only root
on a connection of its own. Clock trouble is recognised here, where it can be put into words.

Who joins has the pin alone and looks at the whole chain (`shared/rpc/pinned.py`). A member has the authority's
certificate: the TLS library says whether that made what is shown, and only a stranger's chain is looked at as closely.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from shared.clock import outside
from shared.errors import OwnerMustAct, PeerMisbehaved, PotluckError, Refused, TryLater
from shared.ids import SERVER_NAME
from shared.rpc.rehearsal import trust_only, validity

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
    from shared.rpc.pinned import authority_in  # cryptography: 11 MB that the agent does without

    context = _context()
    context.verify_mode = ssl.CERT_NONE  # authority_in decides; nothing is sent here
    try:
        chain = _chain_of(await _shake_hands(address, context, timeout))
    except (OSError, TimeoutError, EOFError) as error:
        raise TryLater(silence(error, timeout)) from error
    return authority_in(chain, pin)


async def recognise(address: str, ca_pem: bytes, timeout: float = TIMEOUT) -> bytes:
    """As `read_authority`, for a PC that has the authority's certificate. Raises the same."""
    context = _context()
    trust_only(context, ca_pem)
    try:
        shown = (await _shake_hands(address, context, timeout)).getpeercert()
    except ssl.SSLCertVerificationError:  # a stranger, to be put into words; or our host, its authority made anew
        from shared.identity import pin_of

        return await read_authority(address, pin_of(ca_pem), timeout)
    except (OSError, TimeoutError, EOFError) as error:
        raise TryLater(silence(error, timeout)) from error
    assert shown, "TLS accepted a host without a certificate"
    if (off := outside(*validity(shown), time.time())) is not None:
        raise off
    return ca_pem


async def find(addresses: Sequence[str], pin: bytes, timeout: float = TIMEOUT) -> Found:
    """The first address where the pinned host answers; earlier ones have a small head start.

    Raises what read_authority raised when all gave the same kind of answer, else TryLater with what each one said.
    """
    return await _first(addresses, lambda address: read_authority(address, pin, timeout))


async def find_again(addresses: Sequence[str], ca_pem: bytes, timeout: float = TIMEOUT) -> Found:
    """As `find`, for a PC that has the authority's certificate."""
    return await _first(addresses, lambda address: recognise(address, ca_pem, timeout))


async def _first(addresses: Sequence[str], look: Callable[[str], Awaitable[bytes]]) -> Found:
    trouble: dict[str, PotluckError] = {}

    async def attempt(address: str) -> Found | None:
        try:
            return Found(address, await look(address))
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


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # an authority of ours makes no other server's certificate; gRPC checks the name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    return context


async def _shake_hands(address: str, context: ssl.SSLContext, timeout: float) -> ssl.SSLObject:
    """What a TLS server shows can be read from the answer; the connection itself has ended."""
    host, port = split(address)
    async with asyncio.timeout(timeout):
        _, writer = await asyncio.open_connection(
            host, port, ssl=context, server_hostname=SERVER_NAME, happy_eyeballs_delay=STAGGER
        )
    writer.transport.abort()
    connection: ssl.SSLObject = writer.get_extra_info("ssl_object")
    return connection


def _chain_of(connection: ssl.SSLObject) -> list[bytes]:
    """The certificates (DER) that a TLS server showed, unverified."""
    if hasattr(connection, "get_unverified_chain"):  # Python 3.13 and later
        return [bytes(der) for der in connection.get_unverified_chain()]
    shown = connection._sslobj.get_unverified_chain() or []  # type: ignore[attr-defined]
    return [certificate.public_bytes(ssl._ssl.ENCODING_DER) for certificate in shown]  # type: ignore[attr-defined]


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
