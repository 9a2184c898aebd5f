"""Where friends may reach this PC: the addresses an invite carries and `up` prints."""

from __future__ import annotations

import errno
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


def port_trouble(bind: str, port: int) -> str:
    """Why nobody can listen there, asked of the kernel: a sentence."""
    host = bind.strip("[]")
    family = socket.AF_INET if host and ":" not in host else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((host, port))
    except OSError as error:
        match error.errno:
            case errno.EACCES | errno.EPERM:
                return f"Port {port} is not allowed to you: ports below 1024 are kept for the system."
            case errno.EADDRNOTAVAIL:
                return f"This PC has no address {bind} to listen on; the settings say `bind`."
            case errno.EADDRINUSE:
                return f"Port {port} is taken by another program. Stop that one first."
            case _:
                return f"Port {port} cannot be listened on ({error.strerror})."
    return f"Port {port} is taken by another program. Stop that one first."  # it was when grpc tried


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
