"""What `init` lays down."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from coordinator import pki
from shared import identity
from shared.authority import CertificateAuthority
from shared.errors import OwnerMustAct


def test_init_lays_down_an_authority_an_operator_and_a_group_key(tmp_path: Path) -> None:
    words = pki.lay_down(tmp_path / "pki", "saturday")
    authority = CertificateAuthority.load(tmp_path / "pki")
    assert words == authority.words
    operator = identity.issued((tmp_path / "pki" / "operator.crt").read_bytes(), authority.certificate_pem)
    assert operator.kind == "operator"
    assert operator.public_key == identity.public_key(identity.load_key(tmp_path / "pki" / "operator.key"))
    assert len((tmp_path / "pki" / "group.key").read_bytes()) == 32
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "pki").stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "pki").iterdir()} == {0o600}


def test_an_init_that_was_cut_short_is_finished_and_changes_nothing(tmp_path: Path) -> None:
    words = pki.lay_down(tmp_path, "saturday")
    key = (tmp_path / "group.key").read_bytes()
    (tmp_path / "operator.crt").unlink()
    assert pki.lay_down(tmp_path, "saturday") == words
    assert (tmp_path / "group.key").read_bytes() == key
    assert (tmp_path / "operator.crt").exists()


def test_another_groups_folder_is_left_alone(tmp_path: Path) -> None:
    pki.lay_down(tmp_path, "saturday")
    with pytest.raises(OwnerMustAct, match="saturday"):
        pki.lay_down(tmp_path, "sunday")
