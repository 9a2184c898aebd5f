"""What a store keeps: the journal of facts, sealed row by row, and the newest snapshot of what they add up to.

The journal is the truth and is never shortened; a snapshot only saves time at start-up and may be thrown away.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from typing import Protocol

from shared.errors import OwnerMustAct


@dataclass(frozen=True, slots=True)
class Row:
    """One fact, as it lies in the journal."""

    seq: int  # 1, 2, 3, ... without gaps
    run: str  # or empty
    at: float  # UTC seconds
    kind: str
    json: str
    version: int
    digest: str  # SHA-256 over all the other fields


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state after fact number `seq`."""

    seq: int
    json: str
    digest: str


class Store(Protocol):
    """Where a journal lies. Both methods that write return only when the bytes would survive a power cut.

    Raises OwnerMustAct when the disk is full, read-only or damaged.
    """

    def append(self, rows: Sequence[Row]) -> None:
        """All of them or none. The first one's `seq` follows the last one kept."""

    def keep_snapshot(self, snapshot: Snapshot) -> None:
        """Replaces the one before."""

    def snapshot(self) -> Snapshot | None:
        """The newest, whether or not it is still intact."""

    def rows(self, after: int = 0) -> Iterator[Row]:
        """The facts behind number `after`, in order, each one checked. Raises OwnerMustAct naming a damaged one."""

    def close(self) -> None: ...


def row(seq: int, run: str, at: float, kind: str, json: str, version: int) -> Row:
    """A sealed row."""
    return Row(seq, run, at, kind, json, version, _seal(seq, run, at, kind, json, version))


def snapshot(seq: int, json: str) -> Snapshot:
    """A sealed snapshot."""
    return Snapshot(seq, json, _seal(seq, json))


def intact(kept: Snapshot) -> bool:
    return kept.digest == _seal(kept.seq, kept.json)


def checked(rows: Iterable[Row], after: int) -> Iterator[Row]:
    """The same rows. Raises OwnerMustAct at the first that is damaged or missing."""
    expected = after + 1
    for kept in rows:
        if kept.seq != expected:
            raise OwnerMustAct(f"The journal is damaged: fact {expected} is missing. {REMEDY}")
        if kept.digest != _seal(*astuple(kept)[:-1]):
            raise OwnerMustAct(
                f"The journal is damaged: fact {kept.seq} ({kept.kind}, {_when(kept.at)}) no longer matches its "
                f"digest. {REMEDY}"
            )
        expected += 1
        yield kept


REMEDY = "The disk may be failing: copy this folder elsewhere, then bring back a copy of state.db from before."


def _seal(*parts: object) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = repr(part).encode(errors="surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def _when(at: float) -> str:
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%d %B %Y %H:%M UTC")
    except (TypeError, ValueError, OverflowError, OSError):
        return "at an impossible time"
