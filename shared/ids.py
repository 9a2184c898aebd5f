"""Names for things that look alike as strings, so that one is never passed for another."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from typing import NewType

NodeId = NewType("NodeId", str)  # base32 of SHA-256 of the node's public key, 16 characters
RunId = NewType("RunId", str)  # a slug and six characters: saturday-notes-k3f9qa
Digest = NewType("Digest", str)  # SHA-256 in lowercase hex, 64 characters
SERVER_NAME = "coordinator.potluck.internal"  # what every server certificate says, wherever the host lives

_DIGEST = re.compile(r"[0-9a-f]{64}")
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")


def node_id(public_key_der: bytes) -> NodeId:
    """The node's name, derived from its key (SubjectPublicKeyInfo, DER), as Syncthing does."""
    return NodeId(base64.b32encode(hashlib.sha256(public_key_der).digest())[:16].decode().lower())


def flower_id(node: NodeId) -> int:
    """Flower wants an integer: the first 63 bits of the node id's 80."""
    return int.from_bytes(base64.b32decode(node.upper()), "big") >> 17


def group_id(group_key: bytes) -> str:
    """Which group's key it is; the key cannot be found out from it."""
    return hashlib.sha256(b"which group has this key: " + group_key).hexdigest()[:16]


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


def is_run(text: str) -> bool:
    """A run's name also names folders, on every PC: so no dots, no slashes."""
    return _RUN.fullmatch(text) is not None


def runs_called(asked: str, known: Sequence[str]) -> list[str]:
    """Which runs somebody means by an id, by a run's own name or by how it begins; by nothing: any of them."""
    if asked in known:
        return [asked]
    if not asked:
        return list(known)
    own = [run for run in known if run.rpartition("-")[0] == asked]
    return own or [run for run in known if run.startswith(asked)]


def slug(name: str) -> str:
    """Lowercase words joined by dashes, at most 32 characters."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:32] or "run"
