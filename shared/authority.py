"""The group's own certificate authority: it makes every certificate of the group.

Every name in a certificate is ours. Addresses are in none: the host's may change, SERVER_NAME never does.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from shared import disk
from shared.clock import BACKDATED, LIFETIME
from shared.errors import OwnerMustAct
from shared.identity import (
    UNREADABLE,
    PrivateKey,
    fingerprint_words,
    key_pem,
    load_key,
    new_key,
    pin_of,
    public_key,
    save_key,
)
from shared.ids import SERVER_NAME, NodeId

_DOMAIN = "potluck.internal"
_CA_YEARS = 20


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """A server's key and chain. The chain ends with the authority itself: a joiner reads it from the handshake."""

    key_pem: bytes
    chain_pem: bytes
    not_before: float
    not_after: float

    def __repr__(self) -> str:
        return f"ServerCertificate(not_after={self.not_after})"


class CertificateAuthority:
    """The group's own authority: `ca.key` and `ca.crt` in the coordinator's `pki` folder."""

    def __init__(self, key: PrivateKey, certificate: x509.Certificate, clock: Callable[[], float] = time.time) -> None:
        self._key, self._certificate, self._clock = key, certificate, clock
        self.pin = pin_of(certificate)
        self.cluster = str(certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value)
        self.certificate_pem = _pem(certificate)

    @property
    def words(self) -> str:
        """What host and friend compare."""
        return fingerprint_words(self.pin)

    @classmethod
    def create(cls, folder: Path, cluster: str) -> CertificateAuthority:
        """Make a new authority. Raises OwnerMustAct where there is one: losing it makes every friend join again."""
        if (folder / "ca.crt").exists():
            raise OwnerMustAct(f"There is a certificate authority in {folder} already. Nothing was changed.")
        key = new_key()
        now = datetime.now(UTC)
        name = _name(f"potluck {cluster}", cluster)
        certificate = (
            x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(seconds=BACKDATED))
            .not_valid_after(now + timedelta(days=365 * _CA_YEARS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        save_key(key, folder / "ca.key")
        disk.write(folder / "ca.crt", _pem(certificate))
        return cls(key, certificate)

    @classmethod
    def load(cls, folder: Path, clock: Callable[[], float] = time.time) -> CertificateAuthority:
        """`clock`: UTC seconds, for the dates in what it issues.

        Raises OwnerMustAct when the files are missing, damaged, or do not belong together.
        """
        key = load_key(folder / "ca.key")
        try:
            certificate = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
        except (OSError, *UNREADABLE) as error:
            raise OwnerMustAct(f"{folder / 'ca.crt'} is missing or damaged. Put it back from a copy.") from error
        if pin_of(certificate) != hashlib.sha256(public_key(key)).digest():
            raise OwnerMustAct(
                f"ca.key and ca.crt in {folder} do not belong together. Put back both from the same copy."
            )
        return cls(key, certificate, clock)

    def issue_server(self, lifetime: float = LIFETIME) -> ServerCertificate:
        """A new key and certificate for our servers."""
        key = new_key()
        leaf = self._issue(key.public_key(), x509.DNSName(SERVER_NAME), ExtendedKeyUsageOID.SERVER_AUTH, lifetime)
        chain = _pem(leaf) + self.certificate_pem
        return ServerCertificate(
            key_pem(key), chain, leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp()
        )

    def issue_node(self, public_key: bytes, node: NodeId, lifetime: float = LIFETIME) -> bytes:
        """A node's client certificate (PEM)."""
        return self._issue_client(public_key, f"node/{node}", lifetime)

    def issue_operator(self, public_key: bytes, lifetime: float = LIFETIME) -> bytes:
        """The host's own client certificate (PEM)."""
        return self._issue_client(public_key, "operator", lifetime)

    def _issue_client(self, public_key: bytes, path: str, lifetime: float) -> bytes:
        key = serialization.load_der_public_key(public_key)
        assert isinstance(key, ec.EllipticCurvePublicKey)
        name = x509.UniformResourceIdentifier(f"spiffe://{self.cluster}.{_DOMAIN}/{path}")
        return _pem(self._issue(key, name, ExtendedKeyUsageOID.CLIENT_AUTH, lifetime))

    def _issue(
        self, key: ec.EllipticCurvePublicKey, name: x509.GeneralName, use: ObjectIdentifier, lifetime: float
    ) -> x509.Certificate:
        now = datetime.fromtimestamp(self._clock(), UTC)
        return (
            x509.CertificateBuilder(
                subject_name=_name("potluck"), issuer_name=self._certificate.subject, public_key=key
            )
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(seconds=BACKDATED))
            .not_valid_after(now + timedelta(seconds=lifetime))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .add_extension(x509.SubjectAlternativeName([name]), critical=False)
            .sign(self._key, hashes.SHA256())
        )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _name(common: str, organization: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    if organization:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(parts)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
