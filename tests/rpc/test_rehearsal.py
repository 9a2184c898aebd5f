"""What the rehearsed handshake accepts, and that it tells the same as the library it stands in for."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from shared import disk, identity
from shared.authority import CertificateAuthority
from shared.ids import node_id
from shared.rpc.rehearsal import Shown, rehearse


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority.create(tmp_path / "ours", "saturday")


def own_key(folder: Path) -> bytes:
    """Saved as node.key; its public half."""
    key = identity.new_key()
    identity.save_key(key, folder / "node.key")
    return identity.public_key(key)


def shown(folder: Path, certificate: bytes, ca_pem: bytes) -> Shown | None:
    disk.write(folder / "node.crt", certificate)
    return rehearse(folder / "node.crt", folder / "node.key", ca_pem)


def test_a_good_certificate_is_accepted_and_its_dates_are_told(tmp_path: Path, authority: CertificateAuthority) -> None:
    public = own_key(tmp_path)
    pem = authority.issue_node(public, node_id(public))
    assert shown(tmp_path, pem, authority.certificate_pem) == Shown(node_id(public), identity.dates_of(pem))


@pytest.mark.parametrize("days", [-400, 400])
def test_dates_are_told_and_not_judged(tmp_path: Path, authority: CertificateAuthority, days: int) -> None:
    public = own_key(tmp_path)
    elsewhen = CertificateAuthority.load(tmp_path / "ours", clock=lambda: time.time() + days * 86400)
    pem = elsewhen.issue_node(public, node_id(public))
    assert shown(tmp_path, pem, authority.certificate_pem) == Shown(node_id(public), identity.dates_of(pem))


def test_another_authoritys_certificate_is_not_accepted(tmp_path: Path, authority: CertificateAuthority) -> None:
    public = own_key(tmp_path)
    stranger = CertificateAuthority.create(tmp_path / "theirs", "saturday")
    forged = stranger.issue_node(public, node_id(public))
    assert shown(tmp_path, forged, authority.certificate_pem) is None
    assert shown(tmp_path, forged + authority.certificate_pem, authority.certificate_pem) is None


def test_a_certificate_for_another_key_is_not_accepted(tmp_path: Path, authority: CertificateAuthority) -> None:
    own_key(tmp_path)
    other = identity.public_key(identity.new_key())
    assert shown(tmp_path, authority.issue_node(other, node_id(other)), authority.certificate_pem) is None


def test_a_servers_certificate_is_not_accepted(tmp_path: Path, authority: CertificateAuthority) -> None:
    server = authority.issue_server()
    disk.write(tmp_path / "node.key", server.key_pem)
    assert shown(tmp_path, server.chain_pem, authority.certificate_pem) is None


def test_a_changed_byte_anywhere_is_not_accepted(tmp_path: Path, authority: CertificateAuthority) -> None:
    public = own_key(tmp_path)
    pem = authority.issue_node(public, node_id(public))
    lines = pem.splitlines()
    for number in range(1, len(lines) - 1):
        other = b"A" if lines[number][5:6] != b"A" else b"B"
        changed = [*lines[:number], lines[number][:5] + other + lines[number][6:], *lines[number + 1 :]]
        assert shown(tmp_path, b"\n".join(changed) + b"\n", authority.certificate_pem) is None, number


@pytest.mark.parametrize("junk", [b"", b"junk", b"\xff\xfe", b"-----BEGIN CERTIFICATE-----\n"])
def test_files_that_are_no_papers_are_not_accepted(
    tmp_path: Path, authority: CertificateAuthority, junk: bytes
) -> None:
    public = own_key(tmp_path)
    pem = authority.issue_node(public, node_id(public))
    assert shown(tmp_path, junk, authority.certificate_pem) is None
    assert shown(tmp_path, pem, junk) is None
    disk.write(tmp_path / "node.key", junk)
    assert shown(tmp_path, pem, authority.certificate_pem) is None
