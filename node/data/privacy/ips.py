"""IP addresses, not versions, sections, masks or this PC's own: 127.0.0.1, 0.0.0.0, ::1."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

from node.data.privacy.kinds import Hit, Kind

_FOUR = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_COLONS = re.compile(r":[0-9A-Fa-f]{0,4}:")
_SIX = re.compile(r"[0-9A-Fa-f:.]{3,45}")
_ZONE = re.compile(r"%[A-Za-z0-9_.-]{1,15}")
_SIX_BEGINS = re.compile(r"[23][0-9a-f]{3}:|f[cdef][0-9a-f]{2}:|64:ff9b:|::ffff:[0-9]", re.IGNORECASE)
_TALKS_OF_ADDRESSES = re.compile(
    r"\bips?\b|\bipv4|address|adress|dirección|direccion|host|server|serveur|servidor|serwer|\bdns\b|gateway|router|subnet"
    r"|netmask|\bping|\bssh\b|\bfrom\b|listen|connect|client|login|\bpeer|アドレス|サーバ|接続",
    re.IGNORECASE,
)
_TALKS_OF_VERSIONS = re.compile(
    r"(?:\bv|version|versión|wersj\w|release|build|バージョン|section|§|chapter|kapitel|abschnitt|\bsec\.|\boid|firmware"
    r"|update|upgrade|patch)\W{0,3}$|(?:version|release|firmware)\W{0,3}\w{1,12}\W{0,2}$",
    re.IGNORECASE,
)
_GOES_ON_BEFORE = re.compile(
    r"[A-Za-z0-9_\u00c0-\u052f.+~]$|(?<!\.[0-9])(?<!\.[0-9]{2})(?<!\.[0-9]{3})(?<!\s)-$"
)  # a range may: 10.1.0.5-10.1.0.9
_GOES_ON_AFTER = re.compile(r"[A-Za-z0-9_\u00c0-\u052f+~]|\.[A-Za-z0-9]|-(?![0-9]{1,3}\.[0-9])[A-Za-z0-9]")
_LETTER = re.compile("[A-Za-z0-9_\u00c0-\u052f]")
_BEFORE = 40  # characters looked at


def ips(text: str) -> Iterator[Hit]:
    """Of a plain text."""
    for found in _FOUR.finditer(text):
        if _is_four(text, found):
            yield Hit(found.start(), found.end(), Kind.IP)
    done = 0
    for colons in _COLONS.finditer(text):
        if colons.start() < done:
            continue
        start = colons.start()
        while start > max(done, colons.start() - 40) and text[start - 1] in "0123456789abcdefABCDEF:.":
            start -= 1
        six = _SIX.match(text, start)
        if six is None:
            continue
        done = six.end()
        written = six[0].rstrip(".") if six[0].endswith(("::", ".")) else six[0].rstrip(":.")
        if _is_six(text, start, written):
            zone = _ZONE.match(text, start + len(written)) if written.lower().startswith("fe80") else None
            yield Hit(start, zone.end() if zone else start + len(written), Kind.IP)


def _is_four(text: str, found: re.Match[str]) -> bool:
    before, after = text[max(0, found.start() - _BEFORE) : found.start()], text[found.end() : found.end() + 6]
    if _GOES_ON_BEFORE.search(before) or _GOES_ON_AFTER.match(after) or _TALKS_OF_VERSIONS.search(before):
        return False
    try:
        address = IPv4Address(found[0])
    except ValueError:
        return False
    if address.is_loopback or found[0].startswith(("0.", "255.")):
        return False
    if max(address.packed[:3]) > 30:
        return True
    # 1.2.3.4: as likely a section or a version
    return bool(_TALKS_OF_ADDRESSES.search(before) or re.match("[/:][0-9]", after))


def _is_six(text: str, start: int, written: str) -> bool:
    if _LETTER.match(text[start - 1 : start] or " ") or _LETTER.match(text, start + len(written)):
        return False
    try:
        address = ip_address(written)
    except ValueError:
        return False
    if not isinstance(address, IPv6Address) or address.is_loopback or address.is_unspecified:
        return False
    return (bool(_SIX_BEGINS.match(written)) and not re.fullmatch("[0-9]{4}::", written)) or written.count(":") == 7
