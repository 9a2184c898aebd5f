"""Pick the pinned authority out of the certificates that somebody shows, or say who answers instead."""

from __future__ import annotations

import time

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from shared.clock import outside
from shared.errors import PeerMisbehaved
from shared.identity import UNREADABLE, fingerprint_words, pin_of


def authority_in(chain: list[bytes], pin: bytes) -> bytes:
    """The authority's certificate (PEM) from a chain (DER). Raises PeerMisbehaved, or Refused(CLOCK)."""
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
