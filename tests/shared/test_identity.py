"""Keys, requests, the authority, and the words people compare."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import identity
from shared.authority import CertificateAuthority
from shared.errors import OwnerMustAct, Refusal, Refused
from shared.ids import NodeId, node_id
from shared.words import WORDS


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority.create(tmp_path / "pki", "saturday")


def csr(key: object, hash_: object = None) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key, hash_).public_bytes(serialization.Encoding.DER)  # type: ignore[arg-type]


def test_keys_are_private_and_come_back(tmp_path: Path) -> None:
    key = identity.new_key()
    identity.save_key(key, tmp_path / "pki" / "node.key")
    assert identity.public_key(identity.load_key(tmp_path / "pki" / "node.key")) == identity.public_key(key)
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "pki" / "node.key").stat().st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "pki").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "content", [None, b"", b"rubbish", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_a_missing_or_damaged_key_is_told_in_words(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "node.key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OwnerMustAct, match="from a copy"):
        identity.load_key(path)


def test_of_a_request_only_the_public_key_is_taken() -> None:
    key = identity.new_key()
    assert identity.public_key_of(identity.request(key)) == identity.public_key(key)


def test_requests_of_another_kind_are_refused() -> None:
    others = [
        csr(ec.generate_private_key(ec.SECP384R1()), hashes.SHA256()),
        csr(rsa.generate_private_key(65537, 2048), hashes.SHA256()),
        csr(ed25519.Ed25519PrivateKey.generate()),
    ]
    for other in others:
        with pytest.raises(Refused, match="P-256") as refused:
            identity.public_key_of(other)
        assert refused.value.refusal is Refusal.MALFORMED


def test_a_request_without_proof_of_the_key_is_refused() -> None:
    mine, other = identity.request(identity.new_key()), identity.public_key(identity.new_key())
    forged = mine.replace(identity.public_key_of(mine), other)
    with pytest.raises(Refused, match="no proof"):
        identity.public_key_of(forged)


def test_a_request_of_an_unknown_version_is_refused() -> None:
    version = _REQUEST.index(b"\x02\x01\x00") + 2
    with pytest.raises(Refused, match="cannot be read"):
        identity.public_key_of(_REQUEST[:version] + b"\x01" + _REQUEST[version + 1 :])


def test_a_request_that_is_too_long_is_refused_unread() -> None:
    with pytest.raises(Refused, match="too long"):
        identity.public_key_of(b"\x30" * 4097)


@given(st.data())
@settings(deadline=None, max_examples=1000)
def test_a_damaged_request_is_refused_or_means_the_same_key(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(_REQUEST) - 1))
    bad = _REQUEST[:place] + bytes([data.draw(st.integers(0, 255))]) + _REQUEST[place + 1 :]
    try:
        key = identity.public_key_of(bad)
    except Refused:
        return
    assert key == identity.public_key(_KEY)


_KEY = identity.new_key()
_REQUEST = identity.request(_KEY)


def test_a_peer_is_read_from_its_certificate(authority: CertificateAuthority) -> None:
    public_key = identity.public_key(_KEY)
    node = identity.peer_of(authority.issue_node(public_key, node_id(public_key), lifetime=100))
    assert (node.kind, node.node, node.public_key) == ("node", node_id(public_key), public_key)
    host = identity.peer_of(authority.issue_operator(public_key))
    assert (host.kind, host.node) == ("operator", "")


def test_a_certificate_whose_name_is_not_its_keys_names_nobody(authority: CertificateAuthority) -> None:
    lying = authority.issue_node(identity.public_key(_KEY), NodeId("a" * 16))
    for pem in (lying, authority.certificate_pem, authority.issue_server().chain_pem):
        with pytest.raises(Refused) as refused:
            identity.peer_of(pem)
        assert refused.value.refusal is Refusal.NOT_A_MEMBER


def test_certificates_live_a_week_and_begin_ten_minutes_ago(authority: CertificateAuthority) -> None:
    server = authority.issue_server()
    assert server.not_after - server.not_before == pytest.approx(7 * 86400 + 600, abs=2)
    assert identity.dates_of(server.chain_pem) == (server.not_before, server.not_after)


def test_an_authority_comes_back_from_its_folder(authority: CertificateAuthority, tmp_path: Path) -> None:
    again = CertificateAuthority.load(tmp_path / "pki")
    assert (again.pin, again.cluster, again.words) == (authority.pin, "saturday", authority.words)


def test_a_second_authority_never_replaces_the_first(authority: CertificateAuthority, tmp_path: Path) -> None:
    with pytest.raises(OwnerMustAct, match="already"):
        CertificateAuthority.create(tmp_path / "pki", "sunday")
    assert CertificateAuthority.load(tmp_path / "pki").pin == authority.pin


def test_halves_of_two_authorities_are_noticed(authority: CertificateAuthority, tmp_path: Path) -> None:
    identity.save_key(identity.new_key(), tmp_path / "pki" / "ca.key")
    with pytest.raises(OwnerMustAct, match="belong together"):
        CertificateAuthority.load(tmp_path / "pki")


def test_issued_means_made_by_this_authority(authority: CertificateAuthority, tmp_path: Path) -> None:
    stranger = CertificateAuthority.create(tmp_path / "other", "saturday")
    public_key = identity.public_key(_KEY)
    certificate = stranger.issue_node(public_key, node_id(public_key))
    assert identity.issued(certificate, stranger.certificate_pem).node == node_id(public_key)
    with pytest.raises(Refused):
        identity.issued(certificate, authority.certificate_pem)


def test_the_words_are_four_and_always_the_same() -> None:
    assert len(set(WORDS)) == 256
    assert all(word.isascii() and word.islower() and 4 <= len(word) <= 9 for word in WORDS)
    assert identity.fingerprint_words(bytes(32)) == identity.fingerprint_words(bytes(32))
    assert identity.fingerprint_words(bytes(32)) == "tulip-lizard-crystal-bison"
    assert identity.fingerprint_words(bytes(32)) != identity.fingerprint_words(bytes(31) + b"\x01")
