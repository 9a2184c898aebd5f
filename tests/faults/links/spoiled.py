"""Lines that are cut, forgotten, slow, narrow or dishonest: each time the round closes, and little goes up twice."""

from __future__ import annotations

import time
from pathlib import Path

from tests.faults.links.table import AGAIN, HOME_UPLINK, MINUTE, NOTICED, again, closed_once, table, wait_out

LARGE = 288  # values wide: an update of 57.6 MB
MEDIUM = 48  # one of 9.6 MB
SMALL = 12  # one of 2.4 MB
CUT_EVERY = 4.0  # seconds, about
FULL = 0.4  # of what the line lets through in that time
DELAY = 0.3  # seconds, each way
NARROW = 125_000.0  # bytes a second: 1 Mbit/s
FLIP_EVERY = 8 << 20  # bytes, about


def cut_every_few_seconds(folder: Path, seed: int) -> None:
    """All through the upload of one update, the download of what came of it, and the upload of the next.

    Seconds of the line's own time: a machine too busy to fill the line is cut as often for each byte as any other.
    """
    with table(folder, seed, "ana", "bo") as at:
        ana = at.lines["ana"]
        ana.bytes_per_second = HOME_UPLINK
        run = at.group.start(**at.wide(LARGE), rounds=2)
        at.group.run("ana", "bo")
        at.group.until("the transfer", lambda: ana.up > 1 << 20)
        began = time.monotonic()
        passed = 0
        while not at.group.member(run, "ana", 2).get("bytes"):
            seconds = CUT_EVERY * at.chance.uniform(0.75, 1.25)
            time.sleep(seconds)
            if ana.up + ana.down - passed >= FULL * seconds * HOME_UPLINK:
                passed = ana.up + ana.down
                ana.cut()
            assert time.monotonic() - began < 240, at.group.logs()
        at.group.finished(run)
        size = sum(member_bytes(entry, "ana") for entry in closed_once(at, run, 2))
        print(f"measured: {ana.cuts} cuts; {again(ana, size):.1%} of {size:,} bytes went up again")
        assert ana.cuts >= 3
        assert again(ana, size) < AGAIN


def a_black_hole(folder: Path, seed: int) -> None:
    """For a minute no byte passes, and nothing says so: in the middle of ana's upload, and while bo only waits."""
    with table(folder, seed, "ana", "bo") as at:
        ana = at.lines["ana"]
        ana.bytes_per_second = HOME_UPLINK
        run = at.group.start(**at.wide(LARGE), rounds=1)
        at.group.run("ana", "bo")
        at.group.until("bo's update", lambda: at.group.member(run, "bo").get("state") == "uploaded")
        at.group.until("ana's upload", lambda: ana.up > (10 << 20))
        began, by_the_wall = time.monotonic(), time.time()
        for line in at.lines.values():
            line.hole = True
        for name in ("ana", "bo"):
            noticed = at.group.until(f"{name}'s PC to notice", lambda who=name: at.complained(who, by_the_wall), MINUTE)  # type: ignore[misc]
            print(f"measured: {name}'s PC noticed after {noticed - by_the_wall:.1f} s")
            assert noticed - by_the_wall < NOTICED
        at.group.until("the host to notice", lambda: at.group.node("ana")["state"] == "lost", MINUTE)
        print(f"measured: the host counted ana as lost after {time.monotonic() - began:.1f} s")
        assert time.monotonic() - began < MINUTE, "the hole was over before the host noticed"
        assert at.group.phase(run) == "training"
        wait_out(began, MINUTE)
        for line in at.lines.values():
            line.hole = False
        at.group.finished(run)
        (only,) = closed_once(at, run, 1)
        size = member_bytes(only, "ana")
        print(f"measured: {again(ana, size):.1%} of {size:,} bytes went up again")
        assert again(ana, size) < AGAIN


def a_long_way(folder: Path, seed: int) -> None:
    """300 ms each way, as over a satellite."""
    with table(folder, seed, "ana", "bo") as at:
        for line in at.lines.values():
            line.delay_seconds = DELAY
        run = at.group.start(rounds=2)
        at.group.run("ana", "bo")
        at.group.finished(run)
        closed_once(at, run, 2)
        once(at.group.friends["ana"].ask("sent"))


def a_narrow_line(folder: Path, seed: int) -> None:
    """1 Mbit/s each way."""
    with table(folder, seed, "ana", "bo") as at:
        ana = at.lines["ana"]
        ana.bytes_per_second = NARROW
        run = at.group.start(**at.wide(SMALL), rounds=1)
        at.group.run("ana", "bo")
        at.group.finished(run, 240)
        (only,) = closed_once(at, run, 1)
        size = member_bytes(only, "ana")
        print(f"measured: {again(ana, size):.1%} of {size:,} bytes went up besides")
        assert again(ana, size) < AGAIN
        once(at.group.friends["ana"].ask("sent"))


def flipped_bytes(folder: Path, seed: int) -> None:
    """TLS refuses every record that was touched: what is accepted is what was sent."""
    with table(folder, seed, "ana", "bo") as at:
        ana = at.lines["ana"]
        ana.bytes_per_second = HOME_UPLINK  # what is on its way when a connection breaks is lost
        ana.flip_every = FLIP_EVERY
        run = at.group.start(**at.wide(MEDIUM), rounds=2)
        at.group.run("ana", "bo")
        at.group.finished(run, 240)
        history = closed_once(at, run, 2)
        own = {line["digest"] for line in at.group.friends["ana"].ask("sent") if line["what"] == "update"}
        node = at.group.node("ana")["node"]
        taken = {fact["digest"] for fact in at.facts("Uploaded") if fact["node"] == node}
        print(f"measured: {ana.flipped} bytes flipped, on {ana.up + ana.down:,}; {len(history)} rounds closed")
        assert ana.flipped >= 3
        assert taken == own
        assert at.facts("UpdateRefused") == []


def member_bytes(entry: dict[str, object], name: str) -> int:
    members = entry["members"]
    assert isinstance(members, list)
    return next(int(member["bytes"]) for member in members if member["name"] == name)


def once(sent: list[dict[str, object]]) -> None:
    """No update went up twice, not even in part."""
    updates = [line for line in sent if line["what"] == "update"]
    assert len({line["digest"] for line in updates}) == len(updates) > 0, updates
    assert not any("from byte" in str(line["details"]) for line in updates), updates
