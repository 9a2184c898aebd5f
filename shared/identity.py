"""Keys, certificate requests, and who a certificate names. ECDSA P-256 throughout.

(grpc's TLS library cannot use Ed25519 certificates.) Of a request only the public key and its signature are trusted.
Certificates are made in `shared/authority.py`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared import disk
from shared.errors import OwnerMustAct, Refusal, Refused
from shared.ids import NodeId, node_id
from shared.words import WORDS

_MAX_REQUEST = 4096  # bytes; ours take about 220

PrivateKey = ec.EllipticCurvePrivateKey

# All that the library raises for what somebody else sent and nobody can read.
UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    InvalidSignature,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.UnsupportedGeneralNameType,
)


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is calling, as their certificate (already checked by TLS against our authority) says."""

    kind: Literal["node", "operator"]
    node: NodeId  # empty for the operator
    public_key: bytes  # SubjectPublicKeyInfo, DER
    not_after: float  # UTC seconds


def new_key() -> PrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def save_key(key: PrivateKey, path: Path) -> None:
    """Write the key where only its owner can read it."""
    disk.write(path, key_pem(key), mode=0o600)


def load_key(path: Path) -> PrivateKey:
    """Raises OwnerMustAct when the file is missing or not one of our keys."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError as error:
        raise OwnerMustAct(
            f"The key {path} is missing. Put it back from a copy, or join again with a new invite."
        ) from error
    except UNREADABLE as error:
        raise OwnerMustAct(
            f"{path} is damaged: it is not a key. Put it back from a copy, or join again with a new invite."
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise OwnerMustAct(
            f"{path} is a key of another kind (ECDSA P-256 is needed). Put the right one back from a copy."
        )
    return key


def public_key(key: PrivateKey) -> bytes:
    """The public half: SubjectPublicKeyInfo, DER."""
    return _spki(key.public_key())


def request(key: PrivateKey) -> bytes:
    """A certificate request (DER): proof that the sender holds `key`. Its subject is ignored."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "potluck")])
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def public_key_of(csr: bytes) -> bytes:
    """The public key (SubjectPublicKeyInfo, DER) of a request. Raises Refused(MALFORMED) for anything dubious."""
    if len(csr) > _MAX_REQUEST:
        raise Refused(
            Refusal.MALFORMED, f"The certificate request is too long ({len(csr)} bytes; {_MAX_REQUEST} are allowed)."
        )
    try:
        parsed = x509.load_der_x509_csr(csr)
        key = parsed.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise Refused(
                Refusal.MALFORMED, "The certificate request has a key of another kind: ECDSA P-256 is needed."
            )
        signed = parsed.is_signature_valid
    except UNREADABLE as error:
        raise Refused(
            Refusal.MALFORMED, "The certificate request cannot be read: it is damaged or not a request."
        ) from error
    if not signed:
        raise Refused(
            Refusal.MALFORMED,
            "The certificate request is not signed by its own key: there is no proof that the sender holds it.",
        )
    return _spki(key)


def peer_of(pem: bytes) -> Peer:
    """Who a client certificate names. Raises Refused(NOT_A_MEMBER) when it names nobody of ours."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
        key = certificate.public_key()
    except UNREADABLE as error:
        raise _nobody() from error
    if len(uris) != 1 or not isinstance(key, ec.EllipticCurvePublicKey):
        raise _nobody()
    spki, not_after = _spki(key), certificate.not_valid_after_utc.timestamp()
    match uris[0].removeprefix("spiffe://").split("/")[1:]:
        case ["operator"]:
            return Peer("operator", NodeId(""), spki, not_after)
        case ["node", named] if named == node_id(spki):
            return Peer("node", node_id(spki), spki, not_after)
        case _:
            raise _nobody()


def issued(pem: bytes, ca_pem: bytes) -> Peer:
    """`peer_of`, after checking that this authority made the certificate (TLS does that for callers)."""
    try:
        authority = x509.load_pem_x509_certificate(ca_pem)
        x509.load_pem_x509_certificate(pem).verify_directly_issued_by(authority)
    except UNREADABLE as error:
        raise _nobody() from error
    return peer_of(pem)


def dates_of(pem: bytes) -> tuple[float, float]:
    """(not_before, not_after) of the first certificate in `pem`, UTC seconds."""
    certificate = x509.load_pem_x509_certificate(pem)
    return certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()


def pin_of(certificate: x509.Certificate | bytes) -> bytes:
    """SHA-256 of a certificate's public key (32 bytes): survives a reissue with the same key."""
    if isinstance(certificate, bytes):
        certificate = x509.load_pem_x509_certificate(certificate)
    return hashlib.sha256(_spki(certificate.public_key())).digest()


@cache
def fingerprint_words(pin: bytes) -> str:
    """Four words for two people to compare: "amber-otter-canyon-lemon".

    32 bits, stretched: making another authority with the same words costs 2^32 tries of about 0.1 s and 32 MiB each,
    some ten processor years. They are for people; programs always compare the whole pin.
    """
    stretched = hashlib.scrypt(pin, salt=b"potluck host words 1", n=1 << 15, r=8, p=1, maxmem=64 << 20, dklen=4)
    return "-".join(WORDS[byte] for byte in stretched)


def _nobody() -> Refused:
    return Refused(
        Refusal.NOT_A_MEMBER,
        "This certificate names neither a PC of this group nor its host. Join with an invite first.",
    )


def _spki(key: object) -> bytes:
    encoded: bytes = key.public_bytes(  # type: ignore[attr-defined]  # every public key of the library has it
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded
