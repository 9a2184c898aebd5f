"""Where friends may reach this PC: the addresses an invite carries and `up` prints."""

from __future__ import annotations

import ipaddress
import socket

import psutil

from coordinator.settings import Settings


def reachable(settings: Settings) -> tuple[str, ...]:
    """host:port of the joining port, most useful first: what the host named, then this PC's own interfaces."""
    own = [settings.bind] if settings.bind not in ("", "0.0.0.0", "::") else _interfaces()  # noqa: S104  compared, not bound
    found = [*settings.addresses, *(_joined(host, settings.enrol_port) for host in own)]
    return tuple(dict.fromkeys(found))


def kind(address: str) -> str:
    """A word for people: what sort of address this is."""
    host = address.rsplit(":", 1)[0].strip("[]")
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return "as you named it"
    if ip.is_loopback:
        return "this PC only"
    if ip in ipaddress.ip_network("100.64.0.0/10"):
        return "overlay"
    return "LAN" if ip.is_private else "internet, if your router forwards it: docs/router.md"


def with_port(address: str, port: int) -> str:
    """Add the port where the host left it out."""
    bare = address.strip()
    has_port = bare.rsplit(":", 1)[-1].isdigit() and (bare.count(":") == 1 or bare.startswith("["))
    return bare if has_port else _joined(bare.strip("[]"), port)


def _interfaces() -> list[str]:
    up = {name for name, stats in psutil.net_if_stats().items() if stats.isup}
    found: list[tuple[int, str]] = []
    for name, addresses in psutil.net_if_addrs().items():
        for entry in addresses:
            if name not in up or entry.family not in (socket.AF_INET, socket.AF_INET6):
                continue
            ip = ipaddress.ip_address(entry.address.split("%")[0])
            if not ip.is_link_local:
                found.append((_rank(ip), str(ip)))
    return [host for _, host in sorted(found)]


def _rank(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> int:
    if ip.is_loopback:
        return 9
    return (0 if ip.is_private else 1) + (4 if ip.version == 6 else 0)


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
