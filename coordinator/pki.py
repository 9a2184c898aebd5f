"""The coordinator's keys: laid down once by `init`, the operator's certificate renewed whenever the coordinator runs."""

from __future__ import annotations

import secrets
from pathlib import Path

from shared import identity
from shared.disk import private_folder, write
from shared.identity import CertificateAuthority


def lay_down(folder: Path, cluster: str) -> str:
    """Make the authority, the host's own certificate and the group key. Returns the host words.

    Raises OwnerMustAct where there is an authority already.
    """
    private_folder(folder)
    authority = CertificateAuthority.create(folder, cluster)
    identity.save_key(identity.new_key(), folder / "operator.key")
    renew_operator(authority, folder)
    write(folder / "group.key", secrets.token_bytes(32))
    return authority.words


def renew_operator(authority: CertificateAuthority, folder: Path) -> None:
    """A fresh week for the certificate that the host's own command line shows."""
    key = identity.load_key(folder / "operator.key")
    write(folder / "operator.crt", authority.issue_operator(identity.public_key(key)))
