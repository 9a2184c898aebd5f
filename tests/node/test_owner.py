"""The owner's wishes, written and watched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from node import owner
from node.logic.facts import DataChanged, OwnerPaused, OwnerResumed
from node.owner import Wishes
from node.watching import Watching
from shared.errors import OwnerMustAct
from tests.node import homes

NOW = datetime(2026, 11, 24, 21, 4, tzinfo=UTC)


def test_without_a_file_nothing_is_wished(tmp_path: Path) -> None:
    assert owner.read(tmp_path) == Wishes()


def test_a_pause_is_kept_with_its_beginning_and_end(tmp_path: Path) -> None:
    owner.pause(tmp_path, NOW, NOW + timedelta(hours=2))
    wishes = owner.read(tmp_path)
    assert wishes.paused
    assert (wishes.since, wishes.until) == ("2026-11-24T21:04:00+00:00", "2026-11-24T23:04:00+00:00")


def test_pausing_again_keeps_the_moment_it_began(tmp_path: Path) -> None:
    owner.pause(tmp_path, NOW, None)
    assert owner.pause(tmp_path, NOW + timedelta(hours=1), None).since == NOW.isoformat()


def test_a_pause_after_one_that_ran_out_begins_anew(tmp_path: Path) -> None:
    owner.pause(tmp_path, NOW, NOW + timedelta(seconds=40))
    later = NOW + timedelta(hours=1)
    assert owner.pause(tmp_path, later, None).since == later.isoformat()


def test_pausing_forgets_nothing_about_shares(tmp_path: Path) -> None:
    owner.share(tmp_path, "notes", True)
    owner.pause(tmp_path, NOW, None)
    owner.resume(tmp_path, NOW)
    assert owner.read(tmp_path).share == ("notes",)
    assert owner.share(tmp_path, "notes", False).share == ()


@pytest.mark.parametrize("text", ["", "[]", '{"paused": true, "since": "tea"}', "{}"])
def test_a_damaged_file_is_told_in_words_and_can_be_written_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "owner.json").write_text(text)
    with pytest.raises(OwnerMustAct, match="writes it anew"):
        owner.read(tmp_path)
    assert owner.pause(tmp_path, NOW, None).paused


def test_changes_are_noticed_once(tmp_path: Path) -> None:
    watching = Watching(tmp_path, homes.quiet_log()[0])
    assert list(watching.changes()) == [DataChanged((), watching._edition or "")]
    owner.pause(tmp_path, NOW, None)
    assert list(watching.changes()) == [OwnerPaused(NOW.timestamp(), None)]
    assert list(watching.changes()) == []
    owner.resume(tmp_path, NOW)
    assert list(watching.changes()) == [OwnerResumed()]


def test_a_new_collection_is_noticed_and_so_is_new_text_under_its_name(tmp_path: Path) -> None:
    watching = Watching(tmp_path, homes.quiet_log()[0])
    list(watching.changes())
    meta = tmp_path / "data" / "notes" / "meta.json"
    meta.parent.mkdir(parents=True)
    editions = []
    for documents in (3, 4):
        meta.write_text(f'{{"documents": {documents}}}')
        (fact,) = watching.changes()
        assert isinstance(fact, DataChanged)
        assert fact.names == ("notes",)
        editions.append(fact.edition)
    assert editions[0] != editions[1]
    meta.write_text('{"documents": 4, "tokens": 12}')  # counted by the run that reads it now
    assert list(watching.changes()) == []


def test_a_damaged_wish_leaves_the_last_one_standing_and_is_said_once(tmp_path: Path) -> None:
    log, written = homes.quiet_log()
    watching = Watching(tmp_path, log)
    owner.pause(tmp_path, NOW, None)
    list(watching.changes())
    (tmp_path / "owner.json").write_text("?")
    assert list(watching.changes()) == []
    assert list(watching.changes()) == []
    assert watching.wishes.paused
    assert written.getvalue().count("owner-file") == 1
