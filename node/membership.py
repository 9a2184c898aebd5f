"""What a PC knows about the group it joined: `member.json` and the `pki` folder in its home."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from shared import disk
from shared.clock import Validity
from shared.errors import OwnerMustAct
from shared.ids import NodeId
from shared.rpc.dial import with_port
from shared.rpc.rehearsal import Shown, rehearse

NOT_JOINED = "This PC has not joined a group yet. Ask the host for an invite, then: potluck node join"


@dataclass(frozen=True, slots=True)
class Membership:
    node: NodeId
    name: str  # what the owner calls this PC
    cluster: str
    addresses: tuple[str, ...]  # host:port of the joining port, as the host last told them
    answered: str  # the one that answered last
    port: int  # of everything but joining, on the same host

    @property
    def joining(self) -> tuple[str, ...]:
        """Where to renew, the one that answered last first."""
        return tuple(dict.fromkeys((self.answered, *self.addresses)))

    @property
    def working(self) -> tuple[str, ...]:
        """Where to dial with our certificate, in the same order."""
        return tuple(dict.fromkeys(with_port(address, self.port) for address in self.joining))

    @property
    def answering(self) -> str:
        """The working address beside the joining one that answered last."""
        return self.working[0]


@dataclass(frozen=True, slots=True)
class Papers:
    """The files of the `pki` folder that TLS needs, PEM; and what they are worth."""

    key_pem: bytes
    certificate_pem: bytes
    ca_pem: bytes
    valid: Validity
    fit: bool  # the authority made the certificate, for this key

    def __repr__(self) -> str:
        return "Papers(...)"


def is_member(home: Path) -> bool:
    return _path(home).exists()


def load(home: Path) -> Membership:
    """Raises OwnerMustAct when this PC has not joined, or the file is damaged."""
    path = _path(home)
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return Membership(
            node=NodeId(str(raw["node"])),
            name=str(raw["name"]),
            cluster=str(raw["cluster"]),
            addresses=tuple(str(address) for address in raw["addresses"]),
            answered=str(raw["answered"]),
            port=int(raw["port"]),
        )
    except FileNotFoundError as error:
        raise OwnerMustAct(NOT_JOINED) from error
    except (ValueError, KeyError, TypeError) as error:
        raise OwnerMustAct(
            f"{path} is damaged. Put it back from a copy, or leave (`potluck node leave`) and join again."
        ) from error


def save(home: Path, membership: Membership) -> None:
    disk.write(_path(home), json.dumps(asdict(membership), indent=1, ensure_ascii=False).encode())


def papers(home: Path) -> Papers:
    """What to show and what to trust when dialling. Raises OwnerMustAct when a file is missing or damaged."""
    pki = home / "pki"
    try:
        certificate, ca = (pki / "node.crt").read_bytes(), (pki / "ca.crt").read_bytes()
    except OSError as error:
        raise OwnerMustAct(
            f"{error.filename} cannot be read. Put it back from a copy, or leave (`potluck node leave`) and join again."
        ) from error
    key = (pki / "node.key").read_bytes() if (pki / "node.key").exists() else b""
    shown = _rehearsed(pki, key, certificate, ca)
    if shown is None:
        return _doubtful(pki, certificate, ca)
    return Papers(key, certificate, ca, shown.valid, fit=True)


@lru_cache(maxsize=4)
def _rehearsed(pki: Path, key: bytes, certificate: bytes, ca: bytes) -> Shown | None:
    """Once for the same files: a handshake takes 10 ms, and the agent looks at its papers every second."""
    return rehearse(pki / "node.crt", pki / "node.key", ca)


def _doubtful(pki: Path, certificate: bytes, ca: bytes) -> Papers:
    """Papers that TLS would not accept. What is wrong with them takes a library that the agent has no room for."""
    from shared import identity

    key = identity.load_key(pki / "node.key")
    try:
        identity.pin_of(ca)
        return Papers(identity.key_pem(key), certificate, ca, identity.dates_of(certificate), fit=False)
    except identity.UNREADABLE as error:
        raise OwnerMustAct(
            f"node.crt or ca.crt in {pki} is damaged: it is not a certificate. Put it back from a copy, or leave "
            "(`potluck node leave --force`) and join again with a new invite."
        ) from error


def forget(home: Path) -> None:
    """Leave the group on this side: the key, the certificates and what was known of the host are deleted."""
    _path(home).unlink(missing_ok=True)
    (home / "status.json").unlink(missing_ok=True)
    for name in ("node.key", "node.crt", "ca.crt", "group.key"):
        (home / "pki" / name).unlink(missing_ok=True)


def _path(home: Path) -> Path:
    return home / "member.json"
