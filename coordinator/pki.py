"""What `init` lays down once: the group's authority, the host's own certificate, the group's key for held-out text."""

from __future__ import annotations

import secrets
from pathlib import Path

from shared import disk, identity
from shared.authority import CertificateAuthority
from shared.errors import OwnerMustAct

GROUP_KEY_BYTES = 32
# The operator's key lies beside the authority's own, which could make any other: a short life would protect nothing.
OPERATOR_SECONDS = 20 * 365 * 86400.0


def lay_down(folder: Path, cluster: str) -> str:
    """Fill the `pki` folder and return the host's words. Cut short, it may be called again and keeps what is there.

    Raises OwnerMustAct when the folder belongs to another group.
    """
    disk.private_folder(folder)
    if (folder / "ca.crt").exists():
        authority = CertificateAuthority.load(folder)
        if authority.cluster != cluster:
            raise OwnerMustAct(f"{folder} holds the keys of the group {authority.cluster!r}. Nothing was changed.")
    else:
        authority = CertificateAuthority.create(folder, cluster)
    if not (folder / "operator.crt").exists():
        key = identity.new_key()
        identity.save_key(key, folder / "operator.key")
        disk.write(folder / "operator.crt", authority.issue_operator(identity.public_key(key), OPERATOR_SECONDS))
    if not (folder / "group.key").exists():
        disk.write(folder / "group.key", secrets.token_bytes(GROUP_KEY_BYTES))
    return authority.words
