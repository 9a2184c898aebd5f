"""What the owner changes on disk while the agent runs: owner.json, collections under data/, consents under apps/."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from node import owner
from node.home import sorted_out
from node.logic.facts import DataChanged, Fact, OwnerPaused, OwnerResumed
from node.owner import Wishes
from shared.errors import OwnerMustAct
from shared.log import Log


class Watching:
    """Looks when told to; `changes` yields what is new since the last look."""

    def __init__(self, home: Path, log: Log) -> None:
        self._home, self._log = home, log
        self._seen: tuple[int, ...] | None = None
        self._edition: str | None = None
        self.wishes = Wishes()

    def changes(self) -> Iterator[Fact]:
        yield from self.owner()
        yield from self._data()

    def owner(self) -> Iterator[Fact]:
        """The owner's wishes alone: one look at one file."""
        try:
            found = (self._home / "owner.json").stat()
            seen: tuple[int, ...] = (found.st_mtime_ns, found.st_size, found.st_ino)
        except FileNotFoundError:
            seen = ()
        if seen == self._seen:
            return
        first, self._seen = self._seen is None, seen
        try:
            self.wishes = owner.read(self._home)
        except OwnerMustAct as error:
            self._log.warn("owner-file", why=error.sentence)
            return
        if self.wishes.paused:
            since = owner.seconds(self.wishes.since) if self.wishes.since else 0.0
            yield OwnerPaused(since, owner.seconds(self.wishes.until) if self.wishes.until else None)
        elif not first:
            yield OwnerResumed()

    def _data(self) -> Iterator[Fact]:
        metas, foreign = sorted_out(self._home)
        allowed = sorted(path.name for path in (self._home / "apps").glob("[0-9a-f]*"))
        texts = {name: {**meta, "tokens": 0} for name, meta in metas.items()}  # counting them changes no text
        edition = hashlib.sha256(json.dumps([texts, allowed, foreign], sort_keys=True).encode()).hexdigest()[:12]
        if edition != self._edition:
            self._edition = edition
            yield DataChanged(tuple(metas), edition, tuple(foreign))
