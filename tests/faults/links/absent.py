"""Friends and hosts who are gone for a while, with a word or without: they are named, and nothing counts twice."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from shared.rpc.tls import LOOKAHEAD
from tests.cluster.group import Group
from tests.faults.links.spoiled import LARGE, member_bytes
from tests.faults.links.table import (
    AGAIN,
    HOME_UPLINK,
    MINUTE,
    NOTICED,
    Table,
    again,
    closed_once,
    table,
    wait_out,
)

LEASE = 60.0  # seconds, generous: the host counts a silent friend as lost after 45


def all_but_one_gone(folder: Path, seed: int) -> None:
    """Three times the round stands with one update of the two it needs: after goodbyes, after deaths, and for good."""
    with table(folder, seed, "ana", "bo", "cy") as at:
        friends = at.group
        friends.run("ana", "bo", "cy")
        run = alone_with_ana(at, "stopped", deadline="5 min", rounds=1)
        friends.run("bo")
        (closed,) = friends.finished(run)["history"]
        assert states(closed) == {"ana": "counted", "bo": "counted", "cy": "stopped"}
        friends.run("cy")

        run = alone_with_ana(at, "lost", deadline="5 min", rounds=1)
        friends.run("cy")
        (closed,) = friends.finished(run)["history"]
        assert states(closed) == {"ana": "counted", "bo": "lost", "cy": "counted"}
        friends.run("bo")

        run = alone_with_ana(at, "stopped", deadline="20 s", rounds=1)
        before = friends.rounds(run)[0]
        friends.until("the round to be given up", lambda: friends.phase(run) == "abandoned")
        given_up = friends.rounds(run)[0]
        assert "only 1 of the 2 updates it needs came before its deadline" in given_up["sentence"]
        assert "the model is as it was" in given_up["sentence"]
        assert not given_up["model"]
        assert given_up["number"] == before["number"] == 1
        friends.let_go()
        friends.run("bo")
        entry = friends.finished(run)
        assert [one["phase"] for one in entry["history"]] == ["abandoned", "committed"]
        friends.blobs("host").verify(entry["model"])
        merged = [fact["round"] for fact in at.facts("Merged") if fact["run"] == run]
        assert merged == [2], f"rounds merged: {merged}"


def alone_with_ana(at: Table, how: str, **settings: object) -> str:
    """A run whose round holds ana's update only, with bo and cy gone (`how`: stopped with a word, or lost without)."""
    friends = at.group
    for name in ("bo", "cy"):
        friends.hold(name, 1)
    friends.until("all three", lambda: all(friends.node(name)["state"] == "ready" for name in ("ana", "bo", "cy")))
    run = friends.start(**settings)
    friends.until("ana's update", lambda: friends.member(run, "ana").get("state") == "uploaded")
    friends.until("the others to train", lambda: all(friends.doing(name).get("step") for name in ("bo", "cy")))
    for name in ("bo", "cy"):
        if how == "lost":
            friends.kill(name)
        else:
            friends.processes[name].send_signal(signal.SIGINT)
            friends.processes[name].wait(30)
    friends.until("the host to miss them", lambda: all(friends.node(name)["state"] == how for name in ("bo", "cy")))
    missing(friends, run, how)
    friends.let_go()
    return run


def missing(friends: Group, run: str, how: str) -> None:
    """The round waits, and what the host reads names who is missing."""
    waiting = friends.rounds(run)[0]
    assert waiting["phase"] == "training"
    assert "1 of 3 updates here" in waiting["sentence"]
    assert states(waiting) == {"ana": "uploaded", "bo": how, "cy": how}
    for command in (("rounds",), ("status",)):
        shown = friends.host.potluck(*command)
        lines = [line for line in shown.splitlines() if line.split()[:1] in (["bo"], ["cy"])]
        assert len(lines) >= 2, shown
        print(f"`potluck coordinator {command[0]}` says: {' | '.join(line.strip() for line in lines)}")
        assert all(how in line for line in lines), shown


def a_frozen_host(folder: Path, seed: int) -> None:
    """SIGSTOP for a minute, in the middle of an upload: as a cut."""
    with table(folder, seed, "ana", "bo") as at:
        friends, run = at.group, uploading(at)
        friends.freeze("host")
        began, by_the_wall = time.monotonic(), time.time()
        noticed = friends.until("ana's PC to notice", lambda: at.complained("ana", by_the_wall), MINUTE)
        wait_out(began, MINUTE)
        friends.thaw("host")
        print(f"measured: a frozen host was noticed after {noticed - by_the_wall:.1f} s")
        assert noticed - by_the_wall < NOTICED
        came_back(at, run, LOOKAHEAD)


def a_frozen_node(folder: Path, seed: int) -> None:
    """SIGSTOP for a minute, in the middle of an upload: as a cut."""
    with table(folder, seed, "ana", "bo") as at:
        friends, run = at.group, uploading(at)
        friends.freeze("ana")
        began = time.monotonic()
        friends.until("the host to miss ana", lambda: friends.member(run, "ana")["state"] == "lost", LEASE)
        print(f"measured: a frozen node was missed after {time.monotonic() - began:.1f} s")
        assert friends.phase(run) == "training"
        wait_out(began, MINUTE)
        friends.thaw("ana")
        came_back(at, run)


def uploading(at: Table) -> str:
    """A run in whose first round ana's update is on its way."""
    ana = at.lines["ana"]
    ana.bytes_per_second = HOME_UPLINK
    run = at.group.start(**at.wide(LARGE), rounds=1)
    at.group.run("ana", "bo")
    at.group.until("the upload", lambda: ana.up > (10 << 20))
    return run


def came_back(at: Table, run: str, unread: int = 0) -> None:
    """`unread`: bytes that may have reached the host's socket and were never read by it."""
    at.group.finished(run)
    (only,) = closed_once(at, run, 1)
    size = member_bytes(only, "ana")
    share = again(at.lines["ana"], size)
    print(f"measured: {share:.1%} of {size:,} bytes went up again")
    assert share < AGAIN + unread / size


def states(entry: dict[str, object]) -> dict[str, str]:
    members = entry["members"]
    assert isinstance(members, list)
    return {member["name"]: member["state"] for member in members}
