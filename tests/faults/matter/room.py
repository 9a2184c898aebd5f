"""Disks that are full or read-only, homes and ports that are taken: told with cause and remedy, and gone on from."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from socket import SO_REUSEADDR, SOL_SOCKET, socket

from shared.disk import HomeLock
from tests.cluster.group import Group, Said
from tests.cluster.test_kills import WIDE
from tests.cluster.test_words import MACHINE
from tests.faults.matter.homes import MEGABYTE, filled, read_only, table

AIR = 16 * MEGABYTE  # what `require_space` leaves free besides


def hosts_full_disk(folder: Path, seed: int) -> None:
    """No room for an update, then for a merge, then for the journal: each told, and the run still finishes."""
    with table(folder, "ana", "bo", small=("host",)) as group:
        home, host = folder / "host", group.processes["host"]
        (folder / "wide.json").write_text(json.dumps(WIDE))
        group.hold("bo", 1)
        run = group.start(rounds=2)
        group.run("ana", "bo")
        group.until("ana's update", lambda: group.member(run, "ana").get("state") == "uploaded")
        with filled(home, AIR - seed % 7):
            group.let_go()
            group.until("bo to be told", lambda: "needs" in group.log("bo"))
            assert "too full for a friend's update: it needs" in group.log("bo"), group.log("bo")
            assert host.poll() is None, group.log("host")
            assert group.phase(run) == "training"
        group.finished(run)
        merging_without_room(group, home)


def merging_without_room(group: Group, home: Path) -> None:
    """Room for every update and not for the merge: it waits, and nothing is half written."""
    group.hold("bo", 1)
    group.hold("ana", 1)
    run = group.start(name="wide", model=str(group.folder / "wide.json"), rounds=1, codec="bf16")
    group.until("both", lambda: group.doing("ana").get("step") and group.doing("bo").get("step"))
    with filled(home, AIR + 40 * MEGABYTE):  # for two updates of 10 MB, but not for a merge that writes 50
        group.let_go()
        group.until("the host to be told", lambda: "this round's model" in group.log("host"))
        assert group.phase(run) == "merging"
        spool = group.blobs("host").root / "spool"
        assert list(spool.iterdir()) == []
    (only,) = group.finished(run)["history"]
    assert [member["state"] for member in only["members"]] == ["counted", "counted"]


def journals_full_disk(folder: Path, seed: int) -> None:
    """Not a byte is left for the journal: the coordinator ends in words, and goes on when there is room."""
    with table(folder, "ana", small=("host",)) as group:
        home, host = folder / "host", group.processes["host"]
        group.run("ana")
        group.until("ana", lambda: group.node("ana")["state"] == "ready")
        known = group.status()["invites"]
        with filled(home, 0):
            for _ in range(60):
                if group.say(home, "coordinator", "invite", "bo").code != 0 or host.poll() is not None:
                    break
            assert host.wait(30) == 1, group.log("host")
        assert "disk is full" in group.log("host")
        assert "Traceback" not in group.log("host"), group.log("host")
        group.up()
        assert group.status()["invites"][: len(known)] == known
        group.join("bo")


def friends_full_disk(folder: Path, seed: int) -> None:
    """No room to fetch into, then none at all: the owner reads it, and the update counts in the end."""
    with table(folder, "ana", "bo", small=("ana",)) as group:
        home = folder / "ana"
        group.hold("bo", 1)
        with filled(home, AIR - 1):
            run = group.start(rounds=1)
            group.run("ana", "bo")
            group.until("ana to be told", lambda: "needs" in group.log("ana"))
            assert "The disk is too full for" in group.log("ana")
            waiting = "Waiting for room on the disk: The disk is too full for"
            group.until("ana's status", lambda: str(group.doing("ana").get("sentence")).startswith(waiting))
        group.until("ana's update", lambda: group.member(run, "ana").get("state") == "uploaded")
        group.let_go()
        (only,) = group.finished(run)["history"]
        assert [member["state"] for member in only["members"]] == ["counted", "counted"]
        with filled(home, 0):
            group.let_go()
            again = group.start(name="again", rounds=1)
            agent = group.processes["ana"]
            group.until("ana to end", lambda: agent.poll() is not None)
            assert "disk is full" in group.log("ana")
            assert "Traceback" not in group.log("ana"), group.log("ana")
        group.run("ana")
        group.finished(again)


def unusable_homes(folder: Path, seed: int) -> None:
    """Read-only, locked or full from the start, and ports that are taken: one sentence each, and nothing changed."""
    with table(folder, "ana", small=("host", "ana")) as group:
        host, ana = folder / "host", folder / "ana"
        group.processes["host"].terminate()
        group.processes["host"].wait(20)
        up, run = (host, "coordinator", "up"), (ana, "node", "run")
        before = {home: snapshot(home) for home in (host, ana)}
        for home, program in ((host, up), (ana, run)):
            with read_only(home):
                assert "may not be written (read-only disk" in sentence(group.say(*program))
            with HomeLock(home / program[1]):
                assert "is in use by another potluck process" in sentence(group.say(*program))
            with held(home / program[1] / "state.db"):
                assert "is in use by another program" in sentence(group.say(*program))
            with filled(home, 0):
                assert "disk is full" in sentence(group.say(*program))
        for port in (group.port, group.port + 1):
            with socket() as taken:
                taken.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)  # lines of the host that was there may still be closing
                taken.bind(("127.0.0.1", port))
                taken.listen()
                assert f"Port {port} is taken" in sentence(group.say(*up))
        assert {home: snapshot(home) for home in (host, ana)} == before
        group.up()
        group.run("ana")
        group.until("ana", lambda: group.node("ana")["state"] == "ready")


def sentence(said: Said) -> str:
    """The one line of a command that could not be done."""
    assert said.code == 1, said
    assert not MACHINE.search(said.err), said.err
    (line,) = said.err.strip().splitlines()
    return line


def snapshot(home: Path) -> dict[str, bytes]:
    """What must not change by failing to start."""
    kept = [path for kind in ("*.json", "pki/*") for path in home.glob(f"*/{kind}")]
    return {str(path): path.read_bytes() for path in kept}


class held:  # noqa: N801  reads as a sentence: with held(database)
    """Another program has that database to itself."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)

    def __enter__(self) -> None:
        self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._database.execute("BEGIN EXCLUSIVE")

    def __exit__(self, *_: object) -> None:
        self._database.close()
