"""The owner's wishes, in `owner.json`: the command line writes them, the agent (if it runs) watches them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

from shared import disk
from shared.errors import OwnerMustAct


@dataclass(frozen=True, slots=True)
class Wishes:
    paused: bool = False
    since: str | None = None  # ISO, with its time zone
    until: str | None = None  # None: until the owner says so
    share: tuple[str, ...] = ()  # collections whose counts may be told to the host


def read(home: Path) -> Wishes:
    """The wishes, or the defaults where none were written. Raises OwnerMustAct when the file makes no sense."""
    path = home / "owner.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        wishes = Wishes(bool(raw["paused"]), raw.get("since"), raw.get("until"), tuple(map(str, raw.get("share", ()))))
        for moment in (wishes.since, wishes.until):
            if moment is not None:
                seconds(moment)
    except FileNotFoundError:
        return Wishes()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OwnerMustAct(
            f"{path} cannot be read ({error}). `potluck node pause` or `resume` writes it anew."
        ) from error
    return wishes


def pause(home: Path, now: datetime, until: datetime | None) -> Wishes:
    """Pause from `now`. Pausing again before the pause is over keeps the moment it began."""
    old = _read_or_default(home)
    going = old.paused and (old.until is None or now.timestamp() < seconds(old.until))
    since = old.since if going and old.since else now.isoformat(timespec="seconds")
    moment = until.isoformat(timespec="seconds") if until else None
    return _write(home, replace(old, paused=True, since=since, until=moment))


def resume(home: Path, now: datetime) -> Wishes:
    """Work again; also tells the agent to try a trainer anew that it had given up."""
    return _write(
        home, replace(_read_or_default(home), paused=False, since=now.isoformat(timespec="seconds"), until=None)
    )


def share(home: Path, collection: str, agreed: bool) -> Wishes:
    """Whether the counts of that collection may be told to the host."""
    old = _read_or_default(home)
    names = {*old.share, collection} if agreed else {*old.share} - {collection}
    return _write(home, replace(old, share=tuple(sorted(names))))


def seconds(moment: str) -> float:
    """UTC seconds of an ISO moment; one without a zone is local time."""
    return datetime.fromisoformat(moment).timestamp()


def _read_or_default(home: Path) -> Wishes:
    try:
        return read(home)
    except OwnerMustAct:
        return Wishes()


def _write(home: Path, wishes: Wishes) -> Wishes:
    disk.write(home / "owner.json", json.dumps(asdict(wishes), indent=2).encode())
    return wishes
