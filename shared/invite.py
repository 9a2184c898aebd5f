"""An invite is one word that lets one PC in, once: `pl1-` and base64url of

    pin of the authority's key 32 | invite id 8 | secret 16 | expiry 4 (UTC s) | addresses, comma-separated | check 4

The check is the start of the SHA-256 of all before it: it finds typing errors and lost ends, it protects nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.errors import OwnerMustAct

PREFIX = "pl1-"
_HEAD = struct.Struct(">32s8s16sI")
_CHECK = 4
_MAX_WORD = 2048  # characters; one with eight addresses takes about 300


@dataclass(frozen=True, slots=True)
class Invite:
    pin: bytes  # SHA-256 of the authority's public key, 32 bytes
    id: bytes  # 8 bytes
    secret: bytes = field(repr=False)  # 16 bytes
    expires: int  # UTC seconds
    addresses: tuple[str, ...]  # host:port of the joining port


def fresh(pin: bytes, expires: float, addresses: Sequence[str]) -> Invite:
    """A new invite. Save `secret_hash(invite.secret)`, never the secret itself."""
    return Invite(pin, secrets.token_bytes(8), secrets.token_bytes(16), int(expires), tuple(addresses))


def secret_hash(secret: bytes) -> str:
    """What the coordinator keeps of a secret: SHA-256 in hex (a plain hash will do for 128 random bits)."""
    return hashlib.sha256(secret).hexdigest()


def word(invite: Invite) -> str:
    """The invite as one pasteable word."""
    body = _HEAD.pack(invite.pin, invite.id, invite.secret, invite.expires) + ",".join(invite.addresses).encode()
    return PREFIX + base64.urlsafe_b64encode(body + _check(body)).decode().rstrip("=")


def parse(text: str) -> Invite:
    """Read an invite as chat apps leave it: wrapped, quoted, the command in front. Raises OwnerMustAct in words."""
    bare = _unwrapped(text)
    if not bare.startswith(PREFIX):
        if re.match(r"pl\d+-", bare):
            raise OwnerMustAct(
                "This invite was made by a newer potluck. Update potluck on this PC, then paste it again."
            )
        raise OwnerMustAct(
            f"This is not an invite: that is one word that starts with {PREFIX}. Copy it again from the host's message."
        )
    if len(bare) > _MAX_WORD:
        raise OwnerMustAct("This is longer than any invite. Copy only the invite from the host's message.")
    encoded = bare.removeprefix(PREFIX)
    if strange := sorted(set(re.findall(r"[^A-Za-z0-9_-]", encoded))):
        raise OwnerMustAct(
            f"The invite is mistyped: {' '.join(map(repr, strange[:3]))} does not belong in it. "
            "Copy it again from the host's message."
        )
    try:
        raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _cut() from None  # the chain would show the secret
    body, check = raw[:-_CHECK], raw[-_CHECK:]
    if len(body) <= _HEAD.size or _check(body) != check:
        raise _cut()
    pin, id_, secret, expires = _HEAD.unpack_from(body)
    try:
        addresses = tuple(body[_HEAD.size :].decode("ascii").split(","))
    except UnicodeDecodeError:
        raise _cut() from None
    if not all(re.fullmatch(r"[^\s,]+:\d{1,5}", address) for address in addresses):
        raise OwnerMustAct("This invite names no address that this PC can dial. Ask the host for a new one.")
    return Invite(pin, id_, secret, expires, addresses)


def _unwrapped(text: str) -> str:
    """Drop white space, zero-width characters, quotes, full stops and a pasted `$ potluck node join ` in front."""
    one = "".join(character for character in text if not character.isspace() and character.isprintable())
    found = re.search(r"(?:^|nodejoin|[^A-Za-z0-9_-])(pl\d+-.*)$", one)
    return (found[1] if found else one).strip("`'\"<>“”‘’«»*.,;:!()[]")


def _check(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()[:_CHECK]


def _cut() -> OwnerMustAct:
    return OwnerMustAct(
        "The invite is cut or mistyped (its check does not match). Copy the whole word again from the host's message."
    )
