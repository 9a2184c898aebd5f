"""Homes of PCs that have already joined a fake coordinator, and helpers that wait instead of sleeping."""

from __future__ import annotations

import asyncio
import io
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

from node import membership
from node.connection import Connection
from node.membership import Membership
from node.sent import Sent
from node.store.database import connect
from shared import identity
from shared.blobs import Blobs
from shared.ids import Digest, node_id
from shared.log import Log
from shared.rpc import tls
from tests.node.fake_coordinator import GROUP_KEY, FakeCoordinator


def joined(home: Path, host: FakeCoordinator, lifetime: float | None = None) -> Path:
    """A home as `join` leaves it."""
    key = identity.new_key()
    public = identity.public_key(key)
    node = node_id(public)
    host.registered.add(node)
    pki = home / "pki"
    identity.save_key(key, pki / "node.key")
    (pki / "node.crt").write_bytes(host.authority.issue_node(public, node, lifetime or host.lifetime))
    (pki / "ca.crt").write_bytes(host.authority.certificate_pem)
    (pki / "group.key").write_bytes(GROUP_KEY)
    address = f"127.0.0.1:{host.enrol_port}"
    membership.save(home, Membership(node, "ana", "saturday", (address,), address, host.port))
    return home


def line(home: Path, host: FakeCoordinator) -> Connection:
    pki = home / "pki"
    certificate = (pki / "node.crt").read_bytes()
    channel = tls.channel(host.address, (pki / "ca.crt").read_bytes(), (pki / "node.key").read_bytes(), certificate)
    return Connection(channel, host.address, identity.dates_of(certificate))


def database(home: Path) -> sqlite3.Connection:
    return connect(home / "state.db")


def sent(home: Path) -> Sent:
    return Sent(database(home))


def keep(blobs: Blobs, data: bytes) -> Digest:
    """Store bytes of any size."""
    file = blobs.root / "partial" / "own"
    file.write_bytes(data)
    return blobs.adopt(file)


def quiet_log() -> tuple[Log, io.StringIO]:
    stream = io.StringIO()
    return Log(stream), stream


async def until(condition: Callable[[], object], seconds: float = 10.0, why: Callable[[], object] = lambda: "") -> None:
    """Look ten times a second until `condition` holds; complain with `why` after `seconds`."""
    for _ in range(int(seconds * 20)):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"it did not happen within {seconds} s: {why()}")


def status(home: Path) -> dict[str, object]:
    try:
        raw: dict[str, object] = json.loads((home / "status.json").read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return raw
